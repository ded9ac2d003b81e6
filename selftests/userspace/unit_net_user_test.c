// SPDX-License-Identifier: GPL-2.0-only
/*
 * passt's protocol, with the test at the other end: frames cut at every place, lengths of no sense,
 * a socket that is full. And how passt is started, by a stand-in that tells its arguments.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/children.h"
#include "userspace/net_user.h"
#include "userspace/status.h"

static struct net_user user;
static int peer;

static void set_up(void)
{
	int ends[2];

	memset(&user, 0, sizeof(user));
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer = ends[1];
	ASSERT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	ASSERT_EQ(net_user_attach(&user, ends[0]), 0);
}

static void tear_down(void)
{
	net_user_close(&user);
	close(peer);
}

static enum net_result receive(struct net_packet *packet)
{
	return user.backend.ops->receive(&user.backend, 0, packet);
}

/* A length and a frame of bytes that say where they are. */
static u32 put_frame(u8 *to, u32 size, u8 seed)
{
	u32 length = htonl(size);

	memcpy(to, &length, 4);
	for (u32 i = 0; i < size; i++)
		to[4 + i] = (u8)(seed + i * 13 + i / 256);
	return 4 + size;
}

/* A stream of frames, cut at every place of its first bytes, and in pieces of many sizes. */
static void test_cuts(void)
{
	static const u32 sizes[] = { 14, 60, 1514, 15, 65535, NET_FRAME_MAX, 14 };
	static u8 stream[3 * NET_FRAME_MAX];
	u32 size = 0;

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++)
		size += put_frame(stream + size, sizes[i], (u8)i);
	for (u32 cut = 1; cut < 200; cut++) {
		u32 piece = cut < 100 ? cut : cut * 997, at = 0, frames = 0, bytes = 0;

		set_up();
		/* Of small pieces the first thousand bytes, then the rest. */
		while (at < size || frames < ARRAY_SIZE(sizes)) {
			u32 part = size - at < piece || (cut < 100 && at > 1000) ? size - at : piece;
			struct net_packet packet;
			ssize_t done = at < size ? send(peer, stream + at, part, MSG_DONTWAIT) : 0;
			enum net_result result;

			at += done > 0 ? (u32)done : 0;
			while ((result = receive(&packet)) == NET_DONE) {
				ASSERT_LE(frames, ARRAY_SIZE(sizes) - 1);
				ASSERT_EQ(packet.size, sizes[frames]);
				ASSERT_EQ(memcmp(packet.frame, stream + bytes + 4, packet.size), 0);
				ASSERT_EQ(packet.header.flags | packet.header.gso_type, 0);
				bytes += 4 + packet.size;
				frames++;
			}
			ASSERT_EQ(result, NET_AGAIN);
		}
		ASSERT_EQ(frames, ARRAY_SIZE(sizes));
		tear_down();
	}
}

static void test_lengths(void)
{
	static const struct {
		const char *name;
		u32 length;
		enum net_result want;
	} rows[] = {
		{ "nothing", 0, NET_GONE },
		{ "less than a header", 13, NET_GONE },
		{ "one byte too many", NET_FRAME_MAX + 1, NET_GONE },
		{ "the largest number", UINT32_MAX, NET_GONE },
		{ "its bytes the other way round", 0x3c000000, NET_GONE },
		{ "a frame that is still to come", 60, NET_AGAIN },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 length = htonl(rows[i].length);
		struct net_packet packet;

		set_up();
		ASSERT_EQ(write(peer, &length, 4), 4);
		CHECK_EQ(rows[i].name, rows[i].want, receive(&packet));
		tear_down();
	}
	set_up();
	struct net_packet packet;

	CHECK_EQ("open", NET_AGAIN, receive(&packet));
	close(peer);
	CHECK_EQ("closed", NET_GONE, receive(&packet));
	tear_down();
}

