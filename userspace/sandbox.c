// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seccomp filters, made by libseccomp: one for each kind of thread.
 *
 * A guest that takes over this process through a device's fault finds a
 * process that can read and write the files it has, run its vCPUs, and end; it
 * can open nothing, execute nothing, connect to nothing, start nothing. ioctl
 * is limited by command to those the devices use on a running VM, so that not
 * even a memory slot can be added, unless a device of the host is assigned or
 * firmware has a flash; or by the control thread, which needs that for the log of a machine that moves.
 * What only one kind of thread needs, the others have not; what only some
 * devices need, a machine without them has not.
 *
 * A thread puts its filter on as it starts; the main thread, which starts them
 * all, does so last, and waits for them.
 *
 * The list has what the C library asks for by itself too: threads that end,
 * malloc() that grows, tcsetattr() that reads before it writes.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "report.h"
#include "sandbox.h"
#include "sandbox_fork.h"
#include "status.h"
#include "thread.h"

#define CALL_NAMES	512

#define ENTER_MS	5000	/* what a thread may take to start */

#define PID_MARK	0x7fffff1du	/* stands for this process's number, which is never that large, while a filter is made */
#define PID_PLACES	4		/* in a filter */

/* Kinds of threads, as bits. */
#define MAIN	(1u << SANDBOX_MAIN)
#define VCPU	(1u << SANDBOX_VCPU)
#define CONSOLE	(1u << SANDBOX_CONSOLE)
#define DEVICE	(1u << SANDBOX_DEVICE)
#define NET	(1u << SANDBOX_NET)
#define BALLOON	(1u << SANDBOX_BALLOON)
#define CONTROL	(1u << SANDBOX_CONTROL)
#define GDB	(1u << SANDBOX_GDB)
#define FILL	(1u << SANDBOX_FILL)
#define NBD	(1u << SANDBOX_NBD)
#define ALL	((1u << SANDBOX_KINDS) - 1)

/* What a machine has, as bits. */
#define ASSIGNED	SANDBOX_ASSIGNED
#define TAP		SANDBOX_TAP
#define VHOST		SANDBOX_VHOST
#define VHOST_USER	SANDBOX_VHOST_USER
#define SHARE		SANDBOX_SHARE
#define RESET		SANDBOX_RESET
#define FLASH		SANDBOX_FLASH
#define RESET_OF(device)	SANDBOX_RESET_OF(device)

struct ioctl_row {
	uint32_t command;
	unsigned int kinds;
};

struct call_row {
	int call;
	unsigned int kinds;
};

static const struct ioctl_row ioctls[] = {
	{ KVM_RUN, VCPU },
	{ KVM_IRQ_LINE, ALL & ~(GDB | FILL) },
	{ KVM_SIGNAL_MSI, VCPU | DEVICE | NET | BALLOON | NBD },
	{ KVM_IOEVENTFD, VCPU },
	{ KVM_KVMCLOCK_CTRL, VCPU },		/* after a pause */
	{ KVM_NMI, CONTROL },
	{ KVM_GET_LAPIC, CONTROL },		/* may it come? */
	{ KVM_GET_REGS, CONTROL },		/* to save a machine: this and what follows */
	{ KVM_GET_SREGS2, CONTROL },
	{ KVM_GET_MP_STATE, CONTROL },
	{ KVM_GET_VCPU_EVENTS, CONTROL },
	{ KVM_GET_DEBUGREGS, CONTROL },
	{ KVM_GET_XSAVE, CONTROL },
	{ KVM_GET_XSAVE2, CONTROL },
	{ KVM_GET_XCRS, CONTROL },
	{ KVM_GET_CPUID2, CONTROL },
	{ KVM_GET_MSR_INDEX_LIST, CONTROL },
	{ KVM_GET_MSRS, CONTROL },
	{ KVM_GET_TSC_KHZ, CONTROL },
	{ KVM_GET_DEVICE_ATTR, CONTROL },
	{ KVM_GET_IRQCHIP, CONTROL },
	{ KVM_GET_PIT2, CONTROL },
	{ KVM_GET_CLOCK, CONTROL },
	{ KVM_CHECK_EXTENSION, CONTROL },
	{ KVM_SET_USER_MEMORY_REGION, CONTROL },	/* to move it: have a log of what is written */
	{ KVM_GET_DIRTY_LOG, CONTROL },
	{ KVM_GET_REGS, VCPU },			/* to tell where a crash was */
	{ KVM_GET_SREGS, VCPU },
	{ KEEL_GET_LAST_ERROR, VCPU },		/* and why */
	/* A crash gives the terminal back, in whatever thread it comes. */
	{ TCGETS, ALL },			/* isatty(), tcgetattr(), tcsetattr() */
	{ TCSETS, ALL },
	{ TCGETS2, ALL },			/* what newer C libraries use for them */
	{ TCSETS2, ALL },
	{ TIOCGPGRP, ALL },			/* whose turn it is */
	{ TIOCGWINSZ, MAIN },
};

