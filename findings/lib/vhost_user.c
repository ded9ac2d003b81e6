/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost_user HOW PROGRAM [ARGUMENT...]: starts a vhost-user back-end of virtio-fs and is its front-end, as QEMU would be, and its guest.
 * The back-end gets a listening socket, to which the connection is already made, as its last argument, --fd=NUMBER, and its words go
 * to our standard error. HOW says when we hang up:
 *
 *   asked    it has said what it can, as where no driver comes
 *   used     the rings were started, the second has taken FUSE's first request and its last one, and they are stopped
 *   half     the same, and the connection is shut down in our direction first
 *
 * Prints started=, whether it said what it can; served=, whether FUSE's requests were without an error; and status=, with what it ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/fuse.h>
#include <linux/vhost_types.h>
#include <linux/virtio_ring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(call) ((void)((call) >= 0 || (perror("broken: " #call), exit(2), 0)))

/* the requests used, of QEMU's docs/interop/vhost-user.rst */
enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
	GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, SET_VRING_ENABLE = 18,
};

#define WANTED		(1ULL << 30 | 1ULL << 32)	/* VHOST_USER_F_PROTOCOL_FEATURES, VIRTIO_F_VERSION_1 */
#define RINGS		2
#define RING_SIZE	16
#define REQUEST		0x4000				/* in the guest's memory, of which the rings have a page each */
#define ANSWER		0x5000
#define MEMORY_SIZE	0x10000

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct vhost_vring_state state;
		struct vhost_vring_addr address;
		struct { uint32_t count, padding; uint64_t guest, size, user, offset; } memory;
	};
} __attribute__((packed));

static int peer, kick[RINGS], call[RINGS];
static pid_t server;
static uint8_t *memory;
static uint16_t asked;

static void tell(uint32_t request, struct message message, uint32_t size, int fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; } control = {
		.head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec part = { &message, 12 + size };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };

	message.request = request;
	message.flags = 1;
	message.size = size;
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		head.msg_control = &control;
		head.msg_controllen = sizeof(control);
	}
	/* Whoever is gone already gives no answer either, which is what counts. */
	TRY(sendmsg(peer, &head, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET ? -1 : 0);
}

/* Return: whether there was an answer, which is then in @message. */
static int heard(struct message *message, uint32_t size)
{
	return recv(peer, message, 12 + size, MSG_WAITALL) == 12 + size && message->size == size;
}

static void server_start(char **arguments)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), count = 0;
	struct timeval limit = { .tv_sec = 20 };
	char *all[32], number[32];

	TRY(bind(listener, (struct sockaddr *)&address, sizeof(address.sun_family)));	/* to a name that the kernel chooses */
	TRY(listen(listener, 1));
	TRY(getsockname(listener, (struct sockaddr *)&address, &size));
	TRY(peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	TRY(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	TRY(connect(peer, (struct sockaddr *)&address, size));
	snprintf(number, sizeof(number), "--fd=%d", listener);
	for (; arguments[count] && count < 30; count++)
		all[count] = arguments[count];
	all[count++] = number;
	all[count] = NULL;
	TRY(server = fork());
	if (!server) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(all[0], all);
		perror(all[0]);
		_exit(127);
	}
	close(listener);
}

static void ring_start(uint32_t ring)
{
	uint64_t at = (uintptr_t)memory + ring * 0x1000;

	TRY(kick[ring] = eventfd(0, EFD_CLOEXEC));
	TRY(call[ring] = eventfd(0, EFD_CLOEXEC));
	tell(SET_VRING_NUM, (struct message){ .state = { ring, RING_SIZE } }, sizeof(struct vhost_vring_state), -1);
	tell(SET_VRING_BASE, (struct message){ .state = { ring, 0 } }, sizeof(struct vhost_vring_state), -1);
	tell(SET_VRING_ADDR, (struct message){ .address = { .index = ring, .desc_user_addr = at, .avail_user_addr = at + 0x400,
	     .used_user_addr = at + 0x800 } }, sizeof(struct vhost_vring_addr), -1);
	tell(SET_VRING_KICK, (struct message){ .number = ring }, 8, kick[ring]);
	tell(SET_VRING_CALL, (struct message){ .number = ring }, 8, call[ring]);
	tell(SET_VRING_ENABLE, (struct message){ .state = { ring, 1 } }, sizeof(struct vhost_vring_state), -1);
}

