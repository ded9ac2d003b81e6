// SPDX-License-Identifier: GPL-2.0-only
/*
 * A seccomp filter, made by libseccomp.
 *
 * A guest that takes over this process through a device's fault finds a
 * process that can read and write the files it has, run its vCPUs, and end; it
 * can open nothing, execute nothing, connect to nothing, start nothing. ioctl
 * is limited by command to those the devices use on a running VM, so that not
 * even a memory slot can be added, unless a device of the host is assigned.
 *
 * The list has what the C library asks for by itself too: threads that end,
 * malloc() that grows, tcsetattr() that reads before it writes.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "report.h"
#include "sandbox.h"
#include "status.h"

#define CALL_NAMES	512

static const uint32_t ioctls[] = {
	KVM_RUN,
	KVM_IRQ_LINE,
	KVM_SIGNAL_MSI,
	KVM_IOEVENTFD,
	KVM_GET_REGS,		/* to tell where a crash was */
	KVM_GET_SREGS,
	KEEL_GET_LAST_ERROR,	/* and why */
	TCGETS,			/* the terminal: isatty(), tcgetattr(), tcsetattr() */
	TCSETS,
	TCGETS2,		/* what newer C libraries use for them */
	TCSETS2,
	TIOCGPGRP,		/* whose turn it is */
};

/* With a device of the host: its BARs, its interrupts, its configuration space. */
static const uint32_t assigned_ioctls[] = {
	KVM_SET_USER_MEMORY_REGION,
	KVM_SET_GSI_ROUTING,
	KVM_IRQFD,
	VFIO_DEVICE_SET_IRQS,
	VFIO_DEVICE_RESET,
};

static const int assigned_calls[] = {
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
};

static const int calls[] = {
	SCMP_SYS(futex),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(preadv),
	SCMP_SYS(pwritev),
	SCMP_SYS(fdatasync),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),	/* where the clock is not in user space */
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(setitimer),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(madvise),		/* a thread's stack as it ends; free() */
	SCMP_SYS(brk),
	SCMP_SYS(close),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getpgrp),
	SCMP_SYS(getpgid),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const char *names[CALL_NAMES];

const char *sandbox_call_name(int number)
{
	return number >= 0 && number < CALL_NAMES && names[number] ? names[number] : "unknown";
}

/*
 * malloc() grows by anonymous memory where the kernel likes to put it. Nothing
 * below the report's names may be unmapped or moved: they stay what they are.
 */
static int allow_memory(scmp_filter_ctx filter, uintptr_t floor)
{
	const scmp_datum_t flags = MAP_PRIVATE | MAP_ANONYMOUS;
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 3,
				   SCMP_A0_64(SCMP_CMP_EQ, 0),
				   SCMP_A2_64(SCMP_CMP_EQ, PROT_READ | PROT_WRITE),
				   SCMP_A3_64(SCMP_CMP_EQ, flags));

	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(munmap), 1,
				       SCMP_A0_64(SCMP_CMP_GE, floor));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 2,
				       SCMP_A0_64(SCMP_CMP_GE, floor),
				       SCMP_A3_64(SCMP_CMP_EQ, MREMAP_MAYMOVE));
	return ret;
}

/* The addresses are compared, and what they point to cannot be written. */
static int allow_report(scmp_filter_ctx filter, const struct report *report)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rename), 2,
				   SCMP_A0_64(SCMP_CMP_EQ, (uintptr_t)report->temporary),
				   SCMP_A1_64(SCMP_CMP_EQ, (uintptr_t)report->path));

	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlink), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, (uintptr_t)report->temporary));
	return ret;
}

static int allow_ioctls(scmp_filter_ctx filter, const uint32_t *list, size_t n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1_64(SCMP_CMP_EQ, list[i]));
	return ret;
}

static int allow_calls(scmp_filter_ctx filter, const int *list, size_t n)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < n; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return ret;
}

static int add_rules(scmp_filter_ctx filter, const struct report *report, bool is_assigned)
{
	uintptr_t floor = report ? (uintptr_t)(report + 1) : 0;
	int ret = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), 255);

	if (!ret)
		ret = allow_ioctls(filter, ioctls, ARRAY_SIZE(ioctls));
	if (!ret)
		ret = allow_calls(filter, calls, ARRAY_SIZE(calls));
	if (!ret && is_assigned)
		ret = allow_ioctls(filter, assigned_ioctls, ARRAY_SIZE(assigned_ioctls));
	if (!ret && is_assigned)
		ret = allow_calls(filter, assigned_calls, ARRAY_SIZE(assigned_calls));
	/* Signals to this process alone: pthread_kill(), raise(), abort(). */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!ret)
		ret = allow_memory(filter, floor);
	if (!ret && report)
		ret = allow_report(filter, report);
	return ret;
}

int sandbox_enter(const struct report *report, bool is_assigned)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int ret = filter ? 0 : -ENOMEM;

	/* No second heap: its growth would need mprotect(). */
	mallopt(M_ARENA_MAX, 1);
	for (int i = 0; i < CALL_NAMES && !names[i]; i++)
		names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	if (!ret)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!ret)
		ret = add_rules(filter, report, is_assigned);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	if (ret)
		return status_fail(STATUS_SANDBOX,
				   "cannot filter system calls: %s (--no-sandbox runs without)",
				   strerror(-ret));
	return 0;
}