/* What is there with any of these uses alone. */
static const struct used_ioctl {
	unsigned int uses;
	struct ioctl_row row;
} used_ioctls[] = {
	/* A device of the host: its BARs, its interrupts, its configuration space. */
	{ ASSIGNED, { KVM_SET_USER_MEMORY_REGION, MAIN | VCPU } },
	{ ASSIGNED, { KVM_SET_GSI_ROUTING, MAIN } },
	{ ASSIGNED, { KVM_IRQFD, MAIN } },
	{ ASSIGNED, { VFIO_DEVICE_SET_IRQS, MAIN | VCPU } },
	{ ASSIGNED, { VFIO_DEVICE_RESET, MAIN | VCPU } },
	/* The flash answers by its contents, or by its registers. */
	{ FLASH, { KVM_SET_USER_MEMORY_REGION, MAIN | VCPU } },
	/* Interrupts that the kernel sends by itself, as the guest has them. */
	{ ASSIGNED | VHOST | VHOST_USER | SHARE, { KVM_SET_GSI_ROUTING, VCPU } },
	{ ASSIGNED | VHOST | VHOST_USER | SHARE, { KVM_IRQFD, VCPU } },
	/* At the driver's start and end, and by the control queue. */
	{ TAP, { TUNSETOFFLOAD, VCPU | NET } },
	{ TAP, { TUNSETQUEUE, VCPU | NET } },
	/* Not its memory, nor the eventfds: those are set before the guest runs. */
	{ VHOST, { VHOST_SET_FEATURES, VCPU } },
	{ VHOST, { VHOST_SET_VRING_NUM, VCPU } },
	{ VHOST, { VHOST_SET_VRING_BASE, VCPU } },
	{ VHOST, { VHOST_SET_VRING_ADDR, VCPU } },
	{ VHOST, { VHOST_NET_SET_BACKEND, VCPU } },
	/* The interrupt controllers, the vCPUs one after the other, doorbells that move. */
	{ RESET, { KVM_SET_IRQCHIP, MAIN } },
	{ RESET, { KVM_SET_PIT2, MAIN } },
	{ RESET, { KVM_SET_CLOCK, MAIN } },
	{ RESET, { KVM_GET_MP_STATE, MAIN } },
	{ RESET, { KVM_SET_SREGS2, MAIN } },
	{ RESET, { KVM_SET_REGS, MAIN } },
	{ RESET, { KVM_SET_XCRS, MAIN } },
	{ RESET, { KVM_CHECK_EXTENSION, MAIN } },
	{ RESET, { KVM_SET_XSAVE, MAIN } },
	{ RESET, { KVM_GET_MSRS, MAIN } },
	{ RESET, { KVM_SET_MSRS, MAIN } },
	{ RESET, { KVM_SET_LAPIC, MAIN } },
	{ RESET, { KVM_SET_DEBUGREGS, MAIN } },
	{ RESET, { KVM_SET_VCPU_EVENTS, MAIN } },
	{ RESET, { KVM_SET_MP_STATE, MAIN } },
	{ RESET, { KVM_IOEVENTFD, MAIN } },
	/* What a driver has a vCPU do at its end, and not what at its start. */
	{ RESET_OF(VHOST | VHOST_USER | SHARE), { KVM_IRQFD, MAIN } },
	{ RESET_OF(TAP), { TUNSETQUEUE, MAIN } },
	{ RESET_OF(VHOST), { VHOST_NET_SET_BACKEND, MAIN } },
	/* The mark, doorbells that have moved since. */
	{ SANDBOX_MARK, { KEEL_MARK_VM, CONTROL } },
	{ SANDBOX_MARK, { KEEL_RESET_VM, CONTROL } },
	{ SANDBOX_MARK, { KVM_IOEVENTFD, CONTROL } },
	/* Pages that are put where none are. */
	{ SANDBOX_LAZY, { UFFDIO_COPY, FILL } },
	{ SANDBOX_LAZY, { UFFDIO_ZEROPAGE, FILL } },
	{ SANDBOX_LAZY, { UFFDIO_WAKE, FILL } },
	{ SANDBOX_LAZY, { UFFDIO_UNREGISTER, FILL } },
};

