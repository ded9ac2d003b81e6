// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's system-call filter: what the launcher and the C library do after the guest has
 * begun is allowed, and what is refused kills the process after one line with the call's name.
 *
 * Linked as the launcher is: statically, with the same C library, whose helpers may use more calls
 * than their names say. tcsetattr() of Debian 12's first asks for the settings that are.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <linux/vhost.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "test.h"
#include "userspace/crash.h"
#include "userspace/report.h"
#include "userspace/runtime.h"
#include "userspace/sandbox.h"
#include "userspace/thread.h"

static int slave, file, event, listener, null_file;
static char directory[] = "/tmp/keel-sandbox.XXXXXX";
static char path[64], precious[64];
static void *pages[2];		/* guest memory, anonymous and a memfd's */
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static bool is_going;

/* A failure ends the child with a status that names the line. */
#define NEED(condition)	do { if (!(condition)) _exit(__LINE__ % 100 + 100); } while (0)

static void terminal(void)
{
	struct termios mode;

	NEED(isatty(slave) && !tcgetattr(slave, &mode));
	cfmakeraw(&mode);
	NEED(!tcsetattr(slave, TCSANOW, &mode));
	tcgetpgrp(slave);
	getpgrp();
}

static void grow(size_t size)
{
	char *at = NULL;

	for (size_t i = 1; i <= 16; i++) {
		at = realloc(at, i * size);
		NEED(at);
		memset(at, 1, i * size);
	}
	free(at);
}

static void allocate(void)
{
	void *many[2000];

	grow(100);
	grow(64 << 10);
	grow(1 << 20);
	for (int i = 0; i < 2000; i++)
		NEED((many[i] = malloc(3000)));
	for (int i = 0; i < 2000; i++)
		free(many[i]);
}

/* @argument: what to do once told. */
static void *wait_and_run(void *argument)
{
	void (**run)(void) = argument;

	pthread_mutex_lock(&lock);
	while (!is_going)
		pthread_cond_wait(&go, &lock);
	pthread_mutex_unlock(&lock);
	(*run)();
	return NULL;
}

static void end_thread(void)
{
	struct timespec until = thread_time_in(60000);

	pthread_mutex_lock(&lock);
	is_going = true;
	pthread_cond_broadcast(&go);
	pthread_mutex_unlock(&lock);
	NEED(thread_join(thread, &until, 0));
}

static void be_random(void)
{
	char bytes[256];

	NEED(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
}

static void sleep_somehow(void)
{
	struct timespec nap = { .tv_nsec = 1000000 }, until = thread_time_in(1);
	struct pollfd none = { .fd = -1 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	nanosleep(&nap, NULL);
	usleep(1000);
	poll(&none, 1, 1);
	ppoll(&none, 1, &nap, NULL);
	pthread_mutex_lock(&lock);
	pthread_cond_clockwait(&go, &lock, CLOCK_MONOTONIC, &until);
	clock_gettime(CLOCK_REALTIME, &until);
	pthread_cond_timedwait(&go, &lock, &until);
	pthread_mutex_unlock(&lock);
	time(NULL);
}

static void use_files(void)
{
	char bytes[16] = "0123456789abcde";
	struct iovec parts[2] = { { bytes, 8 }, { bytes + 8, 8 } };
	uint64_t one = 1;

	NEED(pwritev(file, parts, 2, 0) == 16 && preadv(file, parts, 2, 0) == 16);
	NEED(!fdatasync(file));
	NEED(write(event, &one, 8) == 8 && read(event, &one, 8) == 8);
}

static void read_statistics(void)
{
	char bytes[16];
	struct iovec part = { bytes, sizeof(bytes) };

	NEED(preadv(file, &part, 1, 0) >= 0);
}

static void wake_another(void)
{
	uint64_t one = 1;

	NEED(write(event, &one, 8) == 8);
}

static void write_disk(void)
{
	struct iovec part = { path, sizeof(path) };

	pwritev(file, &part, 1, 0);
}

static void read_event(void)
{
	uint64_t one;

	read(event, &one, 8);
}

static void use_signals(void)
{
	sigset_t set;

	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_kill(pthread_self(), SIGUSR2);
}

static void speak(void)
{
	status_warn("a warning, %s, %f", strerror(12345), 1.5);
	status_fail(STATUS_HOST, "a line, %s", strsignal(SIGTERM));
}

static void report(void)
{
	NEED(report_write(STATUS_OK, "the end", NULL) == STATUS_OK);
}

static void report_is_dropped(void)
{
	report_drop();
}

static void accept_there(void)
{
	NEED(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) == -1 && errno == EAGAIN);
}

static void accept_elsewhere(void)
{
	accept4(event, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void send_nmi(void)
{
	ioctl(event, KVM_NMI, 0);
}

static void give_up_stream(void)
{
	NEED(dup3(null_file, file, 0) == file);
}

static void take_stream(void)
{
	dup3(event, null_file, 0);
}

static void remove_files(void)
{
	runtime_drop();
}

static void rename_socket(void)
{
	syscall(SYS_rename, runtime_files()->socket, path);
}

/* What is refused. The arguments do not matter. */
static void call_open(void) { open("/etc/passwd", O_RDONLY); }
static void call_exec(void) { execl("/bin/true", "true", NULL); }
static void call_fork(void) { syscall(SYS_fork); }
static void call_socket(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void call_mprotect(void) { mprotect((void *)report_get(), 4096, PROT_READ | PROT_WRITE); }
static void map(int prot, int flags, void *at) { mmap(at, 4096, prot, flags, -1, 0); }
static void map_code(void) { map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, NULL); }
static void map_there(void) { map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, &path); }
static void map_over(void)
{
	map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL);
}
static void unmap_names(void) { munmap((void *)report_get(), 4096); }
static void rename_other(void) { rename(precious, path); }
static void unlink_other(void) { unlink(precious); }
static void kill_other(void) { kill(1, 0); }
static void signal_other(void) { syscall(SYS_tgkill, 1, 1, 0); }
static void push_key(void) { ioctl(slave, TIOCSTI, "x"); }
static void call_nothing(void) { syscall(9999); }
static void call_seccomp(void) { syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL); }

