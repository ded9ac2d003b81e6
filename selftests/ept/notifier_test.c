// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory follows the process: what madvise, munmap, mremap, mprotect and
 * fork change under the guest, it sees at its next access, stopped or running,
 * and memory that is gone is an error of KVM_RUN, not of the host.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "thread.h"

#define GPA	0x40000000ULL
#define SIZE	(4ULL << 20)

#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif

static void guest_read(void)
{
	for (;;)
		GUEST_SYNC2(1, mmio_read64(GPA + 8));
}

static u64 guest_value(struct vcpu *vcpu)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

/* KVM_RUN fails, and tells the page. run->memory_fault has a name in newer headers alone. */
static void run_to_fault(struct vcpu *vcpu, const char *what)
{
	const u64 *fault = (const u64 *)vcpu->run->padding;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	memset(vcpu->run->padding, 0xff, sizeof(vcpu->run->padding));
	CHECK_RET(what, -EFAULT, __vcpu_run(vcpu));
	/* stock KVM 6.12 has the capability, and says nothing of memory that the launcher took away */
	if (dev_is_kvm())
		return;
	CHECK_EQ("capability", 1, has_cap(KVM_CAP_MEMORY_FAULT_INFO));
	CHECK_EQ("exit", KVM_EXIT_MEMORY_FAULT, vcpu->run->exit_reason);
	CHECK_EQ("flags", 0, fault[0]);
	CHECK_EQ("address", GPA, fault[1]);
	CHECK_EQ("size", PAGE_SIZE, fault[2]);
}

static struct vcpu *start(void *fn, void *mem)
{
	struct vm *vm = vm_create(VM_GUEST);

	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	return vcpu_create_guest(vm, 0, fn);
}