static const struct used_call {
	unsigned int uses;
	struct call_row row;
} used_calls[] = {
	/* An interrupt that came while nobody was there. */
	{ ASSIGNED | VHOST | VHOST_USER | SHARE, { SCMP_SYS(read), VCPU } },
	{ ASSIGNED, { SCMP_SYS(pread64), MAIN | VCPU } },
	{ ASSIGNED, { SCMP_SYS(pwrite64), MAIN | VCPU } },
	{ FLASH, { SCMP_SYS(pwrite64), VCPU } },
	{ FLASH, { SCMP_SYS(fdatasync), MAIN | VCPU } },
	{ TAP, { SCMP_SYS(readv), NET } },
	/* The guest feeds it. */
	{ SANDBOX_WATCHDOG, { SCMP_SYS(timerfd_settime), MAIN | VCPU } },
	/* Is it a socket that listens? */
	{ SANDBOX_FORK, { SCMP_SYS(getsockopt), CONTROL } },
	/* What the other launcher says; disks that were that one's. */
	{ SANDBOX_ARRIVE, { SCMP_SYS(recvmsg), MAIN } },
	{ SANDBOX_ARRIVE, { SCMP_SYS(flock), MAIN } },
	{ SANDBOX_ARRIVE, { SCMP_SYS(lseek), MAIN } },
	{ SANDBOX_ARRIVE, { SCMP_SYS(fadvise64), MAIN } },
	/* The file that the machine was saved into. */
	{ SANDBOX_LAZY, { SCMP_SYS(pread64), FILL } },
	/* Requests; the last flush, by the main thread in the end, and the control thread's before a machine moves. */
	{ SANDBOX_REMOTE, { SCMP_SYS(sendmsg), NBD | MAIN | CONTROL } },
	{ SANDBOX_REMOTE, { SCMP_SYS(recvmsg), NBD | MAIN } },
	{ SANDBOX_REMOTE, { SCMP_SYS(shutdown), NBD | MAIN | CONTROL } },
	/* On sockets that are there; none can be made. */
	{ VHOST_USER, { SCMP_SYS(sendmsg), VCPU | NET } },
	{ SHARE, { SCMP_SYS(sendmsg), VCPU } },
	{ VHOST_USER, { SCMP_SYS(recvmsg), VCPU | NET } },
	{ SHARE, { SCMP_SYS(recvmsg), VCPU } },
	/* One that gave no answer, or a wrong one, gives none any more. */
	{ VHOST_USER, { SCMP_SYS(shutdown), VCPU | NET } },
	{ SHARE, { SCMP_SYS(shutdown), VCPU } },
	{ RESET_OF(VHOST_USER | SHARE), { SCMP_SYS(sendmsg), MAIN } },
	{ RESET_OF(VHOST_USER | SHARE), { SCMP_SYS(recvmsg), MAIN } },
	{ RESET_OF(VHOST_USER | SHARE), { SCMP_SYS(shutdown), MAIN } },
};

static const struct call_row calls[] = {
	{ SCMP_SYS(futex), ALL },
	{ SCMP_SYS(read), ALL & ~VCPU },
	{ SCMP_SYS(write), ALL },
	{ SCMP_SYS(writev), ALL },
	{ SCMP_SYS(preadv), MAIN | DEVICE | CONTROL },	/* statistics; disks */
	{ SCMP_SYS(pwritev), DEVICE },
	{ SCMP_SYS(recvmsg), CONTROL },
	{ SCMP_SYS(fstat), CONTROL },		/* what it was given to save into */
	{ SCMP_SYS(fdatasync), DEVICE | CONTROL },
	{ SCMP_SYS(flock), CONTROL },		/* disks go with a machine that moves */
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(nanosleep), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(clock_gettime), ALL },	/* where the clock is not in user space */
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(getrandom), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigaction), ALL },
	{ SCMP_SYS(setitimer), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(madvise), ALL },		/* a thread's stack as it ends; free(); the guest's memory */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(close), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getpgrp), ALL },
	{ SCMP_SYS(getpgid), ALL },
	{ SCMP_SYS(set_robust_list), ALL },
	{ SCMP_SYS(rseq), ALL },
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
};

