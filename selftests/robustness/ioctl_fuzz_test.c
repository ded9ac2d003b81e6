// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile launcher: random ioctls with random or damaged arguments on the
 * node, a VM and its vCPUs, from several threads at once, KVM_RUN between them.
 * Nothing is checked but that every call returns, the process can end, a healthy
 * VM runs afterwards and the host's memory is back. Reproducible up to timing:
 *
 *   KEEL_SEED=first KEEL_SEEDS=number ioctl_fuzz_test
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "hostmem.h"
#include "thread.h"

#define THREADS		3
#define VCPUS		3
#define CALLS		300
#define ARG_SIZE	8192
#define DEFAULT_SEEDS	12

static const unsigned long vm_calls[] = {
	KVM_CREATE_VCPU, KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG,
	KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR, KVM_CREATE_IRQCHIP, KVM_IRQ_LINE,
	KVM_IRQ_LINE_STATUS, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, KVM_CREATE_PIT2, KVM_GET_PIT2,
	KVM_SET_PIT2, KVM_REINJECT_CONTROL, KVM_SET_GSI_ROUTING, KVM_IRQFD, KVM_IOEVENTFD,
	KVM_SIGNAL_MSI, KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO,
	KVM_SET_BOOT_CPU_ID, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_ENABLE_CAP, KVM_CREATE_DEVICE,
	KVM_GET_STATS_FD, KVM_X86_SET_MSR_FILTER, KVM_SET_TSC_KHZ, KVM_CHECK_EXTENSION,
	KEEL_MARK_VM, KEEL_RESET_VM, KEEL_RESET_VM, KEEL_RESET_VM,
};

static const unsigned long vcpu_calls[] = {
	KVM_RUN, KVM_RUN, KVM_RUN, KVM_RUN, KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS,
	KVM_GET_SREGS2, KVM_SET_SREGS2, KVM_GET_FPU, KVM_SET_FPU, KVM_GET_XSAVE, KVM_SET_XSAVE,
	KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_GET_VCPU_EVENTS,
	KVM_SET_VCPU_EVENTS, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_LAPIC, KVM_SET_LAPIC,
	KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_INTERRUPT, KVM_NMI,
	KVM_SET_TSC_KHZ, KVM_GET_TSC_KHZ, KVM_KVMCLOCK_CTRL, KVM_SET_GUEST_DEBUG, KVM_TRANSLATE,
	KVM_SET_VAPIC_ADDR, KVM_TPR_ACCESS_REPORTING, KVM_ENABLE_CAP, KVM_GET_STATS_FD,
	KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR, KVM_X86_SETUP_MCE,
	KVM_X86_SET_MCE,
};

/* Each thread damages what others use: that is the point. */
static struct vm *vm;
static struct vcpu *vcpu[VCPUS];
static int event;

static u64 small_or_wild(u64 *s)
{
	static const u64 special[] = {
		0, 1, 2, 3, 16, 0x1000, 0xfff, 0xfee00000, 0xfec00000, 0x7fffffff, 0xffffffff,
		0x100000000, ~0ULL, 1ULL << 63, 0x8000000000000000 - 4096, VM_SCRATCH, VM_MMIO,
	};

	switch (xorshift(s) % 4) {
	case 0:
		return special[xorshift(s) % ARRAY_SIZE(special)];
	case 1:
		return xorshift(s) % 64;
	case 2:
		return (xorshift(s) % 4096) << 12;
	default:
		return xorshift(s) >> (xorshift(s) & 63);
	}
}

/* A plausible argument: what a GET left there, or words of interest, then damage. */
static void make_arg(u64 *s, u8 *arg, size_t size)
{
	u64 n, i, v;

	if (xorshift(s) % 2)
		memset(arg, 0, size);
	n = xorshift(s) % 6;
	for (i = 0; i < n; i++) {
		v = small_or_wild(s);
		memcpy(arg + xorshift(s) % (size / 4 ? size / 4 : 1) * 4, &v,
		       xorshift(s) % 2 ? 4 : 8);
	}
	for (n = xorshift(s) % 3; n; n--)
		arg[xorshift(s) % size] ^= 1 << (xorshift(s) & 7);
}

/* Host memory for slots: the guest's own, so that no slot hands out this process's heap. */
static void aim_slot(u64 *s, struct kvm_userspace_memory_region *r)
{
	r->slot %= 8;
	r->slot += !r->slot;
	r->userspace_addr = (uintptr_t)vm->mem + VM_SCRATCH2 + (xorshift(s) % 64) * PAGE_SIZE;
	if (xorshift(s) % 4)
		r->memory_size = (xorshift(s) % 64) * PAGE_SIZE;
	if (xorshift(s) % 4)
		r->guest_phys_addr = VM_MMIO + (xorshift(s) % 256) * PAGE_SIZE;
}

static int is_value(unsigned long nr)
{
	return _IOC_SIZE(nr) == 0;
}

