// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three processes: the one that was started stays outside (jail_keeper.c); the first of the new PID namespace does nothing but wait, as signals
 * without a handler mean nothing to a first process, and a launcher stops and dies by such; the second is the launcher.
 *
 * It has to be another process from the start: a virtual machine is of the process that made it. All else is given up late,
 * when all is open: files, sockets, the network's descriptors stay what they were. Helpers (passt) have been started by then, and
 * are in the PID namespace and the cgroup, but see the host's files and network.
 *
 * The root directory is an empty file system that cannot be written, mounted where /proc is, as that is always there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jail.h"
#include "jail_keeper.h"
#include "jail_options.h"
#include "ready.h"
#include "status.h"
#include "util.h"

#define ECHO_MS		100
#define CAPABILITIES	64	/* more than there are */

static const struct jail_options *wanted;
static int keeper = -1;		/* the line to the process outside; -1: no jail */

bool jail_is_on(void)
{
	return keeper >= 0;
}

static int refuse(const char *what)
{
	return status_fail(STATUS_SANDBOX, "--jail: %s: %s", what, strerror(errno));
}

/* The kernel forgets it when the user changes. Return: false if the process outside has ended already. */
static bool end_with_keeper(int line, int signal)
{
	struct pollfd wait = { .fd = line };

	prctl(PR_SET_PDEATHSIG, signal);
	return poll(&wait, 1, 0) != 1;
}

/* Return: NULL, or what cannot be done, with errno. */
static const char *drop_user(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } }, left[_LINUX_CAPABILITY_U32S_3];

	for (unsigned long i = 0; i < CAPABILITIES; i++)
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno != EINVAL)
			return "cannot give up capabilities";
	if (setgroups(0, NULL) || setresgid(wanted->group, wanted->group, wanted->group) || setresuid(wanted->user, wanted->user, wanted->user))
		return "cannot become its user";
	if (syscall(SYS_capset, &head, none) || syscall(SYS_capget, &head, left))
		return "cannot give up capabilities";
	errno = EPERM;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (left[i].effective | left[i].permitted | left[i].inheritable)
			return "capabilities are left";
	return NULL;
}

/*
 * The first process, with whose end all others would be killed. Whoever is left by its parent is its child: helpers of a launcher that has
 * ended, which may have to write something out still. It ends when they have, once the process outside has closed the line or ended. No
 * signal is heeded: whoever stops a service sends SIGTERM to all of its processes, and the launcher has to end in its own way.
 */
static void __attribute__((noreturn)) be_first(int line)
{
	struct pollfd wait = { .fd = STDIN_FILENO };

	if (drop_user() || dup2(line, STDIN_FILENO) < 0)
		_exit(STATUS_SANDBOX);
	close_range(STDIN_FILENO + 1, ~0U, 0);
	/* Those that end while others are there are no zombies. */
	signal(SIGCHLD, SIG_IGN);
	while (poll(&wait, 1, -1) < 0 && errno == EINTR)
		;
	while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
		;
	_exit(0);
}

static int join_cgroup(const char *path)
{
	char file[PATH_MAX];
	struct statfs system;

	if (snprintf(file, sizeof(file), "%s/cgroup.procs", path) >= (int)sizeof(file))
		errno = ENAMETOOLONG;
	else if (!statfs(path, &system) && system.f_type != CGROUP2_SUPER_MAGIC)
		return status_fail(STATUS_SANDBOX, "--jail: cgroup=%s: that is no directory of a cgroup v2 hierarchy (mount -t cgroup2 says where one is)", path);
	else {
		int fd = open(file, O_WRONLY | O_CLOEXEC);
		bool is_in = fd >= 0 && write(fd, "0", 1) == 1;
		int error = errno;

		if (fd >= 0)
			close(fd);
		if (is_in)
			return 0;
		errno = error;
	}
	return status_fail(STATUS_SANDBOX, "--jail: cgroup=%s: %s%s", path, strerror(errno), errno == ENOENT ? " (mkdir makes a cgroup)" :
			   errno == EBUSY ? " (it passes controllers on to others, which have to be processes' only)" : "");
}

/* So early that all that is touched counts in the cgroup, and that /proc tells of helpers by the numbers that they have here. */
static int begin(void)
{
	if (!end_with_keeper(keeper, SIGKILL))
		_exit(STATUS_SANDBOX);
	if (wanted->cgroup && join_cgroup(wanted->cgroup))
		return STATUS_SANDBOX;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return refuse("no mount namespace");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return refuse("no /proc of its own");
	ready_through(keeper);
	return 0;
}