/* With a debugger: it reads and writes vCPUs that stand, and each vCPU gives the guest what is its own. */
static const struct ioctl_row debugger_ioctls[] = {
	{ KVM_SET_GUEST_DEBUG, VCPU | GDB },
	{ KVM_GET_MP_STATE, VCPU | GDB },
	{ KVM_TRANSLATE, VCPU | GDB },
	{ KVM_GET_DEBUGREGS, VCPU },
	{ KVM_SET_DEBUGREGS, VCPU },
	{ KVM_GET_REGS, GDB },
	{ KVM_SET_REGS, GDB },
	{ KVM_GET_SREGS, GDB },
	{ KVM_SET_SREGS, GDB },
	{ KVM_GET_FPU, GDB },
	{ KVM_SET_FPU, GDB },
};

static const char *names[CALL_NAMES];

const char *sandbox_call_name(int number)
{
	return number >= 0 && number < CALL_NAMES && names[number] ? names[number] : "unknown";
}

/*
 * malloc() grows by anonymous memory where the kernel likes to put it. Nothing
 * below @floor may be unmapped or moved.
 */
static int allow_mapping(scmp_filter_ctx filter, scmp_datum_t flags)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 3,
				SCMP_A0_64(SCMP_CMP_EQ, 0),
				SCMP_A2_64(SCMP_CMP_EQ, PROT_READ | PROT_WRITE),
				SCMP_A3_64(SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS | flags));
}

static int allow_memory(scmp_filter_ctx filter, uintptr_t floor, bool is_marking)
{
	int ret = allow_mapping(filter, 0);

	/* Room for copies, which take what is in them. */
	if (!ret && is_marking)
		ret = allow_mapping(filter, MAP_NORESERVE);
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(munmap), 1,
				       SCMP_A0_64(SCMP_CMP_GE, floor));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 2,
				       SCMP_A0_64(SCMP_CMP_GE, floor),
				       SCMP_A3_64(SCMP_CMP_EQ, MREMAP_MAYMOVE));
	return ret;
}

/* The addresses are compared, and what they point to cannot be written. A crash may come in any thread. */
static int allow_report(scmp_filter_ctx filter, unsigned int kind, const struct report *report)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlink), 1,
				   SCMP_A0_64(SCMP_CMP_EQ, (uintptr_t)report->temporary));

	if (!ret && kind & MAIN)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rename), 2,
				       SCMP_A0_64(SCMP_CMP_EQ, (uintptr_t)report->temporary),
				       SCMP_A1_64(SCMP_CMP_EQ, (uintptr_t)report->path));
	return ret;
}

static int allow_ioctl(scmp_filter_ctx filter, unsigned int kind, const struct ioctl_row *row)
{
	return row->kinds & kind ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
						    SCMP_A1_64(SCMP_CMP_EQ, row->command)) : 0;
}

static int allow_call(scmp_filter_ctx filter, unsigned int kind, const struct call_row *row)
{
	return row->kinds & kind ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->call, 0) : 0;
}

/* To whom a socket is connected, and nobody else; and the disks that go along. */
static int allow_moving(scmp_filter_ctx filter)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4_64(SCMP_CMP_EQ, 0));

	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1_64(SCMP_CMP_EQ, F_OFD_SETLK));
	return ret;
}

static int allow_rows(scmp_filter_ctx filter, unsigned int kind, unsigned int uses)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(ioctls); i++)
		ret = allow_ioctl(filter, kind, &ioctls[i]);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(calls); i++)
		ret = allow_call(filter, kind, &calls[i]);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(used_ioctls); i++)
		if (used_ioctls[i].uses & uses)
			ret = allow_ioctl(filter, kind, &used_ioctls[i].row);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(used_calls); i++)
		if (used_calls[i].uses & uses)
			ret = allow_call(filter, kind, &used_calls[i].row);
	return ret;
}

static int allow_debugger(scmp_filter_ctx filter, unsigned int kind, int listener)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(debugger_ioctls); i++)
		if (debugger_ioctls[i].kinds & kind)
			ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					       SCMP_A1_64(SCMP_CMP_EQ, debugger_ioctls[i].command));
	if (!ret && kind & GDB)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)listener));
	return ret;
}

