// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls of the debugger's thread, and those that a debugger adds for vCPUs: what they need is allowed, and what
 * is refused kills. Linked as the launcher is, with the C library it has.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "test.h"
#include "userspace/report.h"
#include "userspace/sandbox.h"
#include "userspace/thread.h"

#define END_MS	20000

static int event, listener, control, file;
static char report[64];
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static bool is_going;

/* The arguments do not matter: what is allowed fails for what they are. */
static void get_registers(void) { ioctl(-1, KVM_GET_REGS, NULL); }
static void set_registers(void) { ioctl(-1, KVM_SET_REGS, NULL); }
static void get_special(void) { ioctl(-1, KVM_GET_SREGS, NULL); }
static void set_special(void) { ioctl(-1, KVM_SET_SREGS, NULL); }
static void get_fpu(void) { ioctl(-1, KVM_GET_FPU, NULL); }
static void set_fpu(void) { ioctl(-1, KVM_SET_FPU, NULL); }
static void get_state(void) { ioctl(-1, KVM_GET_MP_STATE, NULL); }
static void translate(void) { ioctl(-1, KVM_TRANSLATE, NULL); }
static void set_debug(void) { ioctl(-1, KVM_SET_GUEST_DEBUG, NULL); }
static void get_debug_registers(void) { ioctl(-1, KVM_GET_DEBUGREGS, NULL); }
static void set_debug_registers(void) { ioctl(-1, KVM_SET_DEBUGREGS, NULL); }
static void run(void) { ioctl(-1, KVM_RUN, NULL); }
static void interrupt(void) { ioctl(-1, KVM_IRQ_LINE, NULL); }
static void send_message(void) { ioctl(-1, KVM_SIGNAL_MSI, NULL); }
static void send_nmi(void) { ioctl(-1, KVM_NMI, 0); }
static void add_slot(void) { ioctl(-1, KVM_SET_USER_MEMORY_REGION, NULL); }
static void restore_terminal(void) { struct termios mode; tcgetattr(0, &mode); tcsetattr(0, TCSANOW, &mode); tcgetpgrp(0); }
static void drop_report(void) { report_drop(); }
static void remove_other(void) { unlink("/tmp/no-such-file"); }
static void accept_debugger(void) { accept4(listener, NULL, NULL, SOCK_CLOEXEC); }
static void accept_other(void) { accept4(control, NULL, NULL, SOCK_CLOEXEC); }
static void call_socket(void) { socket(AF_UNIX, SOCK_STREAM, 0); }
static void call_open(void) { open("/etc/passwd", O_RDONLY); }
static void call_seccomp(void) { syscall(SYS_seccomp, 0, 0, NULL); }
static void write_at(void) { pwritev(file, &(struct iovec){ "x", 1 }, 1, 0); }
static void map_code(void) { mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void kick(void) { pthread_kill(pthread_self(), SIGUSR1); }

static void wait_and_talk(void)
{
	struct pollfd wait = { .fd = event, .events = POLLIN };
	pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec until = thread_time_in(1);
	uint64_t one = 1;

	poll(&wait, 1, 1);
	if (write(event, &one, sizeof(one)) != sizeof(one) || read(event, &one, sizeof(one)) != sizeof(one))
		_exit(99);
	pthread_mutex_lock(&mine);
	pthread_cond_clockwait(&never, &mine, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&mine);
}

static const struct row {
	const char *name;
	void (*call)(void);
	bool is_allowed;
	enum sandbox_kind kind;
	bool has_none;		/* no debugger is wanted */
} rows[] = {
	{ "translate", translate, true, SANDBOX_GDB },
	{ "registers", get_registers, true, SANDBOX_GDB },
	{ "set registers", set_registers, true, SANDBOX_GDB },
	{ "special registers", get_special, true, SANDBOX_GDB },
	{ "set special registers", set_special, true, SANDBOX_GDB },
	{ "FPU", get_fpu, true, SANDBOX_GDB },
	{ "set FPU", set_fpu, true, SANDBOX_GDB },
	{ "is it halted", get_state, true, SANDBOX_GDB },
	{ "debugging", set_debug, true, SANDBOX_GDB },
	{ "accept a client", accept_debugger, true, SANDBOX_GDB },
	{ "wait, read, write", wait_and_talk, true, SANDBOX_GDB },
	{ "kick a vCPU", kick, true, SANDBOX_GDB },
	{ "a crash's terminal", restore_terminal, true, SANDBOX_GDB },
	{ "a crash's report", drop_report, true, SANDBOX_GDB },
	{ "another's client", accept_other, false, SANDBOX_GDB },
	{ "remove a file", remove_other, false, SANDBOX_GDB },
	{ "run a vCPU", run, false, SANDBOX_GDB },
	{ "set an interrupt", interrupt, false, SANDBOX_GDB },
	{ "send a message", send_message, false, SANDBOX_GDB },
	{ "send an NMI", send_nmi, false, SANDBOX_GDB },
	{ "a memory slot", add_slot, false, SANDBOX_GDB },
	{ "write at an offset", write_at, false, SANDBOX_GDB },
	{ "a socket", call_socket, false, SANDBOX_GDB },
	{ "open", call_open, false, SANDBOX_GDB },
	{ "map code", map_code, false, SANDBOX_GDB },
	{ "another filter", call_seccomp, false, SANDBOX_GDB },
	{ "vCPU: debugging", set_debug, true, SANDBOX_VCPU },
	{ "vCPU: translate", translate, true, SANDBOX_VCPU },
	{ "vCPU: is it halted", get_state, true, SANDBOX_VCPU },
	{ "vCPU: debug registers", get_debug_registers, true, SANDBOX_VCPU },
	{ "vCPU: set debug registers", set_debug_registers, true, SANDBOX_VCPU },
	{ "vCPU: run", run, true, SANDBOX_VCPU },
	{ "vCPU: set registers", set_registers, false, SANDBOX_VCPU },
	{ "vCPU: accept a debugger", accept_debugger, false, SANDBOX_VCPU },
	{ "vCPU: another filter", call_seccomp, false, SANDBOX_VCPU },
	{ "control: accept a debugger", accept_debugger, false, SANDBOX_CONTROL },
	{ "control: accept its own", accept_other, true, SANDBOX_CONTROL },
	{ "control: set registers", set_registers, false, SANDBOX_CONTROL },
	{ "device: debugging", set_debug, false, SANDBOX_DEVICE },
	{ "main: debugging", set_debug, false, SANDBOX_MAIN },
	{ "main: accept a debugger", accept_debugger, false, SANDBOX_MAIN },
	{ "no debugger, vCPU: debugging", set_debug, false, SANDBOX_VCPU, true },
	{ "no debugger, vCPU: translate", translate, false, SANDBOX_VCPU, true },
	{ "no debugger, vCPU: debug registers", get_debug_registers, false, SANDBOX_VCPU, true },
	{ "no debugger, vCPU: set debug registers", set_debug_registers, false, SANDBOX_VCPU, true },
	{ "no debugger, vCPU: run", run, true, SANDBOX_VCPU, true },
};

static void *wait_and_call(void *argument)
{
	const struct row *row = argument;

	pthread_mutex_lock(&lock);
	while (!is_going)
		pthread_cond_wait(&go, &lock);
	pthread_mutex_unlock(&lock);
	if (row->kind != SANDBOX_MAIN)
		row->call();
	return NULL;
}

/* Return: true if it was allowed. */
static bool in_child(const struct row *row)
{
	const struct timespec until = thread_time_in(END_MS);

	signal(SIGUSR1, SIG_IGN);
	if (report_open(report))
		return false;

	const struct sandbox_wants wants = {
		.report = report_get(), .listener = control, .debugger = row->has_none ? -1 : listener, .null_file = -1,
	};

	if (sandbox_prepare(&wants) || sandbox_start_thread(&thread, row->kind ?: SANDBOX_DEVICE, wait_and_call, (void *)row) ||
	    sandbox_enter())
		return false;
	if (row->kind == SANDBOX_MAIN)
		row->call();
	pthread_mutex_lock(&lock);
	is_going = true;
	pthread_cond_broadcast(&go);
	pthread_mutex_unlock(&lock);
	return thread_join(thread, &until, 0);
}

static int listen_somewhere(void)
{
	const struct sockaddr nameless = { .sa_family = AF_UNIX };	/* the kernel gives it a name */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ASSERT_EQ(bind(fd, &nameless, sizeof(nameless.sa_family)), 0);
	ASSERT_EQ(listen(fd, 1), 0);
	return fd;
}

static void test_rows(void)
{
	event = eventfd(0, 0);
	file = fileno(tmpfile());
	listener = listen_somewhere();
	control = listen_somewhere();
	snprintf(report, sizeof(report), "/tmp/keel-gdb-sandbox.%d", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid = fork();
		int status;

		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(!in_child(&rows[i]));
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(rows[i].name, rows[i].is_allowed ? 0 : SIGSYS, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	/* Those that were not dropped. */
	char command[96];

	snprintf(command, sizeof(command), "rm -f %s.*", report);
	ASSERT_EQ(system(command), 0);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
};

TEST_MAIN(cases)