static void receive_frame(void)
{
	char byte;
	struct iovec part = { &byte, 1 };

	NEED(readv(file, &part, 1) >= 0);
}

/* On a file that is no such device: the kernel's refusal is as good as its consent. */
static void try_ioctl(unsigned long command) { NEED(ioctl(file, command, NULL) < 0 && errno != ENOSYS); }
static void set_offloads(void) { try_ioctl(TUNSETOFFLOAD); }
static void set_queues(void) { try_ioctl(TUNSETQUEUE); }
static void set_interface(void) { try_ioctl(TUNSETIFF); }
static void set_vhost_backend(void) { try_ioctl(VHOST_NET_SET_BACKEND); }
static void set_vhost_memory(void) { try_ioctl(VHOST_SET_MEM_TABLE); }
static void route(void) { try_ioctl(KVM_SET_GSI_ROUTING); }
static void attach_interrupt(void) { try_ioctl(KVM_IRQFD); }
static void add_memory(void) { try_ioctl(KVM_SET_USER_MEMORY_REGION); }
static void interrupt(void) { try_ioctl(KVM_SIGNAL_MSI); }
static void set_registers(void) { try_ioctl(KVM_SET_REGS); }

static void look_at_file(void)
{
	struct stat stat;

	NEED(!syscall(SYS_fstat, event, &stat));
}

static void take_signals(void) { try_ioctl(KVM_GET_MP_STATE); }
static void look_at_size(void) { try_ioctl(TIOCGWINSZ); }
static void run_vcpu(void) { try_ioctl(KVM_RUN); }

static void mark_vm(void) { try_ioctl(KEEL_MARK_VM); }
static void put_vm_back(void) { try_ioctl(KEEL_RESET_VM); }
static void read_log(void) { try_ioctl(KVM_GET_DIRTY_LOG); }
static void move_doorbell(void) { try_ioctl(KVM_IOEVENTFD); }

/* A file is no socket, nor is it locked by anybody. */
static void send_there(void) { NEED(send(file, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK); }
static void change_mode(void) { fcntl(file, F_SETFL, O_NONBLOCK); }
static void write_out(void) { NEED(!fdatasync(file) || errno == EINVAL); }

static void send_elsewhere(void)
{
	const struct sockaddr address = { .sa_family = AF_UNIX };

	sendto(file, "", 1, 0, &address, sizeof(address));
}

static void receive_there(void)
{
	struct msghdr message = { 0 };

	NEED(recvmsg(file, &message, MSG_DONTWAIT) < 0 && errno == ENOTSOCK);
}

static void lock_disk(void)
{
	struct flock lock = { .l_type = F_UNLCK };

	NEED(!flock(file, LOCK_UN) || errno == EBADF);
	NEED(!fcntl(file, F_OFD_SETLK, &lock) || errno == EBADF);
}

static void look_at_disk(void)
{
	NEED(lseek(file, 0, SEEK_END) >= 0 || errno == ESPIPE);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

/* Room that takes what is in it. */
#define COPY	(16UL << 20)

static void make_copy(void)
{
	char *copy = mmap(NULL, COPY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	NEED(copy != MAP_FAILED);
	NEED(!madvise(copy, COPY, MADV_DONTDUMP));
	copy[COPY / 2] = 1;
	NEED(!munmap(copy, COPY));
}

static void make_copy_there(void) { map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, &path); }
static void make_copy_of_code(void) { map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL); }

static void set_timer(void)
{
	struct itimerspec soon = { .it_value = { .tv_sec = 1 } };

	NEED(timerfd_settime(event, 0, &soon, NULL) < 0 && errno == EINVAL);
}

/* Of a page of one's own, and one that is shared. */
static void read_block(void)
{
	char bytes[16];

	NEED(pread(file, bytes, sizeof(bytes), 0) >= 0);
}

/* The file is none: the filter lets it through. */
static void put_pages(void)
{
	static u8 none[256];
	static const unsigned long commands[] = { UFFDIO_COPY, UFFDIO_ZEROPAGE, UFFDIO_WAKE, UFFDIO_UNREGISTER };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		NEED(ioctl(file, commands[i], none) < 0 && errno != ENOSYS);
}

static void register_pages(void)
{
	ioctl(file, UFFDIO_REGISTER, pages);
}

static void give_back(void)
{
	NEED(!madvise(pages[0], 4096, MADV_DONTNEED) && !madvise(pages[1], 4096, MADV_REMOVE));
	NEED(!*(char *)pages[0] && !*(char *)pages[1]);
}

static void drain_event(void)
{
	uint64_t count = 1;

	NEED(write(event, &count, 8) == 8 && read(event, &count, 8) == 8);
}

static void send_message(void)
{
	struct msghdr none = { .msg_iov = NULL };

	NEED(sendmsg(file, &none, 0) < 0 && errno == ENOTSOCK);
}

static void receive_message(void)
{
	struct msghdr none = { .msg_iov = NULL };

	NEED(recvmsg(file, &none, 0) < 0 && errno == ENOTSOCK);
}

static void end_messages(void)
{
	NEED(shutdown(file, SHUT_RDWR) < 0 && errno == ENOTSOCK);
}

/* No process's, as the number tells. */
static void end_child(void) { NEED(syscall(SYS_pidfd_send_signal, file, SIGKILL, NULL, 0) < 0 && errno == EBADF); }
static void stop_child(void) { syscall(SYS_pidfd_send_signal, file, SIGSTOP, NULL, 0); }
static void end_other(void) { syscall(SYS_pidfd_send_signal, file + 1, SIGKILL, NULL, 0); }

/* Another process, with the C library's own means; it says a byte and ends. */
static void fork_once(void)
{
	int ends[2];
	char byte;

	NEED(!pipe2(ends, O_CLOEXEC));
	pid_t pid = fork();

	NEED(pid >= 0);
	if (!pid) {
		setsid();
		write(ends[1], "", 1);
		_exit(0);
	}
	close(ends[1]);
	NEED(read(ends[0], &byte, 1) == 1);
}

static void fork_plainly(void) { fork(); }
static void make_events(void) { NEED(eventfd(0, EFD_CLOEXEC) >= 0 && timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) >= 0); }
static void map_file(void) { NEED(mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0) != MAP_FAILED); }
static void make_code(void) { mprotect(pages[0], 4096, PROT_READ | PROT_EXEC); }
static void fork_vm(void) { try_ioctl(KEEL_FORK_VM); }
static void make_vcpu(void) { try_ioctl(KVM_CREATE_VCPU); }
static void kick_any(void) { syscall(SYS_tgkill, 1, 1, KICK_SIGNAL); }
static void terminate_other(void) { syscall(SYS_tgkill, 1, 1, SIGTERM); }