/* What is below stays mapped as it is: paths that the filter knows by their address alone. */
static uintptr_t find_floor(const struct sandbox_wants *wants)
{
	uintptr_t floor = wants->report ? (uintptr_t)(wants->report + 1) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(wants->files); i++)
		if (wants->files[i] && (uintptr_t)wants->files[i] + PATH_MAX > floor)
			floor = (uintptr_t)wants->files[i] + PATH_MAX;
	return floor;
}

static int add_rules(scmp_filter_ctx filter, unsigned int kind, const struct sandbox_wants *wants)
{
	uintptr_t floor = find_floor(wants);
	int ret = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), 255);
	unsigned int own = kind;

	/* The threads of a forked machine begin with the filter of its main thread, and each adds its own. */
	if (kind & MAIN && wants->uses & SANDBOX_FORK) {
		kind = ALL;
		if (!ret)
			ret = sandbox_allow_fork(filter, floor);
	}
	if (!ret)
		ret = allow_rows(filter, kind, wants->uses);
	/* Signals to this process alone: pthread_kill(), raise(), abort(). */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0_64(SCMP_CMP_EQ, PID_MARK));
	if (!ret)
		ret = allow_memory(filter, floor, kind & CONTROL && wants->uses & SANDBOX_MARK);
	if (!ret && wants->report)
		ret = allow_report(filter, kind, wants->report);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(wants->files); i++)
		if (wants->files[i])
			ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlink), 1,
					       SCMP_A0_64(SCMP_CMP_EQ, (uintptr_t)wants->files[i]));
	if (!ret && wants->null_file >= 0 && kind & MAIN)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(dup3), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)wants->null_file));
	if (!ret && wants->listener >= 0 && kind & CONTROL)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 1,
				       SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)wants->listener));
	if (!ret && (kind & CONTROL || (kind & MAIN && wants->uses & SANDBOX_ARRIVE)))
		ret = allow_moving(filter);
	for (unsigned int i = 0; !ret && kind & (MAIN | VCPU) && i < wants->child_count; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(pidfd_send_signal), 2, SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)wants->children[i]),
				       SCMP_A1_64(SCMP_CMP_EQ, SIGKILL));
	if (!ret && wants->debugger >= 0)
		ret = allow_debugger(filter, own, wants->debugger);
	return ret;
}

/* The filters, ready to be put on; no instructions: none. Written before any thread starts. */
static struct sock_fprog programs[SANDBOX_KINDS];
static bool is_prepared;

/* Where the number of this process is in each. */
static unsigned short pid_places[SANDBOX_KINDS][PID_PLACES];
static unsigned int pid_counts[SANDBOX_KINDS];

/* The main thread, and workers of the kernel's that count as ours: vhost-net's, since Linux 6.4. */
static unsigned int threads_before;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* guards what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned int started;		/* threads */
static unsigned int entered;		/* those with their filter on, or without one and an error */
static int first_error;

/*
 * The library gives a filter to a descriptor only: a pipe, which no limit on the size of files concerns, and which has room for the
 * longest filter that the kernel takes.
 */
static int export_program(scmp_filter_ctx filter, struct sock_fprog *program)
{
	const size_t room = BPF_MAXINSNS * sizeof(*program->filter);
	int fds[2], ret;
	ssize_t size;

	program->filter = malloc(room);
	if (!program->filter)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	ret = seccomp_export_bpf(filter, fds[1]);
	size = ret ? 0 : read(fds[0], program->filter, room);
	if (!ret && size <= 0)
		ret = -EIO;
	close(fds[0]);
	close(fds[1]);
	if (ret)
		return ret;
	/* smaller never fails */
	program->filter = realloc(program->filter, (size_t)size);
	program->len = (unsigned short)((size_t)size / sizeof(*program->filter));
	return 0;
}

static void fill_in_pid(enum sandbox_kind kind)
{
	for (unsigned int i = 0; i < pid_counts[kind]; i++)
		programs[kind].filter[pid_places[kind][i]].k = (uint32_t)getpid();
}

static int find_pid(enum sandbox_kind kind)
{
	const struct sock_fprog *program = &programs[kind];

	pid_counts[kind] = 0;
	for (unsigned short i = 0; i < program->len; i++) {
		if (program->filter[i].code != (BPF_JMP | BPF_JEQ | BPF_K) || program->filter[i].k != PID_MARK)
			continue;
		if (pid_counts[kind] == PID_PLACES)
			return -E2BIG;
		pid_places[kind][pid_counts[kind]++] = i;
	}
	return pid_counts[kind] ? 0 : -EINVAL;
}

