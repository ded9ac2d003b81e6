// SPDX-License-Identifier: GPL-2.0-only
/*
 * passt(1) speaks over a stream socket: each frame has its length before it, 32 bits, the highest
 * byte first, and no header of virtio's: it computes all checksums itself, and cuts nothing up. Many
 * frames are read at once. A frame that the socket takes half of is finished before the next.
 *
 * passt knows only one connection (--fd), and ends when that does, however we end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net_user.h"
#include "status.h"

#define PASST_MTU	65520
#define PASST_FRAME_MAX	65535U	/* for a larger one, newer versions end */
#define SOCKET_BUFFER	(1 << 20)
#define START_MS	3000	/* in which passt says what is wrong with its arguments */
#define START_STEP_MS	5
#define ARGUMENTS	(16 + 2 * NET_FORWARDS_MAX)

extern char **environ;

static struct net_user *to_user(struct net_backend *backend)
{
	return (struct net_user *)((char *)backend - offsetof(struct net_user, backend));
}

/* The next whole frame of what was read. NET_GONE: what was read makes no sense. */
static enum net_result take_frame(struct net_user *user, struct net_packet *packet)
{
	uint32_t there = user->end - user->start, size;

	if (there < NET_USER_LENGTH)
		return NET_AGAIN;
	memcpy(&size, user->input + user->start, NET_USER_LENGTH);
	size = ntohl(size);
	if (size < NET_FRAME_MIN || size > NET_FRAME_MAX)
		return NET_GONE;
	if (there < NET_USER_LENGTH + size)
		return NET_AGAIN;
	packet->header = (struct virtio_net_hdr_v1){ .flags = 0 };
	packet->frame = user->input + user->start + NET_USER_LENGTH;
	packet->size = size;
	user->start += NET_USER_LENGTH + size;
	return NET_DONE;
}

static enum net_result receive(struct net_backend *backend, unsigned int pair, struct net_packet *packet)
{
	struct net_user *user = to_user(backend);
	enum net_result result = take_frame(user, packet);

	(void)pair;
	if (result != NET_AGAIN)
		return result;
	memmove(user->input, user->input + user->start, user->end - user->start);
	user->end -= user->start;
	user->start = 0;
	/* There is room: a frame that is not whole is shorter than the buffer. */
	ssize_t size = read(backend->fds[0], user->input + user->end, NET_USER_INPUT - user->end);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return NET_AGAIN;
	if (size <= 0)
		return NET_GONE;
	user->end += (uint32_t)size;
	return take_frame(user, packet);
}

static enum net_result flush(struct net_backend *backend)
{
	struct net_user *user = to_user(backend);

	while (user->output_at < user->output_end) {
		ssize_t done = write(backend->fds[0], user->output + user->output_at,
				     user->output_end - user->output_at);

		if (done < 0)
			return errno == EAGAIN || errno == EINTR ? NET_AGAIN : NET_GONE;
		user->output_at += (uint32_t)done;
	}
	backend->has_rest = false;
	return NET_DONE;
}

/* Keep what is behind the first @done bytes. */
static void keep_rest(struct net_user *user, const struct iovec *parts, unsigned int count, size_t done)
{
	user->output_at = 0;
	user->output_end = 0;
	for (unsigned int i = 0; i < count; i++) {
		size_t skip = done < parts[i].iov_len ? done : parts[i].iov_len;

		memcpy(user->output + user->output_end, (const uint8_t *)parts[i].iov_base + skip,
		       parts[i].iov_len - skip);
		user->output_end += (uint32_t)(parts[i].iov_len - skip);
		done -= skip;
	}
	user->backend.has_rest = true;
}

static enum net_result send_frame(struct net_backend *backend, unsigned int pair, struct virtio_net_hdr_v1 *header,
				  struct iovec *parts, unsigned int count, uint32_t size)
{
	struct net_user *user = to_user(backend);
	uint32_t length = htonl(size);
	enum net_result result = flush(backend);

	(void)pair;
	(void)header;
	if (result != NET_DONE)
		return result;
	if (size > PASST_FRAME_MAX)
		return NET_DONE;
	parts[0] = (struct iovec){ &length, NET_USER_LENGTH };
	ssize_t done = writev(backend->fds[0], parts, (int)count);

	if (done < 0)
		return errno == EAGAIN || errno == EINTR ? NET_AGAIN : NET_GONE;
	if ((size_t)done < NET_USER_LENGTH + size)
		keep_rest(user, parts, count, (size_t)done);
	return NET_DONE;
}

static const struct net_backend_ops ops = { receive, send_frame, flush, NULL, NULL };