static int can_serve(void)
{
	struct message message = { 0 };

	tell(GET_FEATURES, message, 0, -1);
	return heard(&message, 8) && (message.number & WANTED) == WANTED;
}

static void device_start(void)
{
	int file;

	TRY(file = memfd_create("guest", MFD_CLOEXEC));
	TRY(ftruncate(file, MEMORY_SIZE));
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	TRY(memory == MAP_FAILED ? -1 : 0);
	tell(SET_OWNER, (struct message){ 0 }, 0, -1);
	tell(SET_FEATURES, (struct message){ .number = WANTED }, 8, -1);
	tell(SET_MEM_TABLE, (struct message){ .memory = { 1, 0, 0, MEMORY_SIZE, (uintptr_t)memory, 0 } }, 40, file);
	for (uint32_t ring = 0; ring < RINGS; ring++)
		ring_start(ring);
}

/* A request of FUSE to the second ring. Return: the error of the answer, which is at ANSWER. */
static int ask(uint32_t opcode, uint64_t node, const void *argument, uint32_t size, uint32_t answer)
{
	struct vring_desc *descriptors = (void *)(memory + 0x1000);
	struct vring_avail *available = (void *)(memory + 0x1400);
	struct vring_used *used = (void *)(memory + 0x1800);
	struct fuse_in_header *in = (void *)(memory + REQUEST);
	struct fuse_out_header *out = (void *)(memory + ANSWER);

	*in = (struct fuse_in_header){ .len = sizeof(*in) + size, .opcode = opcode, .unique = ++asked, .nodeid = node };
	if (size)
		memcpy(in + 1, argument, size);
	memset(out, 0, 0x1000);
	descriptors[0] = (struct vring_desc){ REQUEST, in->len, VRING_DESC_F_NEXT, 1 };
	descriptors[1] = (struct vring_desc){ ANSWER, sizeof(*out) + answer, VRING_DESC_F_WRITE, 0 };
	__atomic_store_n(&available->idx, asked, __ATOMIC_RELEASE);
	TRY(eventfd_write(kick[1], 1));
	for (int i = 0; i < 20000 && __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != asked; i++)
		usleep(1000);
	if (used->idx != asked || out->unique != asked) {
		fprintf(stderr, "broken: no answer to FUSE's request %u\n", opcode);
		exit(2);
	}
	return out->error;
}

/* As a device's rings are stopped when its driver is gone. */
static void device_stop(void)
{
	for (uint32_t ring = 0; ring < RINGS; ring++) {
		struct message message = { .state = { ring, 0 } };

		tell(GET_VRING_BASE, message, sizeof(message.state), -1);
		TRY(heard(&message, sizeof(message.state)) ? 0 : -1);
	}
}

/* Hang up. Return: with what it ended then. */
static int server_end(int by_itself)
{
	int status;

	if (!by_itself)
		close(peer);
	TRY(waitpid(server, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int serves_files(void)
{
	struct fuse_init_in version = { .major = FUSE_KERNEL_VERSION, .minor = 31 };

	return !ask(FUSE_INIT, 0, &version, sizeof(version), sizeof(struct fuse_init_out)) && !ask(FUSE_DESTROY, 0, NULL, 0, 0);
}

int main(int argc, char **argv)
{
	int started, served = 0;

	if (argc < 3)
		return 2;
	server_start(argv + 2);
	started = can_serve();
	if (started && strcmp(argv[1], "asked")) {
		device_start();
		served = serves_files();
		device_stop();
	}
	if (!strcmp(argv[1], "half"))
		TRY(shutdown(peer, SHUT_WR));
	printf("started=%d\nserved=%d\nstatus=%d\n", started, served, server_end(!strcmp(argv[1], "half")));
	return 0;
}
