// SPDX-License-Identifier: GPL-2.0-only
/*
 * A filter outlives fork(), so what the child needs on its way to be a machine its parent's main thread has all the time: threads, a VM out
 * of one that is there, events. Still nothing can be opened, executed or connected, nothing can be made executable, no memory slot
 * added, and a new process has the same filter. What a taken-over main thread has beyond others: it may start such processes, and send the
 * signals below to others of its user, as the number of a child is not known beforehand.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "sandbox_fork.h"
#include "thread.h"
#include "util.h"

/* What the C library's fork() and pthread_create() ask for. */
#define CLONE_PROCESS	(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
#define CLONE_OF_THREAD	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS | \
			 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const int calls[] = {
	SCMP_SYS(pipe2),
	SCMP_SYS(setsid),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
};

static const unsigned long commands[] = {
	KEEL_FORK_VM,
	KVM_CREATE_VCPU,
	KVM_IOEVENTFD,
	KVM_GET_STATS_FD,
};

/* Without code, and nothing in another's place. */
static int allow_maps(scmp_filter_ctx filter, uintptr_t floor)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A0_64(SCMP_CMP_EQ, 0),
				   SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 2, SCMP_A0_64(SCMP_CMP_GE, floor),
				       SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return ret;
}

static int allow_processes(scmp_filter_ctx filter)
{
	static const scmp_datum_t flags[] = { CLONE_PROCESS, CLONE_OF_THREAD };
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(flags); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0_64(SCMP_CMP_EQ, flags[i]));
	/* Whose flags no filter can see: the library goes on to the one above. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return ret;
}

/* Of a process that is not there yet. */
static int allow_signals(scmp_filter_ctx filter)
{
	static const int signals[] = { 0, KICK_SIGNAL, SIGABRT };
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(signals); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A2_64(SCMP_CMP_EQ, (scmp_datum_t)signals[i]));
	return ret;
}

int sandbox_allow_fork(scmp_filter_ctx filter, uintptr_t floor)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(calls); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(commands); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1_64(SCMP_CMP_EQ, (uint32_t)commands[i]));
	if (!ret)
		ret = allow_maps(filter, floor);
	if (!ret)
		ret = allow_processes(filter);
	if (!ret)
		ret = allow_signals(filter);
	/* In the place of standard input and output, and of the control socket. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(dup3), 0);
	/* A thread's own filter. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER));
	return ret;
}