static void call(u64 *s, int fd, unsigned long nr, u8 *arg)
{
	size_t size = _IOC_SIZE(nr) ? _IOC_SIZE(nr) : 8;
	int ret;

	if (nr == KVM_GET_XSAVE || nr == KVM_SET_XSAVE)
		size = 4096;
	make_arg(s, arg, size + (xorshift(s) % 2 ? 256 : 0));
	if (nr == KVM_SET_USER_MEMORY_REGION)
		aim_slot(s, (void *)arg);
	if (nr == KVM_IRQFD || nr == KVM_IOEVENTFD) {
		size_t at = nr == KVM_IRQFD ? offsetof(struct kvm_irqfd, fd) : offsetof(struct kvm_ioeventfd, fd);

		memcpy(arg + at, &event, sizeof(event));
	}
	/* whose every argument but one is refused */
	if ((nr == KEEL_MARK_VM || nr == KEEL_RESET_VM) && xorshift(s) % 8)
		memset(arg, 0, size);
	if (is_value(nr) && nr != KVM_RUN)
		ret = ioctl(fd, nr, small_or_wild(s));
	else
		ret = ioctl(fd, nr, nr == KVM_RUN ? NULL : arg);
	if (ret >= 0 && (nr == KVM_CREATE_VCPU || nr == KVM_GET_STATS_FD || nr == KVM_CREATE_DEVICE))
		close(nr == KVM_CREATE_DEVICE ? (int)((struct kvm_create_device *)arg)->fd : ret);
}

static void *hammer(void *arg)
{
	u64 s = (u64)arg * 0x9e3779b97f4a7c15 + 1;
	u8 *buf = calloc(1, ARG_SIZE);
	int i;

	for (i = 0; i < CALLS; i++) {
		struct vcpu *v = vcpu[xorshift(&s) % VCPUS];

		if (xorshift(&s) % 3)
			call(&s, v->fd, vcpu_calls[xorshift(&s) % ARRAY_SIZE(vcpu_calls)], buf);
		else
			call(&s, vm->fd, vm_calls[xorshift(&s) % ARRAY_SIZE(vm_calls)], buf);
		if (xorshift(&s) % 32 == 0)
			v->run->immediate_exit = xorshift(&s);
	}
	free(buf);
	return NULL;
}

static void guest_work(void)
{
	u32 i, r[4];

	for (i = 0; ; i++) {
		outb(0x99, i);
		mmio_write32(VM_MMIO + (i % 64) * 4096, i);
		cpuid(i, 0, r);
	}
}

/* Ends a KVM_RUN that has nothing to do (HLT, or a guest in a loop). */
static void *poke(void *threads)
{
	pthread_t *t = threads;
	int i;

	for (;;) {
		host_sleep_ms(3);
		for (i = 0; i < THREADS; i++)
			if (t[i])
				pthread_kill(t[i], SIGUSR1);
	}
	return NULL;
}

static void one_seed(u64 seed)
{
	static const unsigned int kinds[] = { VM_GUEST, VM_GUEST | VM_IRQCHIP, VM_GUEST | VM_PIT,
					      VM_GUEST | VM_SPLIT };
	pthread_t t[THREADS] = { 0 };
	u64 i;

	alarm(TEST_TIMEOUT);
	ignore_kick();
	event = eventfd(0, EFD_NONBLOCK);
	vm = vm_create(kinds[seed % ARRAY_SIZE(kinds)]);
	for (i = 0; i < VCPUS; i++)
		vcpu[i] = vcpu_create_guest(vm, i, guest_work);
	for (i = 0; i < THREADS; i++)
		t[i] = host_thread(hammer, (void *)(seed * THREADS + i));
	host_thread(poke, t);
	for (i = 0; i < THREADS; i++)
		host_join(t[i]);
	_exit(0);
}

static u64 env_number(const char *name, u64 fallback)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : fallback;
}

static void guest_healthy(void)
{
}

static void test_fuzz(void)
{
	u64 first = env_number("KEEL_SEED", 1), n = env_number("KEEL_SEEDS", DEFAULT_SEEDS), i;
	u64 before = 0, after;
	int status;

	for (i = first; i < first + n; i++) {
		pid_t pid;

		if (i == first + 2)
			before = host_free_memory();
		pid = fork();
		if (!pid)
			one_seed(i);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT(WIFEXITED(status), "seed %llu: killed by signal %d", (unsigned long long)i,
		       WTERMSIG(status));
	}
	after = host_free_memory();
	test_note("free memory: %llu KB before, %llu KB after", (unsigned long long)before >> 10,
		  (unsigned long long)after >> 10);
	ASSERT(after + (2 << 20) >= before, "%lld KB are gone", (long long)(before - after) >> 10);
	run_guest(VM_GUEST, guest_healthy);
}

static const struct test_case cases[] = {
	{ "fuzz", test_fuzz, 600 },
};

TEST_MAIN(cases)
