// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's NBD client with a server that tells the truth, lies, stalls, or has bytes changed on their way: what is
 * understood, what is refused in which words, and that every wait has an end.
 */
#include <endian.h>
#include <unistd.h>

#include "fake_vm.h"
#include "nbd_peer.h"
#include "userspace/nbd.h"
#include "userspace/thread.h"

#define SHORT_MS	400

static struct nbd_peer peer;
static struct nbd nbd;
static char why[256];

static bool connect_to(const struct nbd_peer *like, const char *export)
{
	peer = *like;
	memset(&nbd, 0, sizeof(nbd));
	*why = 0;
	/* Others have as long as a loaded host takes. */
	nbd.answer_ms = like->mutation ? 1 : like->lie == NBD_SILENT ? SHORT_MS : 0;
	bool is_agreed = nbd_agree(&nbd, nbd_peer_start(&peer), export, why, sizeof(why));

	if (like->lie == NBD_ANSWER_NEVER || like->lie == NBD_ANSWER_SLOWLY || like->lie == NBD_READS_NOTHING || like->lie == NBD_FLUSHES_LATE)
		nbd.answer_ms = SHORT_MS;
	return is_agreed;
}

static void leave(void)
{
	nbd_close(&nbd, false);
	nbd_peer_stop(&peer);
}

