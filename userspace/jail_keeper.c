// SPDX-License-Identifier: GPL-2.0-only
/*
 * It has root's rights still, so it listens to the jail as little as it can: whole messages of one size, once, before the guest runs; later a
 * letter, for a service manager. Files are removed that were named by then.
 *
 * The launcher leads a process group of its own. Its terminal is passed to and fro as a shell does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jail_keeper.h"
#include "ready.h"
#include "status.h"
#include "thread.h"
#include "util.h"

#define HELPERS_MS	5000	/* for helpers to end after the launcher */

static struct jail_papers papers;
static bool has_papers;

/* ---- what the launcher says ---- */

static void take_papers(struct jail_papers *got)
{
	/* It may have been cut short. */
	got->files.socket[PATH_MAX - 1] = 0;
	got->files.debugger[PATH_MAX - 1] = 0;
	got->files.pid_file[PATH_MAX - 1] = 0;
	got->report.path[PATH_MAX - 1] = 0;
	got->report.temporary[PATH_MAX - 1] = 0;
	papers = *got;
	has_papers = true;
}

static void tell_manager(const struct keeper *keeper, char letter)
{
	static bool is_told;

	if (letter == 'S' && is_told)
		ready_end();
	if (letter != 'R' || is_told)
		return;
	is_told = true;
	ready_open();
	ready_tell();
	if (keeper->is_daemon && isatty(STDERR_FILENO))
		dup2(STDOUT_FILENO, STDERR_FILENO);
}

/* Return: false if there is no more. A descriptor that comes along is the pid file's, whose lock lasts as long as this process. */
static bool hear(const struct keeper *keeper)
{
	static struct jail_papers got;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} part;
	struct iovec text = { &got, sizeof(got) };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = has_papers ? NULL : &part,
				  .msg_controllen = has_papers ? 0 : sizeof(part) };
	ssize_t size = recvmsg(keeper->line, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (size <= 0)
		return size < 0 && errno == EINTR;
	if (!has_papers && size == sizeof(got))
		take_papers(&got);
	else if (has_papers)
		tell_manager(keeper, got.files.socket[0]);
	return true;
}

/* ---- signals and the terminal ---- */

/* Return: a descriptor of all signals that say something to the launcher, or of its end. */
static int open_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	struct sigaction action;
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&set, faults[i]);
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &action) || action.sa_handler == SIG_IGN)
			sigdelset(&set, i);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The terminal of @from, if it has it, is @to's. Signals are blocked, so nobody is stopped by it. */
static void pass_terminal(const struct keeper *keeper, pid_t from, pid_t to)
{
	if (keeper->has_terminal && tcgetpgrp(STDIN_FILENO) == from)
		tcsetpgrp(STDIN_FILENO, to);
}

/* The launcher has stopped: so does this process, for whoever started it, until that lets it go on. */
static void stop_too(const struct keeper *keeper)
{
	pass_terminal(keeper, keeper->launcher, getpgrp());
	kill(getpid(), SIGSTOP);
	pass_terminal(keeper, getpgrp(), keeper->launcher);
	kill(-keeper->launcher, SIGCONT);
}

/* Return: has the launcher ended, with @status? */
static bool look_at_child(const struct keeper *keeper, int *status)
{
	while (waitpid(keeper->launcher, status, WNOHANG | WUNTRACED) == keeper->launcher) {
		if (!WIFSTOPPED(*status))
			return true;
		stop_too(keeper);
	}
	return false;
}

/* Return: has the launcher ended, with @status? */
static bool take_signals(const struct keeper *keeper, int signals, int *status)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_signo != KICK_SIGNAL)
			kill(keeper->launcher, (int)info.ssi_signo);
	return look_at_child(keeper, status);
}

/* ---- the end ---- */

/* Another one may have the number of the inode that this one had, and not its time, which neither chmod nor chown changes. */
static void remove_socket(const char *path, const struct stat *meant)
{
	struct stat there;

	if (*path && !lstat(path, &there) && there.st_dev == meant->st_dev && there.st_ino == meant->st_ino &&
	    there.st_mtim.tv_sec == meant->st_mtim.tv_sec && there.st_mtim.tv_nsec == meant->st_mtim.tv_nsec)
		unlink(path);
}

/* A line that is whole takes its place. Return: false if it cannot. */
static bool place_report(const struct report *report)
{
	int fd = *report->temporary ? open(report->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char last = 0;

	if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
		last = 0;
	if (fd >= 0)
		close(fd);
	if (last == '\n' && !rename(report->temporary, report->path))
		return true;
	if (last == '\n')
		status_warn("--status-json: the report could not be written: %s", strerror(errno));
	if (*report->temporary)
		unlink(report->temporary);
	return last != '\n';
}

/* The first process of the namespace ends as the last one there. They are not killed: a disk's has to write out what it knows of its image. */
static void wait_for_helpers(const struct keeper *keeper)
{
	const struct timespec step = { .tv_nsec = 1000000 }, until = thread_time_in(HELPERS_MS);

	close(keeper->line);
	while (!thread_is_past(&until)) {
		if (waitpid(keeper->init, NULL, WNOHANG))
			return;
		nanosleep(&step, NULL);
	}
	status_warn("--jail: helpers of the launcher are left; they end when they are done");
}

static void __attribute__((noreturn)) end_as(int status, bool is_fine)
{
	const struct rlimit no_core = { 0, 0 };
	sigset_t none;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status) || is_fine ? WEXITSTATUS(status) : STATUS_HOST);
	if (WTERMSIG(status) == SIGKILL)
		status_warn("--jail: the launcher was killed (SIGKILL); if nobody did, its cgroup's memory.max was reached");
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	kill(getpid(), WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

/* Only the line and standard streams, of which it needs the terminal and where to complain. */
static void shut_files(struct keeper *keeper)
{
	int null_file;

	ready_let_go();
	keeper->line = dup2(keeper->line, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0U, 0);
	null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!keeper->has_terminal)
		dup2(null_file, STDIN_FILENO);
	dup2(null_file, STDOUT_FILENO);
}

void keeper_run(struct keeper *keeper)
{
	int signals, status = 0;
	bool is_fine;

	shut_files(keeper);
	signals = open_signals();

	struct pollfd waits[] = { { .fd = signals, .events = POLLIN }, { .fd = keeper->line, .events = POLLIN } };

	while (!look_at_child(keeper, &status)) {
		if (poll(waits, ARRAY_SIZE(waits), -1) < 0 && errno != EINTR)
			break;
		if (waits[1].revents && !hear(keeper))
			waits[1].fd = -1;
		if (waits[0].revents && take_signals(keeper, signals, &status))
			break;
	}
	while (hear(keeper))
		;
	/* Nobody listens any more, which the next machine of that name may find at once. */
	remove_socket(papers.files.socket, &papers.socket);
	remove_socket(papers.files.debugger, &papers.debugger);
	wait_for_helpers(keeper);
	pass_terminal(keeper, keeper->launcher, getpgrp());
	if (*papers.files.pid_file)
		unlink(papers.files.pid_file);
	is_fine = place_report(&papers.report);
	end_as(status, is_fine);
}
