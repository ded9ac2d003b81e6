// SPDX-License-Identifier: GPL-2.0-only
/*
 * A seccomp filter, in plain BPF.
 *
 * A guest that takes over this process through a device's fault finds a
 * process that can read and write the files it has, run its vCPUs, and end; it
 * can open nothing, execute nothing, connect to nothing, start nothing. ioctl
 * is limited by command to those the devices use on a running VM, so that not
 * even a memory slot can be added.
 *
 * The filter is an allow-list built from two tables: one compare each, and the
 * most frequent call (ioctl KVM_RUN) first.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "sandbox.h"
#include "status.h"

#define KILL	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static const uint32_t ioctls[] = {
	KVM_RUN,
	KVM_IRQ_LINE,
	KVM_SIGNAL_MSI,
	KVM_IOEVENTFD,
	KVM_GET_REGS,		/* to tell where a crash was */
	KVM_GET_SREGS,
	KEEL_GET_LAST_ERROR,	/* and why */
	TCSETS,			/* restore the terminal */
};

static const uint32_t calls[] = {
	SYS_futex,
	SYS_read,
	SYS_write,
	SYS_writev,
	SYS_preadv,
	SYS_pwritev,
	SYS_fdatasync,
	SYS_poll,
	SYS_ppoll,
	SYS_clock_nanosleep,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_getrandom,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_restart_syscall,
	SYS_sched_yield,
	SYS_madvise,		/* a thread's stack as it ends; malloc */
	SYS_munmap,
	SYS_brk,
	SYS_close,
	SYS_getpid,
	SYS_gettid,
	SYS_tgkill,		/* pthread_kill() of a vCPU; abort() */
	SYS_rt_sigaction,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_exit,
	SYS_exit_group,
};

static void emit(struct sock_filter *filter, unsigned short *used, struct sock_filter statement)
{
	filter[(*used)++] = statement;
}

/* Allow if the accumulator is one of @values, else kill. */
static void emit_list(struct sock_filter *filter, unsigned short *used, const uint32_t *values,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		emit(filter, used, (struct sock_filter)
		     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1));
		emit(filter, used, (struct sock_filter)ALLOW);
	}
	emit(filter, used, (struct sock_filter)KILL);
}

static unsigned short build(struct sock_filter *filter)
{
	unsigned short used = 0;

	emit(filter, &used, (struct sock_filter)
	     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	emit(filter, &used, (struct sock_filter)
	     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	emit(filter, &used, (struct sock_filter)KILL);
	emit(filter, &used, (struct sock_filter)
	     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));

	/* ioctl: judge by the command's low half, which is all the kernel uses. */
	emit(filter, &used, (struct sock_filter)
	     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2 + 2 * ARRAY_SIZE(ioctls)));
	emit(filter, &used, (struct sock_filter)
	     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])));
	emit_list(filter, &used, ioctls, ARRAY_SIZE(ioctls));
	emit_list(filter, &used, calls, ARRAY_SIZE(calls));
	return used;
}

int sandbox_enter(void)
{
	struct sock_filter filter[8 + 2 * (ARRAY_SIZE(ioctls) + ARRAY_SIZE(calls))];
	struct sock_fprog program = { .filter = filter, .len = build(filter) };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return status_fail(STATUS_SANDBOX, "cannot give up new privileges: %s",
				   strerror(errno));
	long ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			   &program);
	if (ret)
		return status_fail(STATUS_SANDBOX,
				   "cannot filter system calls: %s (--no-sandbox runs without)",
				   ret < 0 ? strerror(errno) : "a thread refused");
	return 0;
}