static void test_agree(void)
{
	static const struct {
		const char *name;
		enum nbd_lie lie;
		const char *want;	/* NULL: it can be had */
	} rows[] = {
		{ "the truth", NBD_TRUE, NULL },
		{ "more than was asked", NBD_MORE_INFO, NULL },
		{ "silence", NBD_SILENT, "takes too long" },
		{ "no word, and the end", NBD_CLOSES_FIRST, "has closed the connection" },
		{ "another program", NBD_OTHER_PROGRAM, "does not speak NBD" },
		{ "the old style", NBD_OLD_STYLE, "of before 2012" },
		{ "no options", NBD_NO_OPTIONS, "fixed newstyle" },
		{ "not fixed", NBD_NOT_FIXED, "fixed newstyle" },
		{ "a greeting that is cut off", NBD_CUT_GREETING, "has closed the connection" },
		{ "an answer to another option", NBD_OTHER_OPTION, "to something else" },
		{ "an answer with another magic", NBD_OTHER_MAGIC, "to something else" },
		{ "an answer of 4 GB", NBD_LONG_ANSWER, "too long" },
		{ "no export", NBD_NO_EXPORT, "does not say what its export is" },
		{ "an information of 1 byte", NBD_SHORT_INFO, "too short" },
		{ "an export that is cut off", NBD_SHORT_EXPORT, "makes no sense" },
		{ "an export with more behind it", NBD_LONG_EXPORT, "makes no sense" },
		{ "an export of 2^63 bytes", NBD_HUGE_EXPORT, "makes no sense" },
		{ "no flags", NBD_NO_FLAGS, "makes no sense" },
		{ "sizes of blocks that are cut off", NBD_SHORT_BLOCKS, "make no sense" },
		{ "blocks of 768 bytes", NBD_ODD_BLOCKS, "make no sense" },
		{ "blocks of 8192 bytes", NBD_LARGE_BLOCKS, "larger than 4096 bytes" },
		{ "requests of 256 bytes", NBD_NO_BLOCKS, "as long as a sector" },
		{ "information without end", NBD_ENDLESS_INFO, "has no end" },
		{ "an end with data", NBD_ACK_WITH_DATA, "does not say" },
		{ "no such export", NBD_UNKNOWN_EXPORT, "no such export: no ?[2Jsuch thing" },
		{ "TLS", NBD_WANTS_TLS, "wants TLS" },
		{ "no NBD_OPT_GO", NBD_NO_GO, "does not know NBD_OPT_GO" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_agreed = connect_to(&(struct nbd_peer){ .lie = rows[i].lie }, "a disk");

		CHECK_EQ(rows[i].name, !rows[i].want, is_agreed);
		if (rows[i].want && !strstr(why, rows[i].want)) {
			test_note("%s: wanted '%s', got '%s'", rows[i].name, rows[i].want, why);
			CHECK_EQ("the words", 1, 0);
		}
		leave();
	}
}

static void test_blocks(void)
{
	static const struct {
		const char *name;
		struct nbd_peer like;
		u64 size;
		u32 block, most, hidden;
	} rows[] = {
		{ "not told", { .has_no_blocks = true }, NBD_PEER_DISK, 512, NBD_REQUEST_MAX },
		{ "bytes", { .least = 1 }, NBD_PEER_DISK, 512, NBD_REQUEST_MAX },
		{ "bytes, and a disk of no whole sectors", { .least = 1, .size = 10000 }, 9728, 512, NBD_REQUEST_MAX, 272 },
		{ "4096", { .least = 4096 }, NBD_PEER_DISK, 4096, NBD_REQUEST_MAX },
		{ "4096, and a disk of no whole blocks", { .least = 4096, .size = 10000 }, 8192, 4096, NBD_REQUEST_MAX, 1808 },
		{ "no limit", { .most = ~0u }, NBD_PEER_DISK, 512, NBD_REQUEST_MAX },
		{ "an odd limit", { .most = 66000 }, NBD_PEER_DISK, 512, 65536 + 0 },
		{ "a sector", { .most = 512 }, NBD_PEER_DISK, 512, 512 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(connect_to(&rows[i].like, ""), 1);
		CHECK_EQ(rows[i].name, rows[i].size, nbd.size);
		CHECK_EQ(rows[i].name, rows[i].block, nbd.block);
		CHECK_EQ(rows[i].name, rows[i].most, nbd.most);
		CHECK_EQ(rows[i].name, rows[i].hidden, nbd.hidden);
		leave();
	}
}

static u8 data[NBD_PEER_DISK];

static void fill(u64 seed)
{
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7 + i / 512 + seed);
}

/* Parts of all kinds, longer than one request may be. */
static void test_transfer(void)
{
	static const struct {
		const char *name;
		size_t lens[4];
		u64 at;
		u32 most, requests;
	} rows[] = {
		{ "a sector", { 512 }, 512, 0, 1 },
		{ "parts of bytes", { 1, 510, 0, 1 }, 0, 0, 1 },
		{ "several requests", { 100, 3000, 996, 0 }, 4096, 1024, 4 },
		{ "one more than fits", { 1024, 512 }, 0, 1024, 2 },
		{ "longer than any request", { 3 << 20, 512, 512 }, 0, 0, 4 },
		{ "the last sector", { 512 }, NBD_PEER_DISK - 512, 0, 1 },
		{ "nothing", { 0 }, 0, 0, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec parts[4];
		u64 moved = 0, length = 0;

		ASSERT_EQ(connect_to(&(struct nbd_peer){ .most = rows[i].most }, ""), 1);
		fill(i);
		for (u32 j = 0; j < 4; j++) {
			parts[j] = (struct iovec){ data + length, rows[i].lens[j] };
			length += rows[i].lens[j];
		}
		CHECK_EQ(rows[i].name, 1, !nbd_write(&nbd, parts, 4, rows[i].at, false));
		CHECK_EQ("as it was sent", 0, memcmp(peer.disk + rows[i].at, data, length));
		CHECK_EQ("requests", rows[i].requests, peer.counts[1]);
		memset(data, 0, sizeof(data));
		CHECK_EQ(rows[i].name, 1, !nbd_read(&nbd, parts, 4, rows[i].at, &moved));
		CHECK_EQ("bytes", length, moved);
		CHECK_EQ("as it is there", 0, memcmp(peer.disk + rows[i].at, data, length));
		CHECK_EQ("none behind it", 0, data[length % sizeof(data)]);
		CHECK_EQ("a request's limit", 1, peer.longest <= nbd.most);
		leave();
		CHECK_EQ("leave was taken", 1, peer.has_left);
	}
}

/* What is not sent at all. */
static void test_range(void)
{
	static const struct {
		const char *name;
		u64 at;
		size_t length;
		u32 least;
		bool want;
	} rows[] = {
		{ "the last sector", NBD_PEER_DISK - 512, 512, 1, true },
		{ "behind it", NBD_PEER_DISK, 512, 1, false },
		{ "across the end", NBD_PEER_DISK - 512, 1024, 1, false },
		{ "a sum that wraps", ~0ULL - 511, 1024, 1, false },
		{ "no whole sector", 0, 100, 1, false },
		{ "not on a sector", 100, 512, 1, false },
		{ "a block", 4096, 4096, 4096, true },
		{ "behind the last block", NBD_PEER_DISK, 512, 4096, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec part = { data, rows[i].length };
		u64 moved = 0;

		ASSERT_EQ(connect_to(&(struct nbd_peer){ .least = rows[i].least }, ""), 1);
		CHECK_EQ(rows[i].name, rows[i].want, !nbd_read(&nbd, &part, 1, rows[i].at, &moved));
		CHECK_EQ(rows[i].name, rows[i].want, !nbd_write(&nbd, &part, 1, rows[i].at, false));
		CHECK_EQ(rows[i].name, rows[i].want, !nbd_trim(&nbd, rows[i].at, rows[i].length));
		CHECK_EQ(rows[i].name, rows[i].want, !nbd_write_zeroes(&nbd, rows[i].at, rows[i].length, true, false));
		CHECK_EQ("the connection is there", 0, nbd.is_lost);
		leave();
		CHECK_EQ("requests", rows[i].want, peer.counts[0]);
	}
}

/* By VIRTIO a server's blocks are advice to the guest: what it asks for is sectors. */
static void test_small(void)
{
	static const struct {
		const char *name;
		u64 at, length;
		u32 reads, writes, trims, zeroes;
	} rows[] = {
		{ "a block", 4096, 4096, 0, 1, 1, 1 },
		{ "the first sector of one", 0, 512, 1, 1, 0, 0 },
		{ "the last one", NBD_PEER_DISK - 512, 512, 1, 1, 0, 0 },
		{ "one of each of two", 3584, 1024, 2, 2, 0, 0 },
		{ "within a block", 4096 + 512, 2048, 1, 1, 0, 0 },
		{ "from within a block on", 512, 3584 + 8192, 1, 2, 1, 1 },
		{ "to within a block", 4096, 8192 + 512, 1, 2, 1, 1 },
		{ "with blocks between", 3584, 512 + 3 * 4096 + 1024, 2, 4, 1, 1 },
	};
	static u8 model[NBD_PEER_DISK];

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 at = rows[i].at, length = rows[i].length, moved = 0;
		struct iovec parts[3] = { { data, 100 }, { data + 100, 300 }, { data + 400, length - 400 } };

		ASSERT_EQ(connect_to(&(struct nbd_peer){ .least = 4096, .most = 8192 }, ""), 1);
		for (u32 j = 0; j < NBD_PEER_DISK; j++)
			peer.disk[j] = model[j] = (u8)(j % 251);
		fill(i);
		memcpy(model + at, data, length);
		CHECK_EQ(rows[i].name, 1, !nbd_write(&nbd, parts, 3, at, true));
		CHECK_EQ("it is there, and nothing else", 0, memcmp(model, peer.disk, NBD_PEER_DISK));
		CHECK_EQ("reads", rows[i].reads, peer.counts[0]);
		CHECK_EQ("writes", rows[i].writes, peer.counts[1]);
		CHECK_EQ("that go through", rows[i].writes, peer.fua);
		memset(data, 0, sizeof(data));
		CHECK_EQ("a read", 1, !nbd_read(&nbd, parts, 3, at, &moved));
		CHECK_EQ("bytes", length, moved);
		CHECK_EQ("as it is there", 0, memcmp(model + at, data, length));
		CHECK_EQ("none behind it", 0, data[length]);
		CHECK_EQ("a trim", 1, !nbd_trim(&nbd, at, length));
		CHECK_EQ("trims", rows[i].trims, !!peer.counts[4]);
		memset(model + at, 0, length);
		CHECK_EQ("zeroes", 1, !nbd_write_zeroes(&nbd, at, length, true, false));
		CHECK_EQ("zeroes are there, and nowhere else", 0, memcmp(model, peer.disk, NBD_PEER_DISK));
		CHECK_EQ("zeroed at once", rows[i].zeroes, !!peer.counts[6]);
		CHECK_EQ("not of whole blocks", 0, peer.odd);
		leave();
	}
}

/* One of many pieces: not all of them are waited for. */
static void test_stopping(void)
{
	struct iovec part = { data, 64 * 512 };
	u64 moved = 0;
	struct vm vm;

	fake_vm_init(&vm, 0);
	vm_stop(&vm, STATUS_QUIT, "the end");
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .most = 512 }, ""), 1);
	nbd.vm = &vm;
	CHECK_EQ("a read", 0, !nbd_read(&nbd, &part, 1, 0, &moved));
	CHECK_EQ("a write", 0, !nbd_write(&nbd, &part, 1, 0, false));
	CHECK_EQ("a trim", 0, !nbd_trim(&nbd, 0, 64 * 512));
	CHECK_EQ("zeroes", 0, !nbd_write_zeroes(&nbd, 0, 64 * 512, true, false));
	CHECK_EQ("what was under way", 1, peer.counts[0] <= 1 && peer.counts[1] <= 1 && peer.counts[4] <= 1 && peer.counts[6] <= 1);
	leave();
}