static void kick_itself(void)
{
	signal(KICK_SIGNAL, SIG_IGN);
	NEED(!pthread_kill(pthread_self(), KICK_SIGNAL));
}

static void new_namespace(void) { syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0); }

/* What a machine has that starts again in place, with such network devices. */
#define RESET_WITH(networks)	((networks) | SANDBOX_RESET | SANDBOX_RESET_OF(networks))

/* What a machine may have that has no mark. */
#define UNMARKED	(SANDBOX_RESET | SANDBOX_GIVES_BACK | SANDBOX_WATCHDOG | SANDBOX_FORK)

static const struct row {
	const char *name;
	void (*run)(void);
	const char *refused;	/* the name of the call; NULL: allowed */
	enum sandbox_kind kind;	/* of the thread that does it */
	unsigned int uses;	/* what the machine has */
} rows[] = {
	{ "terminal", terminal },
	{ "malloc grows", allocate },
	{ "a thread that allocates ends", end_thread },
	{ "getrandom", be_random },
	{ "sleeping", sleep_somehow },
	{ "a device's files and events", use_files, NULL, SANDBOX_DEVICE },
	{ "statistics", read_statistics },
	{ "a vCPU's doorbell", wake_another, NULL, SANDBOX_VCPU },
	{ "a vCPU that speaks", speak, NULL, SANDBOX_VCPU },
	{ "a vCPU's thread allocates and ends", allocate, NULL, SANDBOX_VCPU },
	{ "a console's terminal", terminal, NULL, SANDBOX_CONSOLE },
	{ "the report's remains, in a crash of a vCPU", report_is_dropped, NULL, SANDBOX_VCPU },
	{ "signals to itself", use_signals },
	{ "lines on standard error", speak },
	{ "the report", report },
	{ "the report's remains", report_is_dropped },
	{ "the control thread accepts a client", accept_there, NULL, SANDBOX_CONTROL },
	{ "the control thread's statistics", read_statistics, NULL, SANDBOX_CONTROL },
	{ "an NMI", send_nmi, NULL, SANDBOX_CONTROL },
	{ "what a file is that came", look_at_file, NULL, SANDBOX_CONTROL },
	{ "that by a vCPU", look_at_file, "fstat", SANDBOX_VCPU },
	{ "the terminal's size", look_at_size },
	{ "the terminal's size, by a device", look_at_size, "ioctl", SANDBOX_DEVICE },
	{ "a terminal given up", give_up_stream },
	{ "what is left is removed", remove_files },
	{ "what is left is removed in a crash of a device", remove_files, NULL, SANDBOX_DEVICE },
	{ "another's client", accept_elsewhere, "accept4", SANDBOX_CONTROL },
	{ "a vCPU accepts a client", accept_there, "accept4", SANDBOX_VCPU },
	{ "the main thread accepts a client", accept_there, "accept4" },
	{ "a vCPU sends an NMI", send_nmi, "ioctl", SANDBOX_VCPU },
	{ "a device gives up a terminal", give_up_stream, "dup3", SANDBOX_DEVICE },
	{ "another file in a stream's place", take_stream, "dup3" },
	{ "the control thread writes a disk", write_disk, "pwritev", SANDBOX_CONTROL },
	{ "the control thread opens", call_open, "openat", SANDBOX_CONTROL },
	{ "the control thread connects", call_socket, "socket", SANDBOX_CONTROL },
	{ "the socket is renamed", rename_socket, "rename" },
	{ "the main thread writes a disk", write_disk, "pwritev" },
	{ "a vCPU writes a disk", write_disk, "pwritev", SANDBOX_VCPU },
	{ "a console writes a disk", write_disk, "pwritev", SANDBOX_CONSOLE },
	{ "a vCPU reads", read_event, "read", SANDBOX_VCPU },
	{ "a disk's thread writes the report", report, "rename", SANDBOX_DEVICE },
	{ "a vCPU opens", call_open, "openat", SANDBOX_VCPU },
	{ "a device opens", call_open, "openat", SANDBOX_DEVICE },
	{ "a console opens", call_open, "openat", SANDBOX_CONSOLE },
	{ "open", call_open, "openat" },
	{ "execute", call_exec, "execve" },
	{ "fork", call_fork, "fork" },
	{ "socket", call_socket, "socket" },
	{ "make the names writable", call_mprotect, "mprotect" },
	{ "map code", map_code, "mmap" },
	{ "map at an address", map_there, "mmap" },
	{ "map over something", map_over, "mmap" },
	{ "unmap the names", unmap_names, "munmap" },
	{ "rename another file", rename_other, "rename" },
	{ "remove another file", unlink_other, "unlink" },
	{ "signal another process", kill_other, "kill" },
	{ "signal another's thread", signal_other, "tgkill" },
	{ "type into the terminal", push_key, "ioctl" },
	{ "a number that is no call", call_nothing, "unknown" },
	{ "another filter", call_seccomp, "seccomp" },
	{ "another filter, by a network's thread", call_seccomp, "seccomp", SANDBOX_NET, SANDBOX_NETWORK },
	/* Devices that not all machines have, by vCPUs, as the guest's driver starts and ends. */
	{ "memory, with an assigned device", add_memory, NULL, SANDBOX_VCPU, SANDBOX_ASSIGNED },
	{ "memory, with a network", add_memory, "ioctl", SANDBOX_VCPU, SANDBOX_NETWORK },
	{ "offloads of a tap", set_offloads, NULL, SANDBOX_VCPU, SANDBOX_TAP },
	{ "offloads of a tap, without one", set_offloads, "ioctl", SANDBOX_VCPU, SANDBOX_NETWORK & ~SANDBOX_TAP },
	{ "queues of a tap", set_queues, NULL, SANDBOX_VCPU, SANDBOX_TAP },
	{ "another tap", set_interface, "ioctl", SANDBOX_VCPU, SANDBOX_TAP },
	{ "a vCPU takes a tap's frames", receive_frame, "readv", SANDBOX_VCPU, SANDBOX_NETWORK },
	{ "vhost-net", set_vhost_backend, NULL, SANDBOX_VCPU, SANDBOX_VHOST },
	{ "vhost-net, without it", set_vhost_backend, "ioctl", SANDBOX_VCPU, SANDBOX_NETWORK & ~SANDBOX_VHOST },
	{ "vhost-net's memory", set_vhost_memory, "ioctl", SANDBOX_VCPU, SANDBOX_NETWORK },
	{ "interrupts of vhost-net", route, NULL, SANDBOX_VCPU, SANDBOX_VHOST },
	{ "interrupts of vhost-net attached", attach_interrupt, NULL, SANDBOX_VCPU, SANDBOX_VHOST },
	{ "interrupts of vhost-net that came before", drain_event, NULL, SANDBOX_VCPU, SANDBOX_VHOST },
	{ "interrupts of vhost-user", route, NULL, SANDBOX_VCPU, SANDBOX_VHOST_USER },
	{ "interrupts of vhost-user that came before", drain_event, NULL, SANDBOX_VCPU, SANDBOX_VHOST_USER },
	{ "interrupts, without either", route, "ioctl", SANDBOX_VCPU, SANDBOX_TAP | SANDBOX_PASST },
	{ "interrupts by the main thread", route, "ioctl", SANDBOX_MAIN, SANDBOX_NETWORK },
	/* A reset in place: by the main thread alone. */
	{ "a vCPU's registers", set_registers, "ioctl", SANDBOX_MAIN, SANDBOX_NETWORK },
	{ "a vCPU's registers, with all else", set_registers, "ioctl", SANDBOX_MAIN, SANDBOX_NETWORK | SANDBOX_GIVES_BACK | SANDBOX_WATCHDOG },
	{ "queues of a tap, with a watchdog", set_queues, "ioctl", SANDBOX_MAIN, SANDBOX_WATCHDOG },
	{ "a vCPU's registers at a reset", set_registers, NULL, SANDBOX_MAIN, SANDBOX_RESET },
	{ "INIT signals at a reset", take_signals, NULL, SANDBOX_MAIN, SANDBOX_RESET },
	{ "INIT signals without", take_signals, "ioctl", SANDBOX_MAIN, SANDBOX_NETWORK | SANDBOX_GIVES_BACK | SANDBOX_WATCHDOG },
	{ "a vCPU's registers by a vCPU", set_registers, "ioctl", SANDBOX_VCPU, SANDBOX_RESET },
	{ "interrupts of vhost-net at a reset", attach_interrupt, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST) },
	{ "interrupts of vhost-user at a reset", attach_interrupt, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST_USER) },
	{ "interrupts at a reset, without either", attach_interrupt, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_TAP | SANDBOX_PASST) },
	{ "routes at a reset", route, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK) },
	{ "vhost-net at a reset", set_vhost_backend, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST) },
	{ "vhost-net at a reset, without it", set_vhost_backend, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK & ~SANDBOX_VHOST) },
	{ "queues of a tap at a reset", set_queues, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_TAP) },
	{ "queues of a tap at a reset, without one", set_queues, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK & ~SANDBOX_TAP) },
	{ "offloads of a tap at a reset", set_offloads, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK) },
	{ "messages of vhost-user at a reset", send_message, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST_USER) },
	{ "answers of vhost-user at a reset", receive_message, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST_USER) },
	{ "the end of vhost-user at a reset", end_messages, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_VHOST_USER) },
	{ "messages at a reset, without it", send_message, "sendmsg", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK & ~SANDBOX_VHOST_USER) },
	{ "memory at a reset", add_memory, "ioctl", SANDBOX_MAIN, RESET_WITH(SANDBOX_NETWORK) },
	{ "messages of vhost-user", send_message, NULL, SANDBOX_VCPU, SANDBOX_VHOST_USER },
	{ "answers of vhost-user", receive_message, NULL, SANDBOX_VCPU, SANDBOX_VHOST_USER },
	{ "the end of vhost-user", end_messages, NULL, SANDBOX_VCPU, SANDBOX_VHOST_USER },
	{ "messages, without it", send_message, "sendmsg", SANDBOX_VCPU, SANDBOX_NETWORK & ~SANDBOX_VHOST_USER },
	{ "another socket for vhost-user", call_socket, "socket", SANDBOX_VCPU, SANDBOX_VHOST_USER },
	/* A share's queues start and stop by vCPUs; its thread has what a disk's has. */
	{ "messages of a share", send_message, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "answers of a share", receive_message, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "the end of a share", end_messages, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "messages of a share and a network", send_message, NULL, SANDBOX_VCPU, SANDBOX_SHARE | SANDBOX_VHOST_USER },
	{ "interrupts of a share", route, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "interrupts of a share attached", attach_interrupt, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "interrupts of a share that came before", drain_event, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "another process for a share", call_fork, "fork", SANDBOX_VCPU, SANDBOX_SHARE },
	{ "a share's thread and its event", drain_event, NULL, SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "a share's thread tells an end", speak, NULL, SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "a share's thread interrupts", interrupt, NULL, SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "a share's thread and messages", send_message, "sendmsg", SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "a share's thread and routes", attach_interrupt, "ioctl", SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "messages of a share at a reset", send_message, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_SHARE) },
	{ "answers of a share at a reset", receive_message, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_SHARE) },
	{ "the end of a share at a reset", end_messages, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_SHARE) },
	{ "interrupts of a share at a reset", attach_interrupt, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_SHARE) },
	{ "messages of a share, without a reset", send_message, "sendmsg", SANDBOX_MAIN, SANDBOX_SHARE },
	{ "a share's process is killed", end_child, NULL, SANDBOX_VCPU, SANDBOX_SHARE },
	{ "a share's process is killed at a reset", end_child, NULL, SANDBOX_MAIN, RESET_WITH(SANDBOX_SHARE) },
	{ "a share's process is killed in the end", end_child, NULL, SANDBOX_MAIN, SANDBOX_SHARE },
	{ "a share's process is stopped", stop_child, "pidfd_send_signal", SANDBOX_VCPU, SANDBOX_SHARE },
	{ "another process is killed", end_other, "pidfd_send_signal", SANDBOX_MAIN, SANDBOX_SHARE },
	{ "a share's process is killed, by its thread", end_child, "pidfd_send_signal", SANDBOX_DEVICE, SANDBOX_SHARE },
	{ "a process is killed, without a share", end_child, "pidfd_send_signal", SANDBOX_VCPU, SANDBOX_NETWORK },
	/* A network device's thread. */
	{ "network: malloc grows", allocate, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: lines on standard error", speak, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: sleeping", sleep_somehow, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: what is left is removed in a crash", remove_files, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: events", drain_event, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: frames of a tap", receive_frame, NULL, SANDBOX_NET, SANDBOX_TAP },
	{ "network: frames of a tap, without one", receive_frame, "readv", SANDBOX_NET, SANDBOX_NETWORK & ~SANDBOX_TAP },
	{ "network: offloads of a tap", set_offloads, NULL, SANDBOX_NET, SANDBOX_TAP },
	{ "network: queues of a tap", set_queues, NULL, SANDBOX_NET, SANDBOX_TAP },
	{ "network: messages of vhost-user", send_message, NULL, SANDBOX_NET, SANDBOX_VHOST_USER },
	{ "network: answers of vhost-user", receive_message, NULL, SANDBOX_NET, SANDBOX_VHOST_USER },
	{ "network: the end of vhost-user", end_messages, NULL, SANDBOX_NET, SANDBOX_VHOST_USER },
	{ "network: the end of vhost-user, without it", end_messages, "shutdown", SANDBOX_NET, SANDBOX_NETWORK & ~SANDBOX_VHOST_USER },
	{ "network: an interrupt", interrupt, NULL, SANDBOX_NET, SANDBOX_PASST },
	{ "network: routes of interrupts", route, "ioctl", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: a vCPU", run_vcpu, "ioctl", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: a vCPU, by a vCPU's thread", run_vcpu, NULL, SANDBOX_VCPU, SANDBOX_NETWORK },
	{ "network: vhost-net's queues", set_vhost_backend, "ioctl", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: reads a disk", read_statistics, "preadv", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: writes a disk", write_disk, "pwritev", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: a client", accept_there, "accept4", SANDBOX_NET, SANDBOX_NETWORK },
	{ "network: open", call_open, "openat", SANDBOX_NET, SANDBOX_NETWORK },
	/* A watchdog's timer. */
	{ "a vCPU sets a timer", set_timer, NULL, SANDBOX_VCPU, SANDBOX_WATCHDOG },
	{ "the main thread sets a timer", set_timer, NULL, SANDBOX_MAIN, SANDBOX_WATCHDOG },
	{ "a vCPU sets a timer, without a watchdog", set_timer, "timerfd_settime", SANDBOX_VCPU, SANDBOX_NETWORK },
	{ "a device sets a timer", set_timer, "timerfd_settime", SANDBOX_DEVICE, SANDBOX_WATCHDOG },
	/* A balloon's. */
	{ "balloon: memory is given back", give_back, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: malloc grows", allocate, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: lines on standard error", speak, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: what is left is removed in a crash", remove_files, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: events", drain_event, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: an interrupt", interrupt, NULL, SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: a vCPU", run_vcpu, "ioctl", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: memory slots", add_memory, "ioctl", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: reads a disk", read_statistics, "preadv", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: writes a disk", write_disk, "pwritev", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: open", call_open, "openat", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: map over something", map_over, "mmap", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	{ "balloon: another filter", call_seccomp, "seccomp", SANDBOX_BALLOON, SANDBOX_GIVES_BACK },
	/* Memory that comes from a file. */
	{ "fill: a block is read", read_block, NULL, SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: its pages are put", put_pages, NULL, SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: events", drain_event, NULL, SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: malloc grows", allocate, NULL, SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: lines on standard error", speak, NULL, SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: more memory", register_pages, "ioctl", SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: a vCPU", run_vcpu, "ioctl", SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: an interrupt", interrupt, "ioctl", SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: open", call_open, "openat", SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: writes a disk", write_disk, "pwritev", SANDBOX_FILL, SANDBOX_LAZY },
	{ "fill: another filter", call_seccomp, "seccomp", SANDBOX_FILL, SANDBOX_LAZY },
	{ "pages are put by a vCPU", put_pages, "ioctl", SANDBOX_VCPU, SANDBOX_LAZY },
	{ "a block is read by a disk's thread", read_block, "pread64", SANDBOX_DEVICE, SANDBOX_LAZY },
	/* A disk that another process serves: its thread has a socket and no file. */
	{ "remote: requests", send_message, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: answers", receive_message, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: the end of a connection", end_messages, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: events", drain_event, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: an interrupt", interrupt, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: malloc grows", allocate, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: sleeping", sleep_somehow, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: lines on standard error", speak, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: what is left is removed in a crash", remove_files, NULL, SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: reads a file", read_statistics, "preadv", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: writes a file", write_disk, "pwritev", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: flushes a file", write_out, "fdatasync", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: another socket", call_socket, "socket", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: open", call_open, "openat", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: execute", call_exec, "execve", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: a vCPU", run_vcpu, "ioctl", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: another filter", call_seccomp, "seccomp", SANDBOX_NBD, SANDBOX_REMOTE },
	{ "remote: the last flush", send_message, NULL, SANDBOX_MAIN, SANDBOX_REMOTE },
	{ "remote: the last flush's answer", receive_message, NULL, SANDBOX_MAIN, SANDBOX_REMOTE },
	{ "remote: the last flush fails", end_messages, NULL, SANDBOX_MAIN, SANDBOX_REMOTE },
	{ "remote: the last flush, of a file's disk", send_message, "sendmsg", SANDBOX_MAIN, SANDBOX_LAZY },
	{ "remote: a flush before it moves", send_message, NULL, SANDBOX_CONTROL, SANDBOX_REMOTE },
	{ "remote: its answer", receive_message, NULL, SANDBOX_CONTROL, SANDBOX_REMOTE },
	{ "remote: it fails", end_messages, NULL, SANDBOX_CONTROL, SANDBOX_REMOTE },
	{ "remote: requests by a vCPU", send_message, "sendmsg", SANDBOX_VCPU, SANDBOX_REMOTE },
	{ "remote: requests by another disk's thread", send_message, "sendmsg", SANDBOX_DEVICE, SANDBOX_REMOTE },
	/* The main thread of a machine that can be forked. */
	{ "fork", fork_once, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork, with all else", fork_once, NULL, SANDBOX_MAIN, SANDBOX_FORK | SANDBOX_RESET | SANDBOX_WATCHDOG | SANDBOX_GIVES_BACK },
	{ "fork, by a vCPU", fork_plainly, "clone", SANDBOX_VCPU, SANDBOX_FORK },
	{ "fork, by the control thread", fork_plainly, "clone", SANDBOX_CONTROL, SANDBOX_FORK },
	{ "fork, of a machine that is not forkable", fork_plainly, "clone", SANDBOX_MAIN, SANDBOX_RESET },
	{ "fork: events", make_events, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a vCPU's page", map_file, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a VM", fork_vm, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a VM, by a vCPU", fork_vm, "ioctl", SANDBOX_VCPU, SANDBOX_FORK },
	{ "fork: a vCPU", make_vcpu, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: what a vCPU does", run_vcpu, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a client", accept_there, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: another's client", accept_elsewhere, "accept4", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: signals to itself", use_signals, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a kick, whoever gets it", kick_any, NULL, SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: another signal to another", terminate_other, "tgkill", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: a kick of another by a vCPU", kick_any, "tgkill", SANDBOX_VCPU, SANDBOX_FORK },
	{ "fork: memory slots, by a vCPU", add_memory, "ioctl", SANDBOX_VCPU, SANDBOX_FORK },
	{ "fork: open", call_open, "openat", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: execute", call_exec, "execve", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: socket", call_socket, "socket", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: namespaces", new_namespace, "clone", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: map code", map_code, "mmap", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: map at an address", map_there, "mmap", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: make code", make_code, "mprotect", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: make the names writable", call_mprotect, "mprotect", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: unmap the names", unmap_names, "munmap", SANDBOX_MAIN, SANDBOX_FORK },
	{ "fork: remove another file", unlink_other, "unlink", SANDBOX_MAIN, SANDBOX_FORK },
	/* The way back to a mark: by the control thread alone. */
	{ "mark", mark_vm, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: reset", put_vm_back, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: the log of writes", read_log, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: doorbells that move", move_doorbell, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: room for a copy", make_copy, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: memory", allocate, NULL, SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark, of a machine that is not markable", mark_vm, "ioctl", SANDBOX_CONTROL, UNMARKED },
	{ "mark: reset of such a one", put_vm_back, "ioctl", SANDBOX_CONTROL, UNMARKED },
	{ "mark: doorbells of such a one", move_doorbell, "ioctl", SANDBOX_CONTROL, UNMARKED },
	{ "mark: room for a copy of such a one", make_copy, "mmap", SANDBOX_CONTROL, UNMARKED },
	{ "mark, by a vCPU", mark_vm, "ioctl", SANDBOX_VCPU, SANDBOX_MARK },
	{ "mark: reset, by a vCPU", put_vm_back, "ioctl", SANDBOX_VCPU, SANDBOX_MARK },
	{ "mark: the log, by a disk", read_log, "ioctl", SANDBOX_DEVICE, SANDBOX_MARK },
	{ "mark: room for a copy, by a vCPU", make_copy, "mmap", SANDBOX_VCPU, SANDBOX_MARK },
	{ "mark, by the main thread", mark_vm, "ioctl", SANDBOX_MAIN, SANDBOX_MARK },
	{ "mark: reset, by the main thread", put_vm_back, "ioctl", SANDBOX_MAIN, SANDBOX_MARK | SANDBOX_RESET },
	{ "mark: room for a copy, by the main thread", make_copy, "mmap", SANDBOX_MAIN, SANDBOX_MARK },
	{ "mark: memory slots, by the main thread", add_memory, "ioctl", SANDBOX_MAIN, SANDBOX_MARK },
	{ "mark: a vCPU's registers", set_registers, "ioctl", SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: a VM", fork_vm, "ioctl", SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: open", call_open, "openat", SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: map at an address", make_copy_there, "mmap", SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: map code", make_copy_of_code, "mmap", SANDBOX_CONTROL, SANDBOX_MARK },
	{ "mark: unmap the names", unmap_names, "munmap", SANDBOX_CONTROL, SANDBOX_MARK },
	/* A machine that moves, by the control thread, and one that comes, by the main thread. */
	{ "move: a log of writes", add_memory, NULL, SANDBOX_CONTROL },
	{ "move: what is in it", read_log, NULL, SANDBOX_CONTROL },
	{ "move: through a socket", send_there, NULL, SANDBOX_CONTROL },
	{ "move: disks", lock_disk, NULL, SANDBOX_CONTROL },
	{ "move: that are written out", write_out, NULL, SANDBOX_CONTROL },
	{ "move: to somebody else", send_elsewhere, "sendto", SANDBOX_CONTROL },
	{ "move: a file's mode", change_mode, "fcntl", SANDBOX_CONTROL },
	{ "move: a log, by a vCPU", add_memory, "ioctl", SANDBOX_VCPU },
	{ "move: what is in it, by a disk", read_log, "ioctl", SANDBOX_DEVICE },
	{ "move: a log, by the main thread", add_memory, "ioctl", SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "move: through a socket, by a vCPU", send_there, "sendto", SANDBOX_VCPU },
	{ "move: a disk's lock, by its thread", lock_disk, "flock", SANDBOX_DEVICE },
	{ "arrive: words", send_there, NULL, SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "arrive: words that come", receive_there, NULL, SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "arrive: disks", lock_disk, NULL, SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "arrive: what is known of them", look_at_disk, NULL, SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "arrive: to somebody else", send_elsewhere, "sendto", SANDBOX_MAIN, SANDBOX_ARRIVE },
	{ "arrive: by a vCPU", receive_there, "recvmsg", SANDBOX_VCPU, SANDBOX_ARRIVE },
	{ "arrive: words, of a machine that did not", send_there, "sendto" },
	{ "arrive: words that come to such a one", receive_there, "recvmsg" },
	{ "arrive: disks of such a one", lock_disk, "flock" },
	{ "a disk's thread takes a tap's frames", receive_frame, "readv", SANDBOX_DEVICE, SANDBOX_NETWORK },
	{ "a disk's thread sends messages", send_message, "sendmsg", SANDBOX_DEVICE, SANDBOX_NETWORK },
};

static void no_clean_up(void)
{
}

static void in_child(const struct row *row, int errors)
{
	static void (*run)(void);	/* outlives this frame, as the thread may */
	struct sandbox_wants wants;

	run = row->kind ? row->run : allocate;
	dup2(errors, STDERR_FILENO);
	NEED(!report_open(path));
	snprintf(runtime_files()->socket, PATH_MAX, "%s/socket", directory);
	runtime_keep();
	crash_watch(no_clean_up);
	wants = (struct sandbox_wants){
		.report = report_get(), .listener = listener, .debugger = -1, .children = &file, .child_count = !!(row->uses & SANDBOX_SHARE), .null_file = null_file,
		.files = { runtime_files()->socket, runtime_files()->pid_file },
		.uses = row->uses,
	};
	NEED(!sandbox_prepare(&wants));
	NEED(!sandbox_start_thread(&thread, row->kind ?: SANDBOX_DEVICE, wait_and_run, &run));
	NEED(!sandbox_enter());
	if (row->kind)
		end_thread();
	else
		row->run();
	exit(0);
}

/* A process that was forked: its thread's kind has the filter of the main thread and its own. */
static const struct row forked_rows[] = {
	{ "a vCPU", run_vcpu, NULL, SANDBOX_VCPU },
	{ "a vCPU allocates", allocate, NULL, SANDBOX_VCPU },
	{ "a vCPU kicks itself", kick_itself, NULL, SANDBOX_VCPU },
	{ "a vCPU speaks", speak, NULL, SANDBOX_VCPU },
	{ "a disk", use_files, NULL, SANDBOX_DEVICE },
	{ "a balloon", give_back, NULL, SANDBOX_BALLOON },
	{ "a client", accept_there, NULL, SANDBOX_CONTROL },
	{ "an NMI", send_nmi, NULL, SANDBOX_CONTROL },
	{ "a terminal", terminal, NULL, SANDBOX_CONSOLE },
	{ "a vCPU opens", call_open, "openat", SANDBOX_VCPU },
	{ "a vCPU writes a disk", write_disk, "pwritev", SANDBOX_VCPU },
	{ "a vCPU forks", fork_plainly, "clone", SANDBOX_VCPU },
	{ "a vCPU makes a VM", fork_vm, "ioctl", SANDBOX_VCPU },
	{ "a vCPU kicks another", kick_any, "tgkill", SANDBOX_VCPU },
	{ "a vCPU accepts a client", accept_there, "accept4", SANDBOX_VCPU },
	{ "a disk puts another filter on", call_seccomp, "seccomp", SANDBOX_DEVICE },
	{ "a mark of its own", mark_vm, NULL, SANDBOX_CONTROL },
	{ "back to it", put_vm_back, NULL, SANDBOX_CONTROL },
	{ "room for it", make_copy, NULL, SANDBOX_CONTROL },
	{ "a vCPU marks", mark_vm, "ioctl", SANDBOX_VCPU },
	{ "a disk makes room for a mark", make_copy, "mmap", SANDBOX_DEVICE },
};

#define NOT_DONE	77

static const struct row *forked;

/* Whether it is done is told by a byte, as nobody may wait for a process here. */
static void fork_and_run(void)
{
	static void (*run)(void);
	int ends[2];
	char byte;

	run = forked->run;
	NEED(!pipe2(ends, O_CLOEXEC));
	pid_t pid = fork();

	NEED(pid >= 0);
	if (!pid) {
		close(ends[0]);
		pthread_mutex_init(&lock, NULL);
		pthread_cond_init(&go, NULL);
		sandbox_renew();
		NEED(!sandbox_start_thread(&thread, forked->kind, wait_and_run, &run));
		NEED(!sandbox_wait());
		end_thread();
		NEED(write(ends[1], "", 1) == 1);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		_exit(NOT_DONE);
}

static void run_forked(const struct row *row)
{
	static const struct row main_row = { "fork", fork_and_run, NULL, SANDBOX_MAIN, SANDBOX_FORK | SANDBOX_MARK | SANDBOX_GIVES_BACK };
	char said[512] = "", want[64];
	int status, pipes[2];
	size_t used = 0;
	ssize_t got;

	forked = row;
	ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		in_child(&main_row, pipes[1]);
	close(pipes[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	while (used < sizeof(said) - 1 && (got = read(pipes[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += got;
	close(pipes[0]);
	if (*said)
		test_note("forked: %s: %s", row->name, said);
	CHECK_EQ(row->name, row->refused ? NOT_DONE : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	if (!row->refused)
		return;
	snprintf(want, sizeof(want), "refused %s()", row->refused);
	CHECK_EQ("told by name", 1, !!strstr(said, want));
}

static void run_row(const struct row *row)
{
	char said[512] = "", want[64];
	int status, pipes[2];

	ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		in_child(row, pipes[1]);
	close(pipes[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_GE(read(pipes[0], said, sizeof(said) - 1), 0);
	close(pipes[0]);
	if (*said)
		test_note("%s: %s", row->name, said);
	if (!row->refused) {
		CHECK_EQ(row->name, 0, status);
		return;
	}
	CHECK_EQ(row->name, SIGSYS, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	snprintf(want, sizeof(want), "refused %s()", row->refused);
	CHECK_EQ("told by name", 1, !!strstr(said, want));
}

static void test_rows(void)
{
	const struct sockaddr nameless = { .sa_family = AF_UNIX };	/* the kernel gives it a name */
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char said[64];

	ASSERT_GE(master, 0);
	ASSERT_EQ(grantpt(master) | unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ASSERT_GE(slave, 0);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/report", directory);
	snprintf(precious, sizeof(precious), "%s/precious", directory);
	file = open(precious, O_RDWR | O_CREAT, 0600);
	event = eventfd(0, 0);
	null_file = open("/dev/null", O_RDWR);
	pages[0] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pages[1] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(pages[0] != MAP_FAILED && pages[1] != MAP_FAILED, "pages");
	*(char *)pages[0] = *(char *)pages[1] = 1;
	ASSERT_GE(null_file, 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ASSERT_EQ(bind(listener, (const struct sockaddr *)&nameless, sizeof(nameless.sa_family)), 0);
	ASSERT_EQ(listen(listener, 1), 0);
	ASSERT_GE(file, 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
	for (u32 i = 0; i < ARRAY_SIZE(forked_rows); i++)
		run_forked(&forked_rows[i]);
	CHECK_EQ("the other file is still there", 0, access(precious, F_OK));
	/* The refused children leave their unfinished reports. */
	snprintf(said, sizeof(said), "rm -r %s", directory);
	ASSERT_EQ(system(said), 0);
}

/* A thread that nobody gave a filter, or whose kind has none, is found before the guest runs. */
static void test_unfiltered(void)
{
	static const struct {
		const char *name;
		enum sandbox_kind kind;
		unsigned int before, after;	/* sandbox_prepare(): more by pthread_create() */
		int want;
	} threads[] = {
		{ "one started otherwise", SANDBOX_DEVICE, 0, 1, STATUS_SANDBOX },
		{ "workers that were there, as vhost-net's", SANDBOX_DEVICE, 2, 0, 0 },
		{ "one started otherwise besides", SANDBOX_DEVICE, 2, 1, STATUS_SANDBOX },
		{ "a network's, of a machine without one", SANDBOX_NET, 0, 0, STATUS_SANDBOX },
		{ "one for control, of a machine without a socket", SANDBOX_CONTROL, 0, 0, STATUS_SANDBOX },
		{ "a debugger's, of a machine without one", SANDBOX_GDB, 0, 0, STATUS_SANDBOX },
	};
	const struct sandbox_wants wants = { .listener = -1, .debugger = -1 };
	static void (*run)(void) = allocate;
	pthread_t other;
	int status;

	for (u32 i = 0; i < ARRAY_SIZE(threads); i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			for (u32 j = 0; j < threads[i].before; j++)
				NEED(!pthread_create(&other, NULL, wait_and_run, &run));
			NEED(!sandbox_prepare(&wants));
			NEED(!sandbox_start_thread(&thread, threads[i].kind, wait_and_run, &run));
			for (u32 j = 0; j < threads[i].after; j++)
				NEED(!pthread_create(&other, NULL, wait_and_run, &run));
			_exit(sandbox_enter());
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(threads[i].name, threads[i].want, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	}
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
	{ "unfiltered", test_unfiltered },
};

TEST_MAIN(cases)