static void test_replace(void)
{
	u64 *p = host_pages_aligned(SIZE, 2 << 20), *q;
	struct vcpu *vcpu = start(guest_read, p);

	p[1] = 0x11;
	CHECK_EQ("first value", 0x11, guest_value(vcpu));
	madvise(p, SIZE, MADV_DONTNEED);
	CHECK_EQ("after MADV_DONTNEED", 0, guest_value(vcpu));
	q = host_pages(SIZE);
	q[1] = 0x22;
	ASSERT(mremap(q, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p, "mremap");
	CHECK_EQ("after mremap onto it", 0x22, guest_value(vcpu));
	ASSERT(mmap(p, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p,
	       "mmap");
	p[1] = 0x33;
	CHECK_EQ("after mmap over it", 0x33, guest_value(vcpu));
}

static void test_gone(void)
{
	u64 *p = host_pages(SIZE);
	struct vcpu *vcpu = start(guest_read, p);

	p[1] = 0x11;
	CHECK_EQ("first value", 0x11, guest_value(vcpu));
	munmap(p, SIZE);
	run_to_fault(vcpu, "KVM_RUN without the memory");
	run_to_fault(vcpu, "KVM_RUN again");
	ASSERT(mmap(p, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p,
	       "mmap");
	p[1] = 0x44;
	CHECK_EQ("memory is back", 0x44, guest_value(vcpu));
}

static void guest_write(void)
{
	u64 n = 0;

	for (;;) {
		mmio_write64(GPA + 8, ++n);
		GUEST_SYNC2(1, n);
	}
}

/* A fork shares the pages copy-on-write: neither side sees the other's writes. */
static void test_fork(void)
{
	u64 *p = host_pages(SIZE);
	struct vcpu *vcpu = start(guest_write, p);
	int status, fds[2];
	pid_t pid;
	u64 n;

	CHECK_EQ("before", 1, guest_value(vcpu));
	ASSERT_EQ(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		char c;

		ASSERT_EQ(read(fds[0], &c, 1), 1);
		_exit(p[1] == 1 ? 0 : 1);
	}
	n = guest_value(vcpu);
	CHECK_EQ("the guest's write reaches us", n, p[1]);
	p[1] = 100;
	ASSERT_EQ(write(fds[1], "x", 1), 1);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("the child keeps the old page", 0, status);
	CHECK_EQ("next write", 3, guest_value(vcpu));
	CHECK_EQ("it reaches us as well", 3, p[1]);
}

static void test_read_only(void)
{
	u64 *p = host_pages(SIZE);
	struct vcpu *vcpu = start(guest_write, p);

	CHECK_EQ("first", 1, guest_value(vcpu));
	mprotect(p, SIZE, PROT_READ);
	run_to_fault(vcpu, "KVM_RUN writing a read-only mapping");
	CHECK_EQ("nothing written", 1, p[1]);
	mprotect(p, SIZE, PROT_READ | PROT_WRITE);
	CHECK_EQ("writable again", 2, guest_value(vcpu));
	CHECK_EQ("written", 2, p[1]);
}

static volatile u64 stop_guest;

/* Every page carries its number, or 0 just after it was dropped. */
static void guest_scan(void)
{
	u64 i, v;

	while (!stop_guest)
		for (i = 0; i < SIZE; i += PAGE_SIZE) {
			v = mmio_read64(GPA + i);
			GUEST_ASSERT(!v || v == i + 1);
			mmio_write64(GPA + i, i + 1);
		}
}

static void test_running(void)
{
	u8 *p = host_pages_aligned(SIZE, 2 << 20);
	struct vcpu *vcpu = start(guest_scan, p);
	pthread_t t;
	u64 i;

	vcpu_let_host_in(vcpu);
	t = vcpu_thread(vcpu);
	for (i = 0; i < 400; i++) {
		u64 at = (i * 37 % (SIZE / PAGE_SIZE)) * PAGE_SIZE;

		switch (i % 4) {
		case 0:
			madvise(p + at, PAGE_SIZE, MADV_DONTNEED);
			break;
		case 1:
			madvise(p, SIZE, MADV_DONTNEED);
			break;
		case 2:
			madvise(p, SIZE, i % 8 == 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
			break;
		case 3:
			mprotect(p + at, PAGE_SIZE, PROT_READ | PROT_WRITE);
			host_sleep_ms(1);
		}
	}
	*GUEST_VAR(vcpu->vm, stop_guest) = 1;
	host_join(t);
}

static volatile u64 read_at, read_value;

static void guest_read_at(void)
{
	for (;;) {
		read_value = mmio_read64(read_at);
		GUEST_SYNC(1);
	}
}

static u64 value_at(struct vcpu *vcpu, u64 gpa)
{
	*GUEST_VAR(vcpu->vm, read_at) = gpa;
	vcpu_run_sync(vcpu, 1);
	return *GUEST_VAR(vcpu->vm, read_value);
}

/* TSC ticks of a change that the VM must be told of. */
static u64 cost_of_change(u8 *page)
{
	u64 start = rdtsc();
	int i;

	for (i = 0; i < 64; i++) {
		*(volatile u8 *)page = *(volatile u8 *)page;
		ASSERT_EQ(mprotect(page, PAGE_SIZE, PROT_READ), 0);
		ASSERT_EQ(mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	}
	return (rdtsc() - start) / 128;
}

/* One page a slot, launcher addresses in another order than the guest's, and one page in two slots. */
#define MANY_GPA(i)	(GPA + (i) * 2 * PAGE_SIZE)
#define MANY_HVA(i)	(mem + (((i) * 1237) % n) * PAGE_SIZE)

static void test_many_slots(void)
{
	const char *more = getenv("MANY_SLOTS");
	u32 n = more ? strtoul(more, NULL, 0) : 2048, i;
	u8 *mem = host_pages(n * PAGE_SIZE);
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_read_at);

	for (i = 0; i < n; i++) {
		vm_set_slot(vm, 1 + i, 0, MANY_GPA(i), PAGE_SIZE, MANY_HVA(i));
		*(u64 *)MANY_HVA(i) = i + 1;
		if (i == 7)
			test_note("%llu ticks for a change, 8 slots", (unsigned long long)cost_of_change(MANY_HVA(0)));
	}
	vm_set_slot(vm, 1 + n, 0, MANY_GPA(n), PAGE_SIZE, MANY_HVA(n / 2));
	for (i = 0; i < n; i += n / 16) {
		ASSERT_EQ(value_at(vcpu, MANY_GPA(i)), i + 1);
		ASSERT_EQ(value_at(vcpu, MANY_GPA(i + 1)), i + 2);
		madvise(MANY_HVA(i), PAGE_SIZE, MADV_DONTNEED);
		ASSERT_EQ(value_at(vcpu, MANY_GPA(i)), 0);
		*(u64 *)MANY_HVA(i) = 2 * i;
		ASSERT_EQ(value_at(vcpu, MANY_GPA(i)), 2 * i);
		ASSERT_EQ(value_at(vcpu, MANY_GPA(i + 1)), i + 2);
	}
	ASSERT_EQ(value_at(vcpu, MANY_GPA(n)), n);
	madvise(MANY_HVA(n / 2), PAGE_SIZE, MADV_DONTNEED);
	CHECK_EQ("page of two slots, through the first", 0, value_at(vcpu, MANY_GPA(n / 2)));
	CHECK_EQ("and through the second", 0, value_at(vcpu, MANY_GPA(n)));
	test_note("%llu ticks for a change, %u slots", (unsigned long long)cost_of_change(MANY_HVA(0)), n);
	vm_set_slot(vm, 1 + n / 2, 0, MANY_GPA(n / 2), 0, NULL);
	*(u64 *)MANY_HVA(n / 2) = 5;
	CHECK_EQ("the second, without the first", 5, value_at(vcpu, MANY_GPA(n)));
	madvise(mem, n * PAGE_SIZE, MADV_DONTNEED);
	CHECK_EQ("all gone", 0, value_at(vcpu, MANY_GPA(n)));
	CHECK_EQ("all gone", 0, value_at(vcpu, MANY_GPA(1)));
}

static const struct test_case cases[] = {
	{ "replace", test_replace },
	{ "gone", test_gone },
	{ "fork", test_fork },
	{ "read_only_mapping", test_read_only },
	{ "many_slots", test_many_slots },
	{ "under_a_running_guest", test_running },
};

TEST_MAIN(cases)