/* What each request becomes, by what the server can. */
static void test_flags(void)
{
	static const struct {
		const char *name;
		u16 flags;
		u32 writes, flushes, fua, trims, zeroes, no_hole;
	} rows[] = {
		{ "all", NBD_PEER_ALL, 2, 1, 2, 1, 2, 1 },
		{ "no FUA", NBD_PEER_ALL & ~NBD_CAN_FUA, 2, 3, 0, 1, 2, 1 },
		{ "no flush", NBD_PEER_ALL & ~NBD_CAN_FLUSH, 2, 0, 2, 1, 2, 1 },
		{ "neither", NBD_PEER_ALL & ~(NBD_CAN_FLUSH | NBD_CAN_FUA), 2, 0, 0, 1, 2, 1 },
		{ "no trim", NBD_PEER_ALL & ~NBD_CAN_TRIM, 2, 1, 2, 0, 2, 1 },
		{ "no zeroes", NBD_PEER_ALL & ~NBD_CAN_WRITE_ZEROES, 2, 1, 1, 1, 0, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec part = { data, 512 };
		bool can_trim = rows[i].flags & NBD_CAN_TRIM, can_zero = rows[i].flags & NBD_CAN_WRITE_ZEROES;

		ASSERT_EQ(connect_to(&(struct nbd_peer){ .flags = rows[i].flags }, ""), 1);
		CHECK_EQ("a write", 1, !nbd_write(&nbd, &part, 1, 0, false));
		CHECK_EQ("one that goes through", 1, !nbd_write(&nbd, &part, 1, 0, true));
		CHECK_EQ("a flush", 1, !nbd_flush(&nbd));
		CHECK_EQ("a trim", can_trim, !nbd_trim(&nbd, 0, 512));
		CHECK_EQ("zeroes", can_zero, !nbd_write_zeroes(&nbd, 0, 512, true, false));
		CHECK_EQ("zeroes that go through, without a hole", can_zero, !nbd_write_zeroes(&nbd, 0, 512, false, true));
		leave();
		CHECK_EQ(rows[i].name, rows[i].writes, peer.counts[1]);
		CHECK_EQ(rows[i].name, rows[i].flushes, peer.counts[3]);
		CHECK_EQ(rows[i].name, rows[i].fua, peer.fua);
		CHECK_EQ(rows[i].name, rows[i].trims, peer.counts[4]);
		CHECK_EQ(rows[i].name, rows[i].zeroes, peer.counts[6]);
		CHECK_EQ(rows[i].name, rows[i].no_hole, peer.no_hole);
	}
}

static void test_lies(void)
{
	static const struct {
		const char *name;
		enum nbd_lie lie;
		const char *read, *write;	/* NULL: it works */
		bool is_lost;
	} rows[] = {
		{ "another magic", NBD_ANSWER_MAGIC, "makes no sense", "lost", true },
		{ "another handle", NBD_ANSWER_HANDLE, "to something else", "lost", true },
		{ "a structured answer", NBD_ANSWER_STRUCTURED, "makes no sense", "lost", true },
		{ "half an answer", NBD_ANSWER_CUT, "has closed", "lost", true },
		{ "half of the data", NBD_ANSWER_HALF, "has closed", "lost", true },
		{ "no answer", NBD_ANSWER_NEVER, "too long", "lost", true },
		{ "bytes, now and then", NBD_ANSWER_SLOWLY, "too long", "lost", true },
		{ "an error", NBD_ANSWER_ERROR, "Input/output error", "Input/output error", false },
		{ "no room", NBD_ANSWER_NO_ROOM, "No space left", "No space left", false },
		{ "an error that is none", NBD_ANSWER_ODD_ERROR, "Unknown error", "Unknown error", false },
		{ "an error with data", NBD_ANSWER_ERROR_AND_DATA, "makes no sense", "lost", true },
		{ "two answers", NBD_ANSWER_TWICE, NULL, "to something else", true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec part = { data, 4096 };
		u64 moved = 0, before = thread_now();
		const char *wrong;

		ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = rows[i].lie }, ""), 1);
		wrong = nbd_read(&nbd, &part, 1, 0, &moved);
		/* The second answer is taken for data: a server can make up what is on its disk anyhow. */
		if (rows[i].read && (!wrong || !strstr(wrong, rows[i].read))) {
			test_note("%s: wanted '%s', got '%s'", rows[i].name, rows[i].read, wrong ? wrong : "nothing");
			CHECK_EQ("the words of a read", 1, 0);
		}
		CHECK_EQ("bytes", rows[i].read ? 0 : 4096, moved);
		wrong = nbd_write(&nbd, &part, 1, 0, false);
		if (rows[i].lie == NBD_ANSWER_TWICE)
			CHECK_EQ("an answer out of turn", 1, !!wrong);
		else if (!wrong || !strstr(wrong, rows[i].write)) {
			test_note("%s: wanted '%s', got '%s'", rows[i].name, rows[i].write, wrong ? wrong : "nothing");
			CHECK_EQ("the words of a write", 1, 0);
		}
		CHECK_EQ("the connection is lost", rows[i].is_lost, nbd.is_lost);
		CHECK_EQ("it had an end before the client's own limit", 1, thread_now() - before < NBD_ANSWER_MS * 1000000ULL);
		leave();
	}
}