/* Newer passts end when a frame is larger than any of theirs: they never get one. */
static void test_too_large(void)
{
	static u8 frame[NET_FRAME_MAX];
	static const struct {
		const char *name;
		u32 size;
		bool want;
	} rows[] = {
		{ "its MTU", 65520 + 14, true },
		{ "the largest", 65535, true },
		{ "larger", 65536, false },
		{ "the largest of all", NET_FRAME_MAX, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_net_hdr_v1 header = { 0 };
		struct iovec parts[2] = { { NULL, 0 }, { frame, rows[i].size } };
		u32 length = 0;

		set_up();
		CHECK_EQ("taken", NET_DONE, user.backend.ops->send(&user.backend, 0, &header, parts, 2, rows[i].size));
		ssize_t got = recv(peer, &length, 4, MSG_DONTWAIT);

		CHECK_EQ(rows[i].name, rows[i].want, got == 4 && ntohl(length) == rows[i].size);
		tear_down();
	}
}

/* A reader who takes his time gets every byte once, in order. */
static void test_full(void)
{
	static u8 frame[4 + NET_FRAME_MAX], got[4 + NET_FRAME_MAX];
	u32 size = 60000, sent = 0, read_frames = 0, have = 0, blocked = 0;
	int buffer = 30000;

	set_up();
	setsockopt(user.backend.fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	while (read_frames < 20) {
		struct virtio_net_hdr_v1 header = { 0 };
		struct iovec parts[3] = { { NULL, 0 }, { frame + 4, 100 }, { frame + 104, size - 100 } };

		put_frame(frame, size, (u8)sent);
		if (user.backend.has_rest)
			user.backend.ops->flush(&user.backend);
		if (sent < 20) {
			enum net_result result = user.backend.ops->send(&user.backend, 0, &header, parts, 3, size);

			ASSERT(result != NET_GONE, "still there");
			sent += result == NET_DONE;
			blocked += result == NET_AGAIN;
		}
		/* Less than a frame at a time. */
		ssize_t part = recv(peer, got + have, 10000 < 4 + size - have ? 10000 : 4 + size - have, MSG_DONTWAIT);

		have += part > 0 ? (u32)part : 0;
		if (have < 4 + size)
			continue;
		put_frame(frame, size, (u8)read_frames);
		ASSERT_EQ(memcmp(frame, got, 4 + size), 0);
		read_frames++;
		have = 0;
	}
	CHECK_EQ("no rest", 0, user.backend.has_rest);
	CHECK_EQ("it had to wait", 1, blocked > 0);
	close(peer);
	struct virtio_net_hdr_v1 header = { 0 };
	struct iovec parts[2] = { { NULL, 0 }, { frame, 60 } };

	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ("nobody there", NET_GONE, user.backend.ops->send(&user.backend, 0, &header, parts, 2, 60));
	tear_down();
}

/* As in a forked process: another peer by the same number, which gets and gives whole frames. */
static void test_renew(void)
{
	static u8 bytes[4 + 1514], got[4 + 1514];
	struct virtio_net_hdr_v1 header = { 0 };
	struct iovec parts[2] = { { NULL, 0 }, { bytes + 4, 60 } };
	struct net_packet packet;
	int ends[2], number;

	set_up();
	number = user.backend.fds[0];
	/* half a frame each way */
	put_frame(bytes, 1514, 1);
	ASSERT_EQ(write(peer, bytes, 1000), 1000);
	CHECK_EQ("half a frame", NET_AGAIN, receive(&packet));
	memcpy(user.output, bytes, 500);
	user.output_end = 500;
	user.backend.has_rest = true;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	CHECK_EQ("another one", 0, net_user_renew(&user, ends[0]));
	close(ends[0]);
	CHECK_EQ("the same number", number, user.backend.fds[0]);
	CHECK_EQ("the first one is left", 0, recv(peer, got, sizeof(got), 0));
	close(peer);
	peer = ends[1];
	put_frame(bytes, 60, 2);
	ASSERT_EQ(write(peer, bytes, 64), 64);
	CHECK_EQ("its frame", NET_DONE, receive(&packet));
	CHECK_EQ("whole", 60, packet.size);
	CHECK_EQ("as it is", 0, memcmp(packet.frame, bytes + 4, 60));
	CHECK_EQ("one for it", NET_DONE, user.backend.ops->send(&user.backend, 0, &header, parts, 2, 60));
	CHECK_EQ("is whole", 64, recv(peer, got, sizeof(got), 0));
	CHECK_EQ("and alone", 0, memcmp(bytes, got, 64));
	CHECK_EQ("nobody", 0, net_user_renew(&user, -1));
	CHECK_EQ("the other one is left", 0, recv(peer, got, sizeof(got), 0));
	CHECK_EQ("the number stays taken", 1, number == user.backend.fds[0] && fcntl(number, F_GETFD) >= 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	CHECK_EQ("and one again", 0, net_user_renew(&user, ends[0]));
	ASSERT_EQ(write(ends[1], bytes, 64), 64);
	CHECK_EQ("its frame", NET_DONE, receive(&packet));
	close(ends[0]);
	close(ends[1]);
	tear_down();
}

static char directory[] = "/tmp/keel-net-user.XXXXXX";

/* Put a "passt" first in the path, or have none there at all. */
static void stand_in(const char *script)
{
	char path[128];

	strcpy(directory, "/tmp/keel-net-user.XXXXXX");
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/passt", directory);
	if (script) {
		int fd = open(path, O_CREAT | O_WRONLY, 0755);

		ASSERT_EQ(write(fd, script, strlen(script)), (int)strlen(script));
		close(fd);
	}
	setenv("PATH", directory, 1);
}

static void remove_stand_in(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/passt", directory);
	unlink(path);
	rmdir(directory);
}

/* It speaks to us over the descriptor that it is given, and says what else it was given. */
static void test_start(void)
{
	static const char script[] = "#!/bin/sh\n"
		"while [ $# -gt 1 ]; do case $1 in --fd) fd=$2 ;; --tcp-ports) t=$2 ;; --udp-ports) u=$2 ;; --mtu) m=$2 ;; esac\n"
		"case $1 in --foreground | --quiet | --stderr) shift ;; *) shift 2 ;; esac; done\n"
		"eval \"exec 4<&$fd 5>&$fd\"\n"
		"printf '\\000\\000\\000\\036%-30s' \"$t $u $m\" >&5\n"
		"read -r line <&4\n";	/* until we close */
	struct net_options options = { .kind = NET_USER, .mtu = 9000, .forward_count = 2,
				       .forwards = { { false, 2222, 22 }, { true, 53, 5353 } } };
	struct net_packet packet;
	enum net_result result;

	stand_in(script);
	memset(&user, 0, sizeof(user));
	ASSERT_EQ(net_user_open(&user, &options), 0);
	do {
		struct pollfd wait = { .fd = user.backend.fds[0], .events = POLLIN };

		ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
		result = receive(&packet);
	} while (result == NET_AGAIN);
	ASSERT_EQ(result, NET_DONE);
	test_note("it got '%.*s'", (int)packet.size, packet.frame);
	CHECK_EQ("its arguments", 0, memcmp(packet.frame, "2222:22 53:5353 9000 ", 21));
	net_user_close(&user);
	remove_stand_in();
}

static void test_no_start(void)
{
	static const struct {
		const char *name, *script, *words;
	} rows[] = {
		{ "not installed", NULL, "apt-get install passt" },
		{ "ends at once", "#!/bin/sh\nexit 1\n", "ended at once" },
	};
	const struct net_options options = { .kind = NET_USER };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		stand_in(rows[i].script);
		memset(&user, 0, sizeof(user));
		CHECK_EQ(rows[i].name, STATUS_NET, net_user_open(&user, &options));
		CHECK_EQ("the line says how", 1, !!strstr(status_last(), rows[i].words));
		net_user_close(&user);
		remove_stand_in();
	}
}

/* In a container all processes have a filter: that passt has one says nothing then. */
static void test_filtered(void)
{
	const struct net_options options = { .kind = NET_USER };
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	int status;

	stand_in("#!/bin/sh\n/bin/sleep 0.3\nexit 1\n");
	pid_t child = fork();

	if (!child) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(255);
		memset(&user, 0, sizeof(user));
		_exit(net_user_open(&user, &options));
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ("its end is seen", STATUS_NET, WEXITSTATUS(status));
	remove_stand_in();
}

/* As the launcher starts it, who waits for no child: that it has ended is seen all the same. */
static void test_let_go(void)
{
	const struct net_options options = { .kind = NET_USER };
	int status;

	stand_in("#!/bin/sh\nexit 1\n");
	pid_t child = fork();

	if (!child) {
		children_let_go();
		memset(&user, 0, sizeof(user));
		_exit(net_user_open(&user, &options));
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ("its end is seen", STATUS_NET, WEXITSTATUS(status));
	remove_stand_in();
}

/* A frame of passt's own. */
static bool next_frame(struct net_packet *packet)
{
	struct pollfd wait = { .fd = user.backend.fds[0], .events = POLLIN };
	enum net_result result;

	while ((result = receive(packet)) == NET_AGAIN)
		if (poll(&wait, 1, TEST_PATIENCE_MS) != 1)
			return false;
	return result == NET_DONE;
}

/* passt itself answers for any address but the guest's, forwards a port, and ends with the connection. */
static void test_passt(void)
{
	static const u8 who_has[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 1, 10, 11, 12, 14, 0, 0, 0, 0, 0, 0, 10, 11, 12, 13,
	};
	struct net_options options = { .kind = NET_USER, .forward_count = 1, .forwards = { { false, 45022, 22 } } };
	struct virtio_net_hdr_v1 header = { 0 };
	struct iovec parts[2] = { { NULL, 0 }, { (void *)(uintptr_t)who_has, sizeof(who_has) } };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(45022), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct net_packet packet;

	REQUIRE(!access("/usr/bin/passt", X_OK), "no passt");
	memset(&user, 0, sizeof(user));
	REQUIRE(!net_user_open(&user, &options), "passt does not start here");
	ASSERT_EQ(user.backend.ops->send(&user.backend, 0, &header, parts, 2, sizeof(who_has)), NET_DONE);
	do
		ASSERT(next_frame(&packet), "an answer");
	while (packet.frame[12] != 8 || packet.frame[13] != 6);
	CHECK_EQ("a reply", 2, packet.frame[21]);
	CHECK_EQ("of the address asked for", 0, memcmp(packet.frame + 28, who_has + 38, 4));
	CHECK_EQ("to us", 0, memcmp(packet.frame, who_has + 6, 6));
	/* A connection to the forwarded port comes as a SYN to port 22. */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	connect(fd, (struct sockaddr *)&address, sizeof(address));
	do
		ASSERT(next_frame(&packet), "a SYN");
	while (packet.frame[12] != 8 || packet.frame[13] || packet.frame[23] != 6);
	CHECK_EQ("to the guest's port", 22, packet.frame[36] << 8 | packet.frame[37]);
	CHECK_EQ("SYN", 2, packet.frame[47] & 0x3f);
	close(fd);
	net_user_close(&user);
	alarm(10);
	CHECK_EQ("it ends", 1, wait(NULL) > 0);
}

/* One that cannot have its port says so, and we end. */
static void test_port_in_use(void)
{
	struct net_options options = { .kind = NET_USER, .forward_count = 1, .forwards = { { false, 45023, 22 } } };
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(45023) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	REQUIRE(!access("/usr/bin/passt", X_OK), "no passt");
	REQUIRE(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 1), "no port");
	memset(&user, 0, sizeof(user));
	CHECK_EQ("refused", STATUS_NET, net_user_open(&user, &options));
	net_user_close(&user);
	close(fd);
}

static const struct test_case cases[] = {
	{ "cuts", test_cuts },
	{ "lengths", test_lengths },
	{ "too_large", test_too_large },
	{ "full", test_full },
	{ "renew", test_renew },
	{ "start", test_start },
	{ "no_start", test_no_start },
	{ "filtered", test_filtered },
	{ "let_go", test_let_go },
	{ "passt", test_passt },
	{ "port_in_use", test_port_in_use },
};

TEST_MAIN(cases)
