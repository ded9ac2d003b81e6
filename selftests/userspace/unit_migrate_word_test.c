// SPDX-License-Identifier: GPL-2.0-only
/* Words between the sides of a migration: in pieces, damaged, of other versions; and what is heard last of a process that ends. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/migrate_address.h"
#include "userspace/migrate_word.h"
#include "userspace/state_format.h"

static int ends[2];
static struct migrate_peer peer;

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	migrate_peer_init(&peer, ends[1]);
}

/* As migrate_say() makes one. */
static struct migrate_word make(u32 kind)
{
	struct migrate_word word = { .version = MIGRATE_WORD_VERSION, .kind = kind, .sections = 7, .sum = 8, .is_paused = 1, .text = "abc" };

	memcpy(word.magic, MIGRATE_WORD_MAGIC, sizeof(word.magic));
	word.checksum = state_checksum(&word, offsetof(struct migrate_word, checksum));
	return word;
}

static const struct {
	const char *name;
	size_t offset;
	u32 value;
	bool is_right;		/* its checksum */
	const char *wrong;
} rows[] = {
	{ "another magic", 0, 0x58585858, true, "no word of Keel's" },
	{ "another version", offsetof(struct migrate_word, version), 2, true, "another version of the protocol" },
	{ "a damaged byte", offsetof(struct migrate_word, sum), 9, false, "no word of Keel's" },
	{ "kind 0", offsetof(struct migrate_word, kind), 0, true, "does not know" },
	{ "a later kind", offsetof(struct migrate_word, kind), 6, true, "does not know" },
	{ "the largest", offsetof(struct migrate_word, kind), UINT32_MAX, true, "does not know" },
};

static void test_wrong(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct migrate_word word = make(MIGRATE_WORD_ALL);
		enum migrate_event event = MIGRATE_EVENTS;

		set_up();
		memcpy((u8 *)&word + rows[i].offset, &rows[i].value, 4);
		if (rows[i].is_right)
			word.checksum = state_checksum(&word, offsetof(struct migrate_word, checksum));
		ASSERT_EQ(send(ends[0], &word, sizeof(word), 0), (int)sizeof(word));
		CHECK_EQ("something comes", 1, migrate_hear(&peer, 0, &event));
		CHECK_EQ(rows[i].name, MIGRATE_IS_LOST, event);
		if (!strstr(peer.wrong, rows[i].wrong))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wrong, peer.wrong);
		migrate_peer_close(&peer);
		close(ends[0]);
	}
}

static void test_pieces(void)
{
	static const enum migrate_event wanted[] = {
		MIGRATE_HEARD_READY, MIGRATE_HEARD_ALL, MIGRATE_HEARD_YOURS, MIGRATE_HEARD_MINE, MIGRATE_HEARD_NO,
	};
	enum migrate_event event;

	set_up();
	for (u32 kind = MIGRATE_WORD_READY; kind <= MIGRATE_WORD_NO; kind++) {
		struct migrate_word word = make(kind);
		bool is_early = false;

		for (size_t i = 0; i < sizeof(word); i++) {
			is_early |= migrate_hear(&peer, 0, &event);
			ASSERT_EQ(send(ends[0], (u8 *)&word + i, 1, 0), 1);
		}
		CHECK_EQ("not before it is whole", 0, is_early);
		CHECK_EQ("heard", 1, migrate_hear(&peer, 0, &event));
		CHECK_EQ("as what it is", wanted[kind - 1], event);
		CHECK_EQ("sections", 7, peer.word.sections);
		CHECK_EQ("text", 0, strcmp("abc", peer.word.text));
	}
	CHECK_EQ("nothing more", 0, migrate_hear(&peer, 10, &event));
	/* Two at once are heard one after the other, and a text is made fit to print. */
	struct migrate_word no = make(MIGRATE_WORD_NO), two[2] = { make(MIGRATE_WORD_ALL), make(MIGRATE_WORD_NO) };

	memset(no.text, '\033', sizeof(no.text));
	no.checksum = state_checksum(&no, offsetof(struct migrate_word, checksum));
	two[1] = no;
	ASSERT_EQ(send(ends[0], two, sizeof(two), 0), (int)sizeof(two));
	CHECK_EQ("the first", 1, migrate_hear(&peer, 0, &event) && event == MIGRATE_HEARD_ALL);
	CHECK_EQ("the second", 1, migrate_hear(&peer, 0, &event) && event == MIGRATE_HEARD_NO);
	CHECK_EQ("no more than there is room for", MIGRATE_WORD_TEXT - 1, strlen(peer.word.text));
	CHECK_EQ("printable", '?', peer.word.text[0]);
	/* Cut off in the midst of one. */
	ASSERT_EQ(send(ends[0], two, 100, 0), 100);
	close(ends[0]);
	CHECK_EQ("the end", 1, migrate_hear(&peer, 0, &event) && event == MIGRATE_IS_LOST);
	migrate_peer_close(&peer);
}