/* A server that takes nothing, with more to send than a socket holds; and a machine that ends meanwhile. */
static void test_waits(void)
{
	struct iovec part = { data, sizeof(data) };
	u64 moved = 0, before;
	struct vm vm;

	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_READS_NOTHING }, ""), 1);
	before = thread_now();
	CHECK_EQ("nobody takes it", 0, !nbd_write(&nbd, &part, 1, 0, false));
	CHECK_EQ("it had an end", 1, thread_now() - before < NBD_ANSWER_MS * 1000000ULL);
	leave();

	fake_vm_init(&vm, 0);
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_ANSWER_NEVER }, ""), 1);
	nbd.vm = &vm;
	nbd.answer_ms = 30000;
	vm_stop(&vm, STATUS_QUIT, "the end");
	before = thread_now();
	part.iov_len = 512;
	CHECK_EQ("the machine ends", 0, !nbd_read(&nbd, &part, 1, 0, &moved));
	CHECK_EQ("it had an end", 1, thread_now() - before < 20000000000ULL);
	leave();
}

/* What the server's host has in memory may be a lot, and its disk slow. */
static void test_flush(void)
{
	struct iovec part = { data, 512 };
	u64 before;

	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_FLUSHES_LATE }, ""), 1);
	CHECK_EQ("a flush takes longer than other requests may", 1, !nbd_flush(&nbd));
	CHECK_EQ("the connection is there", 1, !nbd_write(&nbd, &part, 1, 0, false));
	CHECK_EQ("not in the end", 0, !nbd_close(&nbd, true));
	nbd_peer_stop(&peer);

	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_ANSWER_NEVER }, ""), 1);
	nbd.flush_ms = SHORT_MS;
	nbd.answer_ms = 4 * NBD_ANSWER_MS;
	before = thread_now();
	CHECK_EQ("one that does not come back", 0, !nbd_flush(&nbd));
	CHECK_EQ("it had an end", 1, thread_now() - before < NBD_ANSWER_MS * 1000000ULL);
	leave();
}

