// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that touches a page with a memory error gives its thread SIGBUS with the address, not an error of KVM_RUN.
 */
#include <signal.h>
#include <sys/mman.h>

#include "guest.h"

#define GPA	0x40000000ULL
#define SIZE	(16 * PAGE_SIZE)

static siginfo_t info;

static void on_sigbus(int sig, siginfo_t *si, void *context)
{
	info = *si;
}

static void guest(void)
{
	u64 i;

	for (i = 0; i < SIZE; i += PAGE_SIZE)
		GUEST_SYNC2(1, *(volatile u64 *)(GPA + i));
}

static void test_poison(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	u8 *mem = host_pages(SIZE);
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);
	struct ucall uc;

	/* the page is lost to the machine until it boots again */
	REQUIRE(host_is_tcg(), "not on an emulated machine");
	memset(mem, 1, SIZE);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	REQUIRE(!madvise(mem + PAGE_SIZE, PAGE_SIZE, MADV_HWPOISON), "the host injects no memory errors");
	ASSERT_EQ(sigaction(SIGBUS, &sa, NULL), 0);
	CHECK_RET("KVM_RUN", -EINTR, __vcpu_run(vcpu));
	CHECK_EQ("code", BUS_MCEERR_AR, info.si_code);
	CHECK_EQ("address", mem + PAGE_SIZE, info.si_addr);
	/* the launcher puts a new page there, and the guest goes on */
	ASSERT(mmap(mem + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	       mem + PAGE_SIZE, "mmap");
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("new page", 0, uc.args[1]);
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("page behind it", 0x0101010101010101ULL, uc.args[1]);
}

static const struct test_case cases[] = {
	{ "poison", test_poison },
};

TEST_MAIN(cases)