/* A process that says something, or nothing, and ends. */
static void test_process(void)
{
	for (unsigned int says = 0; says < 2; says++) {
		struct migrate_word word = { .kind = MIGRATE_WORD_READY };
		enum migrate_event event;
		int go[2];

		set_up();
		ASSERT_EQ(pipe(go), 0);
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			struct migrate_peer self;
			char byte;

			close(ends[1]);
			close(go[1]);
			migrate_peer_init(&self, ends[0]);
			migrate_say(&self, &word, (int)syscall(SYS_pidfd_open, getpid(), 0), 1000);
			if (read(go[0], &byte, 1) == 1 && says) {
				word = (struct migrate_word){ .kind = MIGRATE_WORD_MINE };
				migrate_say(&self, &word, -1, 1000);
			}
			_exit(0);
		}
		close(ends[0]);
		CHECK_EQ("ready", 1, migrate_hear(&peer, 10000, &event) && event == MIGRATE_HEARD_READY);
		CHECK_EQ("its process came along", 1, peer.process >= 0);
		CHECK_EQ("it lives", 0, migrate_hear(&peer, 20, &event));
		ASSERT_EQ(write(go[1], "", 1), 1);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		CHECK_EQ("something is heard", 1, migrate_hear(&peer, 10000, &event));
		CHECK_EQ("what it said, before its death", says ? MIGRATE_HEARD_MINE : MIGRATE_IS_DEAD, event);
		CHECK_EQ("and then", 1, migrate_hear(&peer, 10000, &event) && event == MIGRATE_IS_DEAD);
		migrate_peer_close(&peer);
	}
}

/* Addresses, and a connection by each. */
static void test_addresses(void)
{
	static const struct {
		const char *text;
		bool is_good;
	} addresses[] = {
		{ "unix:/tmp/x", true }, { "unix:x", true }, { "tcp:127.0.0.1:1", true }, { "tcp:[::1]:65535", true }, { "tcp:4444", true },
		{ "unix:", false }, { "tcp:", false }, { "tcp:127.0.0.1:", false }, { "tcp:127.0.0.1:65536", false }, { "tcp:host:1", false },
		{ "unix:tcp:4444", false }, { "unix:./tcp:4444", true }, { "/tmp/x", false }, { "udp:1", false }, { "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct gdb_address address;

		CHECK_EQ(addresses[i].text, addresses[i].is_good, !migrate_address_parse(addresses[i].text, &address));
	}
}

static void check_connection(const char *text)
{
	struct gdb_address address;
	struct migrate_word word = { .kind = MIGRATE_WORD_READY };
	enum migrate_event event = MIGRATE_EVENTS;
	int fd = -1;

	ASSERT(!migrate_address_parse(text, &address), "%s", text);
	CHECK_EQ("nobody is there yet", -1, migrate_connect(&address, 1));
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		migrate_peer_init(&peer, migrate_accept(&address));
		_exit(!(migrate_hear(&peer, 10000, &event) && event == MIGRATE_HEARD_READY));
	}
	for (unsigned int i = 0; fd < 0 && i < TEST_PATIENCE_MS / 10; i++) {
		usleep(10000);
		fd = migrate_connect(&address, 1);
	}
	ASSERT(fd >= 0, "%s: %s", text, strerror(errno));
	migrate_peer_init(&peer, fd);
	CHECK_EQ("said", 1, migrate_say(&peer, &word, -1, 1000));
	int status;

	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(text, 0, status);
	migrate_peer_close(&peer);
}

static void test_connections(void)
{
	char text[64];

	signal(SIGPIPE, SIG_IGN);
	snprintf(text, sizeof(text), "unix:/tmp/keel-move.%d", getpid());
	check_connection(text);
	CHECK_EQ("no file is left", -1, access(text + 5, F_OK));
	snprintf(text, sizeof(text), "tcp:127.0.0.1:%d", 20000 + getpid() % 10000);
	check_connection(text);
}

static const struct test_case cases[] = {
	{ "wrong", test_wrong },
	{ "pieces", test_pieces },
	{ "process", test_process },
	{ "addresses", test_addresses },
	{ "connections", test_connections },
};

TEST_MAIN(cases)