/* Its own group is the terminal's, if that was this one's: so keys and Ctrl-Z come to it, and as it is of the namespace it can tell. */
static void lead_group(bool is_foreground)
{
	setpgid(0, 0);
	if (is_foreground)
		tcsetpgrp(STDIN_FILENO, getpgrp());
}

int jail_start(const struct jail_options *jail, bool is_daemon)
{
	struct keeper outside = { .is_daemon = is_daemon };
	sigset_t all, before;
	pid_t foreground, group = getpgrp();
	int ends[2];

	if (!jail->is_wanted)
		return 0;
	if (geteuid())
		return status_fail(STATUS_SANDBOX, "--jail: needs root, whose right it is to make one (an ordinary user's launcher has no privilege to give up)");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return refuse("no socket pair");
	wanted = jail;
	foreground = isatty(STDIN_FILENO) ? tcgetpgrp(STDIN_FILENO) : -1;
	outside.has_terminal = foreground >= 0;
	/* Those to come are told of the process that is seen from outside. */
	runtime_set_pid(getpid());
	signal(SIGCHLD, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (unshare(CLONE_NEWPID))
		return refuse("no PID namespace");
	outside.init = fork();
	if (!outside.init) {
		close(ends[0]);
		be_first(ends[1]);
	}
	outside.launcher = outside.init > 0 ? fork() : -1;
	if (outside.launcher < 0)
		return refuse("no process");
	if (outside.launcher) {
		close(ends[1]);
		outside.line = ends[0];
		keeper_run(&outside);
	}
	close(ends[0]);
	keeper = ends[1];
	lead_group(foreground == group);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return begin();
}

/* What has names is the process's outside from now on. */
static bool hand_over(void)
{
	static struct jail_papers papers;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} part = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec text = { &papers, sizeof(papers) };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &part };
	int pid_file = runtime_hand_over();

	papers.files = *runtime_files();
	lstat(papers.files.socket, &papers.socket);
	lstat(papers.files.debugger, &papers.debugger);
	if (report_get())
		papers.report = *report_get();
	report_hand_over();
	memcpy(CMSG_DATA(&part.head), &pid_file, sizeof(pid_file));
	message.msg_controllen = pid_file >= 0 ? sizeof(part) : 0;
	return sendmsg(keeper, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(papers);
}

static bool is_inherited_directory(int fd)
{
	struct stat stat;
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC) && !fstat(fd, &stat) && S_ISDIR(stat.st_mode);
}

/* A directory that whoever started it had open leads out of any root directory. Ours are closed by execve(), as those cannot be. */
static bool shut_directories(void)
{
	int null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	DIR *files = opendir("/proc/self/fd");
	bool is_good = null_file >= 0 && files;
	struct dirent *entry;

	while (is_good && (entry = readdir(files))) {
		int fd = atoi(entry->d_name);

		if (*entry->d_name != '.' && is_inherited_directory(fd))
			is_good = dup2(null_file, fd) == fd;
	}
	if (files)
		closedir(files);
	if (null_file >= 0)
		close(null_file);
	return is_good;
}

/* In a mount namespace of its own, as helpers have the one of before. */
static const char *empty_root(void)
{
	if (mount("jail", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555"))
		return "no empty file system";
	if (chdir("/proc") || syscall(SYS_pivot_root, ".", "."))
		return errno == EINVAL ? "the host's root directory is an initramfs, or not a mount of its own" : "cannot change the root directory";
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return "cannot leave the host's root directory";
	return NULL;
}

int jail_enter(void)
{
	const char *wrong = NULL;

	if (!jail_is_on())
		return 0;
	if (!hand_over())
		return refuse("the process outside has gone");
	if (!shut_directories())
		return refuse("cannot close the directories that are open");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC))
		return refuse("no network, IPC and mount namespaces");
	wrong = empty_root();
	if (!wrong)
		wrong = drop_user();
	if (wrong)
		return refuse(wrong);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return refuse("no_new_privs");
	if (!end_with_keeper(keeper, SIGKILL))
		_exit(STATUS_SANDBOX);
	return 0;
}

bool jail_is_echo(int signal)
{
	static struct timespec last;
	static int before;
	struct timespec now;

	if (!jail_is_on())
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);

	int64_t ms = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
	bool is_echo = signal == before && ms < ECHO_MS;

	before = signal;
	last = now;
	return is_echo;
}