int net_user_attach(struct net_user *user, int fd)
{
	user->backend.ops = &ops;
	user->backend.name = "user";
	user->backend.pairs = 1;
	user->backend.mtu = PASST_MTU;
	user->backend.fds[0] = fd;
	user->is_open = true;
	user->input = malloc(NET_USER_INPUT);
	user->output = malloc(NET_USER_LENGTH + NET_FRAME_MAX);
	if (!user->input || !user->output)
		return status_fail(STATUS_HOST, "out of memory");
	return 0;
}

struct arguments {
	char *words[ARGUMENTS];
	char numbers[2 + NET_FORWARDS_MAX][16];
	unsigned int count;
};

static void add(struct arguments *arguments, const char *word)
{
	arguments->words[arguments->count++] = (char *)(uintptr_t)word;
}

static void set_arguments(struct arguments *arguments, const struct net_options *options, int fd)
{
	static const char *const fixed[] = { "passt", "--foreground", "--quiet", "--stderr", "--fd" };
	char (*number)[16] = arguments->numbers;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add(arguments, fixed[i]);
	snprintf(*number, sizeof(*number), "%d", fd);
	add(arguments, *number++);
	if (options->mtu) {
		snprintf(*number, sizeof(*number), "%u", options->mtu);
		add(arguments, "--mtu");
		add(arguments, *number++);
	}
	for (unsigned int i = 0; i < options->forward_count; i++) {
		const struct net_forward *forward = &options->forwards[i];

		snprintf(*number, sizeof(*number), "%u:%u", forward->host, forward->guest);
		add(arguments, forward->is_udp ? "--udp-ports" : "--tcp-ports");
		add(arguments, *number++);
	}
}

/* Its end of the socket is no standard stream (those are taken), and the one file that it inherits. */
static int spawn(const struct net_options *options, int fd, pid_t *pid)
{
	struct arguments arguments = { .count = 0 };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;

	set_arguments(&arguments, options, fd);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, fd);	/* for it alone, no longer closed by exec */
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	/* A group of its own: Ctrl-C at the terminal is for us, who end it in our own time. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	int error = posix_spawnp(pid, "passt", &actions, &attributes, arguments.words, environ);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* How many filters of system calls a process has; 2 where an older kernel tells only that there is one. */
static unsigned int count_filters(pid_t pid)
{
	unsigned int count = 0;
	char name[32], line[128];

	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	FILE *file = fopen(name, "re");

	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "Seccomp: %u", &count);
		sscanf(line, "Seccomp_filters: %u", &count);
	}
	if (file)
		fclose(file);
	return count;
}

/*
 * passt filters its own system calls when all that can go wrong at its start is behind it. It has
 * what filters we have in any case.
 * Return: false if passt ended, having said why.
 */
static bool has_started(pid_t pid)
{
	const struct timespec nap = { .tv_nsec = START_STEP_MS * 1000000 };
	unsigned int ours = count_filters(getpid());

	for (unsigned int i = 0; i < START_MS / START_STEP_MS && count_filters(pid) <= ours; i++) {
		if (waitpid(pid, NULL, WNOHANG))
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

int net_user_start(const struct net_options *options, int *fd)
{
	int ends[2], size = SOCKET_BUFFER;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return status_fail(STATUS_HOST, "--net user: cannot create a socket pair: %s", strerror(errno));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	/* As much as the host allows. */
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	int error = spawn(options, ends[1], &pid);

	close(ends[1]);
	*fd = ends[0];
	if (!error && has_started(pid))
		return 0;
	close(ends[0]);
	if (error == ENOENT)
		return status_fail(STATUS_NET, "--net user: passt is not installed (apt-get install passt)");
	if (error)
		return status_fail(STATUS_NET, "--net user: cannot start passt: %s", strerror(error));
	return status_fail(STATUS_NET, "--net user: passt ended at once; it says why above");
}

int net_user_open(struct net_user *user, const struct net_options *options)
{
	int fd, ret = net_user_start(options, &fd);

	return ret ? ret : net_user_attach(user, fd);
}

int net_user_renew(struct net_user *user, int fd)
{
	user->start = 0;
	user->end = 0;
	user->output_at = 0;
	user->output_end = 0;
	user->backend.has_rest = false;
	if (fd >= 0)
		return dup3(fd, user->backend.fds[0], O_CLOEXEC) < 0 ? -errno : 0;
	/* Nothing ever comes from there, and the number stays taken. */
	int nothing = eventfd(0, EFD_CLOEXEC), ret;

	if (nothing < 0)
		return -errno;
	ret = dup3(nothing, user->backend.fds[0], O_CLOEXEC) < 0 ? -errno : 0;
	close(nothing);
	return ret;
}

void net_user_close(struct net_user *user)
{
	if (user->is_open)
		close(user->backend.fds[0]);
	free(user->input);
	free(user->output);
	user->input = NULL;
	user->output = NULL;
	user->is_open = false;
}