static int make_program(enum sandbox_kind kind, const struct sandbox_wants *wants)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int ret = filter ? add_rules(filter, 1u << kind, wants) : -ENOMEM;

	if (!ret)
		ret = export_program(filter, &programs[kind]);
	if (!ret)
		ret = find_pid(kind);
	if (!ret)
		fill_in_pid(kind);
	seccomp_release(filter);
	return ret;
}

/* Refused to a kind that has none. */
static int put_on(enum sandbox_kind kind)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &programs[kind]) ? -errno : 0;
}

static int refuse(int error)
{
	return status_fail(STATUS_SANDBOX, "cannot filter system calls: %s (--no-sandbox runs without)", strerror(-error));
}

/* Each filter costs some instructions. */
static bool is_there(enum sandbox_kind kind, const struct sandbox_wants *wants)
{
	switch (kind) {
	case SANDBOX_NET:
		return wants->uses & SANDBOX_NETWORK;
	case SANDBOX_BALLOON:
		return wants->uses & SANDBOX_GIVES_BACK;
	case SANDBOX_CONTROL:
		return wants->listener >= 0;
	case SANDBOX_GDB:
		return wants->debugger >= 0;
	case SANDBOX_FILL:
		return wants->uses & SANDBOX_LAZY;
	case SANDBOX_NBD:
		return wants->uses & SANDBOX_REMOTE;
	default:
		return true;
	}
}

static int tasks = -1;		/* the directory of this process's threads, until all are there: a jail has no /proc */

/* All of this process; 0 where there is no /proc. */
static unsigned int count_threads(void)
{
	struct stat stat;

	return fstat(tasks, &stat) ? 0 : (unsigned int)stat.st_nlink - 2 /* . and .. */;
}

int sandbox_prepare(const struct sandbox_wants *wants)
{
	int ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;

	/* No second heap: its growth would need mprotect(). */
	mallopt(M_ARENA_MAX, 1);
	for (int i = 0; i < CALL_NAMES && !names[i]; i++)
		names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	for (unsigned int i = 0; !ret && i < SANDBOX_KINDS; i++)
		if (is_there(i, wants))
			ret = make_program(i, wants);
	is_prepared = !ret;
	tasks = open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
	threads_before = count_threads();
	return ret ? refuse(ret) : 0;
}

/* A thread on its way to its main function. */
struct start {
	enum sandbox_kind kind;
	void *(*main)(void *argument);
	void *argument;
};

static void *start_main(void *argument)
{
	struct start start = *(struct start *)argument;
	int ret = 0;

	free(argument);
	if (is_prepared)
		ret = put_on(start.kind);
	pthread_mutex_lock(&lock);
	entered++;
	if (!first_error)
		first_error = ret;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return start.main(start.argument);
}

int sandbox_start_thread(pthread_t *thread, enum sandbox_kind kind, void *(*main)(void *argument), void *argument)
{
	struct start *start = malloc(sizeof(*start));
	int ret;

	if (!start)
		return ENOMEM;
	*start = (struct start){ kind, main, argument };
	ret = pthread_create(thread, NULL, start_main, start);
	if (ret)
		free(start);
	else
		started++;
	return ret;
}

/* A thread that was started otherwise would run without a filter. */
static bool has_other_threads(void)
{
	return threads_before && count_threads() > threads_before + started;
}

int sandbox_wait(void)
{
	struct timespec until = thread_time_in(ENTER_MS);
	int ret = 0;

	pthread_mutex_lock(&lock);
	while (entered < started && !ret)
		ret = -pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &until);
	if (first_error)
		ret = first_error;
	pthread_mutex_unlock(&lock);
	return ret ? refuse(ret) : 0;
}

int sandbox_enter(void)
{
	int ret = sandbox_wait();
	bool has_others = !ret && has_other_threads();

	if (tasks >= 0)
		close(tasks);
	tasks = -1;
	if (has_others)
		return status_fail(STATUS_SANDBOX, "a thread has no filter of system calls (--no-sandbox runs without)");
	if (!ret) {
		ret = put_on(SANDBOX_MAIN);
		ret = ret ? refuse(ret) : 0;
	}
	return ret;
}

void sandbox_renew(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&changed, NULL);
	started = 0;
	entered = 0;
	first_error = 0;
	for (unsigned int i = 0; i < SANDBOX_KINDS; i++)
		fill_in_pid(i);
}