static void test_close(void)
{
	static const struct {
		const char *name;
		enum nbd_lie lie;
		u16 flags;
		bool is_good, has_left;
		u32 flushes;
	} rows[] = {
		{ "in order", NBD_TRUE, NBD_PEER_ALL, true, true, 1 },
		{ "no flush", NBD_TRUE, NBD_PEER_ALL & ~NBD_CAN_FLUSH, true, true, 0 },
		{ "an error", NBD_ANSWER_ERROR, NBD_PEER_ALL, false, true, 1 },
		{ "no answer", NBD_ANSWER_NEVER, NBD_PEER_ALL, false, false, 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = rows[i].lie, .flags = rows[i].flags }, ""), 1);
		CHECK_EQ(rows[i].name, rows[i].is_good, !nbd_close(&nbd, true));
		CHECK_EQ("again", 1, !nbd_close(&nbd, true));
		nbd_peer_stop(&peer);
		CHECK_EQ("flushes", rows[i].flushes, peer.counts[3]);
		CHECK_EQ("leave was taken", rows[i].has_left, peer.has_left);
	}
}

static void test_export(void)
{
	static const char *const names[] = { "", "disk", "a b/c?d" };

	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_TRUE }, names[i]), 1);
		CHECK_EQ(names[i], 0, strcmp(names[i], peer.export));
		leave();
	}
}

