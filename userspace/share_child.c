// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtiofsd takes a socket that listens (--fd), serves one connection, and ends with it, however we end. It says
 * something at each end, an ordinary one too, so what it says goes to a pipe; whoever tells of its end looks there. If
 * nobody reads and the pipe is full, the rest is lost: neither end ever waits.
 *
 * It locks itself up in the directory, which only root may. An ordinary user starts it in a user namespace of its own,
 * in which it is root and has no right on the host's files but the user's own. It gives its supplementary groups up, which
 * such a namespace forbids, and ends if it has any and cannot: so it is told that it has none. It keeps them, and
 * what they may do with files, as whatever the user starts does.
 *
 * It has no option for a directory that is only read. It gets a mount namespace in which the directory, with all that
 * is mounted below it, is mounted so.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "share_child.h"
#include "status.h"

#define WORDS_READS	256	/* of 256 bytes: as much as a pipe holds */

/* ---- the child's side, from fork() to exec() ---- */

struct request {
	const char *program;
	const char *directory;	/* without symbolic links */
	bool is_readonly;
	int listener;
	int words;
	char *arguments[8];
};

static void __attribute__((noreturn)) die(const char *what, const char *remedy)
{
	dprintf(STDERR_FILENO, "%s: %s%s\n", what, strerror(errno), remedy);
	_exit(1);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path, "");
	close(fd);
}

/* Root there is the user here, and nobody else is anybody. */
static void enter_user_namespace(void)
{
	unsigned int user = geteuid(), group = getegid();
	char text[32];

	if (unshare(CLONE_NEWUSER))
		die("no user namespace", " (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; or start virtiofsd as "
		    "root, and name its socket: --share socket=PATH,tag=TAG)");
	write_file("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", user);
	write_file("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", group);
	write_file("/proc/self/gid_map", text);
}

static void hide_groups(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(getgroups), 0) : -ENOMEM;

	if (!ret)
		ret = seccomp_load(filter);
	errno = -ret;
	if (ret)
		die("cannot filter system calls", "");
}

static void make_readonly(const char *directory)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(directory, directory, NULL, MS_BIND | MS_REC, NULL) ||
	    mount_setattr(AT_FDCWD, directory, AT_RECURSIVE, &readonly, sizeof(readonly)))
		die("cannot be made read-only", "");
}

static void __attribute__((noreturn)) become(const struct request *request)
{
	int null_file = open("/dev/null", O_RDONLY);
	sigset_t none;

	dup2(request->words, STDOUT_FILENO);
	dup2(request->words, STDERR_FILENO);
	dup2(null_file, STDIN_FILENO);
	/* Nothing of the machine's but this is its own. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) || fcntl(request->listener, F_SETFD, 0))
		die("cannot close files", "");
	/* A group of its own: Ctrl-C at the terminal is for us, whose end is its own. */
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (geteuid()) {
		enter_user_namespace();
		if (getgroups(0, NULL))
			hide_groups();
	}
	if (request->is_readonly)
		make_readonly(request->directory);
	execv(request->program, request->arguments);
	die(request->program, "");
}

/* ---- ours ---- */

/* "source=" and the directory, in which a comma would end the option. */
static char *make_source(const char *directory)
{
	static const char name[] = "source=";
	char *source = malloc(sizeof(name) + 2 * strlen(directory)), *to = source;

	if (!source)
		return NULL;
	to = stpcpy(to, name);
	for (; *directory; directory++) {
		if (*directory == ',' || *directory == '\\')
			*to++ = '\\';
		*to++ = *directory;
	}
	*to = 0;
	return source;
}

/*
 * A socket that listens, and its only connection. The name is one that the kernel chooses, of no file; whoever guesses
 * it before us makes our connection fail, and after us nobody is listened to.
 */
static bool make_sockets(int *ours, int *listener)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);

	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return *listener >= 0 && *ours >= 0 &&
	       !bind(*listener, (struct sockaddr *)&address, sizeof(address.sun_family)) && !listen(*listener, 0) &&
	       !getsockname(*listener, (struct sockaddr *)&address, &size) &&
	       !connect(*ours, (struct sockaddr *)&address, size) && !fcntl(*ours, F_SETFL, 0);
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* No pool of threads: so it answers in order. */
static void set_arguments(struct request *request, const char *socket, const char *source)
{
	const char *const arguments[] = { request->program, socket, "-o", source, "-o", "log_level=err", "--thread-pool-size=0", NULL };

	_Static_assert(sizeof(arguments) == sizeof(request->arguments), "one place for each");
	memcpy(request->arguments, arguments, sizeof(arguments));
}

/* Return: 0 or an errno. */
static int start(struct share_child *child, struct request *request, char *source)
{
	char number[16];
	int pipes[2] = { -1, -1 }, ours = -1, error = 0;
	pid_t pid = -1;

	if (make_sockets(&ours, &request->listener) && !pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		snprintf(number, sizeof(number), "--fd=%d", request->listener);
		set_arguments(request, number, source);
		request->words = pipes[1];
		pid = fork();
		if (!pid)
			become(request);
	}
	error = pid < 0 ? errno : 0;
	close_if(request->listener);
	close_if(pipes[1]);
	if (error) {
		close_if(pipes[0]);
		close_if(ours);
		return error;
	}
	*child = (struct share_child){ ours, pipes[0], pid };
	return 0;
}

/* Is it one that we may read? Return: its path without symbolic links, allocated; NULL with errno. */
static char *find_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	close(fd);
	return realpath(path, NULL);
}

int share_child_start(struct share_child *child, const char *program, const struct share_options *options)
{
	struct request request = { .program = program, .is_readonly = options->is_readonly, .listener = -1 };
	char *directory = find_directory(options->path), *source;

	if (!directory)
		return status_fail(STATUS_SHARE, "--share %s: %s%s", options->path, strerror(errno),
				   strchr(options->path, ',') ? " (words behind it can be tag=TAG and readonly)" : "");
	if (!strcmp(directory, "/")) {
		free(directory);
		return status_fail(STATUS_SHARE, "--share %s: that is the host's root directory, which virtiofsd cannot confine itself to: "
				   "name a directory below it", options->path);
	}
	if (access(program, X_OK)) {
		int error = errno;

		free(directory);
		if (error == ENOENT)
			return status_fail(STATUS_SHARE, "--share %s: virtiofsd is not installed (apt-get install qemu-system-common)",
					   options->path);
		return status_fail(STATUS_SHARE, "--share %s: cannot start %s: %s", options->path, program, strerror(error));
	}
	source = make_source(directory);
	request.directory = directory;
	int error = source ? start(child, &request, source) : ENOMEM;

	free(source);
	free(directory);
	return error ? status_fail(STATUS_SHARE, "--share %s: cannot start virtiofsd: %s", options->path, strerror(error)) : 0;
}

void share_child_words(int words, char *line, size_t size)
{
	char piece[256];
	size_t length = 0;
	bool is_over = true;	/* the line, so that the next byte begins another one */
	ssize_t got;

	for (unsigned int i = 0; i < WORDS_READS && (got = read(words, piece, sizeof(piece))) > 0; i++) {
		for (ssize_t j = 0; j < got; j++) {
			if (piece[j] == '\n' || piece[j] == '\r') {
				is_over = true;
				continue;
			}
			if (is_over)
				length = 0;
			is_over = false;
			if (length + 1 < size)
				line[length++] = piece[j] < ' ' || piece[j] > '~' ? '?' : piece[j];
		}
	}
	line[length] = 0;
}