/* Bits of what the server says are changed: whatever it is taken for, it has an end, and nothing outside is touched. */
static void test_mutations(void)
{
	u32 agreed = 0, lost = 0;

	for (u64 seed = 1; seed <= 400; seed++) {
		struct iovec parts[2] = { { data, 1536 }, { data + 1536, 512 } };
		u64 moved = 0;

		if (connect_to(&(struct nbd_peer){ .mutation = seed * 0x9e3779b97f4a7c15ULL }, "disk")) {
			agreed++;
			if (nbd.size > NBD_PEER_DISK)
				nbd.size = NBD_PEER_DISK;
			for (u32 i = 0; i < 4 && !nbd.is_lost; i++) {
				nbd_write(&nbd, parts, 2, 4096 * i, i & 1);
				nbd_read(&nbd, parts, 2, 4096 * i, &moved);
				nbd_flush(&nbd);
			}
			lost += nbd.is_lost;
		}
		nbd_close(&nbd, false);
		nbd_peer_stop(&peer);
	}
	test_note("%u of 400 agreed, %u of them were lost later", agreed, lost);
	CHECK_EQ("some agreed", 1, agreed > 20);
	CHECK_EQ("some were lost", 1, lost > 10);
}

/* A server that comes late is waited for as long as was said, and by default no longer than for an answer. */
static void test_patience(void)
{
	static const struct {
		const char *name;
		unsigned int agree_ms, answer_ms;
		bool is_agreed;
	} rows[] = {
		{ "too long", SHORT_MS, 0, false },
		{ "too long for an answer", 0, SHORT_MS, false },
		{ "in time", TEST_PATIENCE_MS, 0, true },
		{ "in time, which an answer would not be", TEST_PATIENCE_MS, SHORT_MS, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		peer = (struct nbd_peer){ .lie = NBD_GREETS_LATE };
		memset(&nbd, 0, sizeof(nbd));
		nbd.agree_ms = rows[i].agree_ms;
		nbd.answer_ms = rows[i].answer_ms;
		CHECK_EQ(rows[i].name, rows[i].is_agreed, nbd_agree(&nbd, nbd_peer_start(&peer), "", why, sizeof(why)));
		if (!rows[i].is_agreed)
			CHECK_EQ(why, 1, !!strstr(why, "takes too long"));
		leave();
	}
}

static const struct test_case cases[] = {
	{ "agree", test_agree },
	{ "patience", test_patience },
	{ "blocks", test_blocks },
	{ "transfer", test_transfer },
	{ "range", test_range },
	{ "small", test_small },
	{ "stopping", test_stopping },
	{ "flags", test_flags },
	{ "lies", test_lies },
	{ "waits", test_waits },
	{ "flush", test_flush },
	{ "close", test_close },
	{ "export", test_export },
	{ "mutations", test_mutations, 120 },
};

TEST_MAIN(cases)
