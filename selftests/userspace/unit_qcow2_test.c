// SPDX-License-Identifier: GPL-2.0-only
/*
 * qcow2 images made by hand: what is read of good ones, what is said of others, and that nothing of a mutated one is believed.
 *
 * QEMU's docs/interop/qcow2.txt.
 */
#include <endian.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "test.h"
#include "userspace/qcow2.h"

#define COPIED		(1ULL << 63)
#define COMPRESSED	(1ULL << 62)
#define ZSTD_KIND	1

/* An image on its way into a file of memory: header, tables, clusters one after the other. */
struct maker {
	int fd;
	u32 version, bits, entries;	/* of the first level */
	u64 size, end;			/* of the disk, of the file */
	bool is_zstd;
};

static void put(const struct maker *m, u64 at, const void *bytes, size_t count)
{
	ASSERT_EQ(pwrite(m->fd, bytes, count, (off_t)at), (s64)count);
}

static void put32(const struct maker *m, u64 at, u32 value)
{
	value = htobe32(value);
	put(m, at, &value, sizeof(value));
}

static void put64(const struct maker *m, u64 at, u64 value)
{
	value = htobe64(value);
	put(m, at, &value, sizeof(value));
}

static u64 get64(const struct maker *m, u64 at)
{
	u64 value = 0;

	ASSERT_GE(pread(m->fd, &value, sizeof(value), (off_t)at), 0);
	return be64toh(value);
}

static u64 cluster(const struct maker *m) { return 1ULL << m->bits; }
static u64 table_at(const struct maker *m) { return 4 * cluster(m); }

/* Clusters at the end of the file. */
static u64 take(struct maker *m, u64 bytes)
{
	u64 at = (m->end + cluster(m) - 1) & ~(cluster(m) - 1);

	m->end = at + bytes;
	ASSERT_EQ(ftruncate(m->fd, (off_t)m->end), 0);
	return at;
}

static void make(struct maker *m, u32 version, u32 bits, u64 size, bool is_zstd)
{
	*m = (struct maker){ .fd = memfd_create("image", 0), .version = version, .bits = bits, .size = size, .is_zstd = is_zstd };
	ASSERT_GE(m->fd, 0);
	m->entries = (u32)((size + (1ULL << (2 * bits - 3)) - 1) >> (2 * bits - 3));
	put32(m, 0, 0x514649fb);
	put32(m, 4, version);
	put32(m, 20, bits);
	put64(m, 24, size);
	put32(m, 36, m->entries);
	put64(m, 40, table_at(m));
	if (version == 3) {
		put64(m, 72, is_zstd ? 8 : 0);
		put32(m, 96, 4);
		put32(m, 100, 112);
		put(m, 104, is_zstd ? "\1" : "\0", 1);
	}
	m->end = table_at(m);
	take(m, m->entries * 8);
}

/* Where the entry of the cluster at @at of the disk is, with a table for it. */
static u64 entry_at(struct maker *m, u64 at)
{
	u64 first = table_at(m) + (at >> (2 * m->bits - 3)) * 8;

	if (!get64(m, first))
		put64(m, first, take(m, cluster(m)) | COPIED);
	return (get64(m, first) & ~COPIED) + ((at >> m->bits) & (cluster(m) / 8 - 1)) * 8;
}

static void fill(u8 *bytes, u64 count, u32 seed)
{
	/* Bytes that are packed to about a third. */
	for (u64 i = 0; i < count; i++)
		bytes[i] = (u8)(i % 3 ? seed : i * seed / 7);
}

static void add_plain(struct maker *m, u64 at, const u8 *bytes)
{
	u64 entry = entry_at(m, at), to = take(m, cluster(m));

	put(m, to, bytes, cluster(m));
	put64(m, entry, to | COPIED);
}

static size_t pack(const struct maker *m, const u8 *bytes, u8 *to, size_t room)
{
	z_stream stream = { .next_in = (u8 *)bytes, .avail_in = (u32)cluster(m), .next_out = to, .avail_out = (u32)room };

	if (m->is_zstd)
		return ZSTD_compress(to, room, bytes, cluster(m), 1);
	ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return room - stream.avail_out;
}

/* Packed, not aligned to anything, right behind what there is. */
static void add_packed(struct maker *m, u64 at, const u8 *bytes)
{
	static u8 packed[4 << 20];
	u64 entry = entry_at(m, at), to = m->end, bits = 62 - (m->bits - 8);
	size_t count = pack(m, bytes, packed, sizeof(packed));

	put(m, to, packed, count);
	m->end = to + count;
	put64(m, entry, COMPRESSED | to | ((to + count - 1) / 512 - to / 512) << bits);
}

/* All of it, in pieces that have nothing to do with clusters. */
static void check_read(const char *name, struct qcow2 *image, const u8 *wanted, u64 size)
{
	u8 *got = malloc(size);
	const char *wrong = "";
	u64 moved = 0;

	memset(got, 0x99, size);
	for (u64 at = 0; at < size;) {
		u64 count = size - at < 30000 ? size - at : 30000;
		struct iovec parts[200];
		u32 number = 0;

		/* Many, of all sizes, none among them. */
		for (u64 done = 0; done < count; number++) {
			u64 part = number == ARRAY_SIZE(parts) - 1 || number * 3 > count - done ? count - done : number * 3;

			parts[number] = (struct iovec){ got + at + done, part };
			done += part;
		}
		if (!qcow2_read(image, parts, number, at, &moved, &wrong))
			break;
		at += count;
	}
	test_note("%s: %s", name, wrong);
	CHECK_EQ(name, size, moved);
	CHECK_EQ(name, 0, memcmp(got, wanted, size));
	free(got);
}

static void test_read(void)
{
	static const struct {
		const char *name;
		u32 version, bits;
		u64 size;
		bool is_zstd;
	} rows[] = {
		{ "version 2", 2, 16, 1 << 20, false },
		{ "version 3", 3, 16, 1 << 20, false },
		{ "zstd", 3, 16, 1 << 20, true },
		{ "the smallest clusters", 3, 9, 200 << 10, false },
		{ "the smallest clusters, zstd", 3, 9, 200 << 10, true },
		{ "clusters of 4 KB, many tables", 3, 12, 20 << 20, false },
		{ "the largest clusters", 3, 21, 9 << 20, false },
		{ "the largest clusters, zstd", 3, 21, 9 << 20, true },
		{ "no whole cluster at its end", 3, 16, (1 << 20) + 512, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *wrong;
		struct maker m;
		u64 count;

		make(&m, rows[i].version, rows[i].bits, rows[i].size, rows[i].is_zstd);
		count = (m.size + cluster(&m) - 1) >> m.bits;
		u8 *disk = calloc(count, cluster(&m));

		/* In an order of its own: holes, plain ones, packed ones, zeros. */
		for (u64 k = 0; k < count; k++) {
			u64 at = (k * 7 % count) << m.bits;
			u32 kind = (at >> m.bits) % 5;

			if (kind > 2)
				continue;
			if (kind < 2)
				fill(disk + at, cluster(&m), (u32)(at >> m.bits) + 3);
			if (kind == 1)
				add_packed(&m, at, disk + at);
			else
				add_plain(&m, at, disk + at);
			if (kind == 2 && rows[i].version == 3) {
				/* Zeros, whatever is there. */
				u64 entry = entry_at(&m, at), to = get64(&m, entry);

				put(&m, to & ~COPIED, "not zero", 8);
				put64(&m, entry, to | 1);
			}
		}
		struct qcow2 *image = qcow2_open(m.fd, &wrong);

		ASSERT(image, "%s: %s", rows[i].name, wrong);
		CHECK_EQ("size", rows[i].size, qcow2_size(image));
		check_read(rows[i].name, image, disk, m.size);
		/* And back, as who reads at random does. */
		for (u64 k = count; k-- > 0;) {
			u64 at = k << m.bits, moved = 0;
			u8 byte = 0x99;
			const struct iovec part = { &byte, 1 };

			if (!qcow2_read(image, &part, 1, at, &moved, &wrong) || byte != disk[at])
				FAIL("%s: cluster %llu", rows[i].name, (unsigned long long)k);
		}
		qcow2_close(image);
		free(disk);
		close(m.fd);
	}
}

/* Fields of the header: version 3, 64 KB clusters, a disk of 1 MB. */
static void test_headers(void)
{
	static const struct {
		const char *name;
		u32 at, bytes;
		u64 value;
		const char *want;	/* part of what is said; NULL: it is taken */
	} rows[] = {
		{ "good", 4, 4, 3, NULL },
		{ "version 1", 4, 4, 1, "neither 2 nor 3" },
		{ "version 4", 4, 4, 4, "neither 2 nor 3" },
		{ "a backing file", 8, 8, 0x200, "backing file" },
		{ "clusters of 256 bytes", 20, 4, 8, "clusters" },
		{ "clusters of 4 MB", 20, 4, 22, "clusters" },
		{ "clusters of 2^32 times the size", 20, 4, 0xffffffff, "clusters" },
		{ "no size", 24, 8, 0, "smaller than one sector" },
		{ "a size with the highest bit", 24, 8, 1ULL << 63, "impossibly large" },
		{ "a size for which the tables are too few", 24, 8, 1ULL << 30, "too few tables" },
		{ "a size that needs too many", 24, 8, 1ULL << 62, "too large a disk" },
		{ "AES", 32, 4, 1, "encrypted" },
		{ "LUKS", 32, 4, 2, "encrypted" },
		{ "no tables", 36, 4, 0, "too few tables" },
		{ "more tables than needed", 36, 4, 0xffffffff, NULL },
		{ "tables behind the end", 40, 8, 1ULL << 40, "cut off" },
		{ "tables at no address", 40, 8, -1ULL, "cut off" },
		{ "tables half behind the end", 40, 8, 0x4fffc, "cut off" },
		{ "snapshots", 60, 4, 7, NULL },
		{ "dirty", 72, 8, 1, NULL },
		{ "corrupt", 72, 8, 2, "corrupt" },
		{ "data in another file", 72, 8, 4, "another file" },
		{ "compressed in a way that is not said", 72, 8, 8, NULL },
		{ "entries of another form", 72, 8, 16, "not known" },
		{ "what is not thought of yet", 72, 8, 1ULL << 63, "not known" },
		{ "compatible features", 80, 8, -1ULL, NULL },
		{ "a short header", 100, 4, 103, "damaged" },
		{ "a header of no length", 100, 4, 0, "damaged" },
		{ "a long header", 100, 4, 0xffffffff, NULL },
		{ "zstd without saying so", 104, 1, 1, "damaged" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *wrong = "";
		struct maker m;
		u8 bytes[8];

		make(&m, 3, 16, 1 << 20, false);
		take(&m, cluster(&m));
		ASSERT_EQ(ftruncate(m.fd, 0x50000), 0);
		for (u32 k = 0; k < rows[i].bytes; k++)
			bytes[k] = (u8)(rows[i].value >> 8 * (rows[i].bytes - 1 - k));
		put(&m, rows[i].at, bytes, rows[i].bytes);
		struct qcow2 *image = qcow2_open(m.fd, &wrong);

		test_note("%s: %s", rows[i].name, image ? "taken" : wrong);
		CHECK_EQ(rows[i].name, !rows[i].want, !!image);
		CHECK_EQ(rows[i].name, 1, rows[i].want ? !!strstr(wrong, rows[i].want) : 1);
		qcow2_close(image);
		close(m.fd);
	}
	for (int size = 0; size <= 105; size++) {
		const char *wrong = NULL;
		struct maker m;

		make(&m, 3, 16, 1 << 20, false);
		ASSERT_EQ(ftruncate(m.fd, size), 0);
		CHECK_EQ("is one", size >= 4, qcow2_is_one(m.fd));
		CHECK_EQ("a file that is cut off", 1, !qcow2_open(m.fd, &wrong) && wrong);
		close(m.fd);
	}
}

/* Tables that say what cannot be. */
static void test_tables(void)
{
	static const struct {
		const char *name;
		bool is_first;		/* an entry of the first level */
		u64 entry;
		const char *want;	/* NULL: zeros */
	} rows[] = {
		{ "nothing", false, 0, NULL },
		{ "no table", true, 0, NULL },
		{ "reserved bits alone", false, 0x3f00000000000000, NULL },
		{ "a table at an odd place", true, 0x50200, "odd place" },
		{ "a table behind the end", true, 1ULL << 40, "cannot be read" },
		{ "a table at no address", true, 0x00ffffffffff0000, "cannot be read" },
		{ "a cluster at an odd place", false, 0x50200, "odd place" },
		{ "a cluster behind the end", false, 1ULL << 40, "cut off" },
		{ "a cluster at no address", false, 0x00ffffffffff0000, "cut off" },
		{ "a packed one that is zeros", false, COMPRESSED | 0x60000, "damaged" },
		{ "a packed one at the start", false, COMPRESSED, "damaged" },
		{ "a packed one behind the end", false, COMPRESSED | 1ULL << 40, "damaged" },
		{ "a packed one of all sectors at no address", false, COMPRESSED | (COMPRESSED - 1), "damaged" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *wrong = "";
		u8 bytes[8192], zeros[8192] = { 0 };
		const struct iovec part = { bytes, sizeof(bytes) };
		struct maker m;
		u64 moved = 0;

		make(&m, 3, 16, 1 << 20, false);
		u64 at = entry_at(&m, 0);

		take(&m, 0x20000);
		put64(&m, rows[i].is_first ? table_at(&m) : at, rows[i].entry);
		struct qcow2 *image = qcow2_open(m.fd, &wrong);

		ASSERT(image, "%s", wrong);
		memset(bytes, 0x99, sizeof(bytes));
		bool is_read = qcow2_read(image, &part, 1, 4096, &moved, &wrong);

		test_note("%s: %s", rows[i].name, is_read ? "read" : wrong);
		CHECK_EQ(rows[i].name, !rows[i].want, is_read);
		CHECK_EQ(rows[i].name, is_read ? sizeof(bytes) : 0, moved);
		CHECK_EQ(rows[i].name, 0, is_read ? memcmp(bytes, zeros, sizeof(bytes)) : !strstr(wrong, rows[i].want));
		qcow2_close(image);
		close(m.fd);
	}
}

/* The file ends within its last cluster: what is missing is zeros; before it: an error. */
static void test_cut(void)
{
	static u8 bytes[65536], got[65536];
	const struct iovec part = { got, sizeof(got) };
	const char *wrong = "";
	struct maker m;
	u64 moved = 0;

	make(&m, 3, 16, 1 << 20, false);
	fill(bytes, sizeof(bytes), 9);
	add_plain(&m, 0, bytes);
	ASSERT_EQ(ftruncate(m.fd, (off_t)m.end - 60000), 0);
	struct qcow2 *image = qcow2_open(m.fd, &wrong);

	ASSERT(image, "%s", wrong);
	memset(got, 0x99, sizeof(got));
	CHECK_EQ("its beginning is there", 1, qcow2_read(image, &part, 1, 0, &moved, &wrong));
	memset(bytes + 5536, 0, 60000);
	CHECK_EQ("and the rest zeros", 0, memcmp(bytes, got, sizeof(got)));
	CHECK_EQ("the rest alone", 1, qcow2_read(image, &(struct iovec){ got, 512 }, 1, 32768, &moved, &wrong));
	ASSERT_EQ(ftruncate(m.fd, (off_t)m.end - 65536), 0);
	moved = 0;
	CHECK_EQ("nothing of it is there", 0, qcow2_read(image, &part, 1, 0, &moved, &wrong));
	CHECK_EQ("and nothing was read", 0, moved);
	qcow2_close(image);
	close(m.fd);
}

/* A good one of 64 KB, half of it packed. */
static void make_base(struct maker *m, u32 kind)
{
	static u8 bytes[4096];

	make(m, kind ? 3 : 2, 12, 64 << 10, kind == 2);
	for (u64 at = 0; at < m->size; at += 4096) {
		fill(bytes, sizeof(bytes), (u32)at + 3);
		if (at & 4096)
			add_packed(m, at, bytes);
		else
			add_plain(m, at, bytes);
	}
}

/* Where it hurts: the header, the tables of both levels; sometimes what is packed. */
static u64 somewhere(const struct maker *m, u64 *state)
{
	switch (xorshift(state) % 4) {
	case 0:
		return xorshift(state) % 112;
	case 1:
		return table_at(m) + xorshift(state) % 8;
	case 2:
		return table_at(m) + cluster(m) + xorshift(state) % 128;
	default:
		return table_at(m) + 2 * cluster(m) + xorshift(state) % (m->end - table_at(m) - 2 * cluster(m));
	}
}

/* Any bytes anywhere: it answers, and the sanitizer has nothing to say. */
static void test_mutated(void)
{
	static u8 got[16384], files[3][256 << 10];
	u64 state = 5, taken = 0, read = 0, failed = 0, rounds = 0, until;
	struct maker bases[3], m = { .fd = memfd_create("image", 0) };
	struct timespec t;

	for (u32 i = 0; i < 3; i++) {
		make_base(&bases[i], i);
		ASSERT_LE(bases[i].end, sizeof(files[i]));
		ASSERT_EQ(pread(bases[i].fd, files[i], bases[i].end, 0), (s64)bases[i].end);
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	until = t.tv_sec * 1000ULL + t.tv_nsec / 1000000 + 2000;
	do {
		const struct iovec parts[] = { { got, 5000 }, { got + 5000, sizeof(got) - 5000 } };
		const struct maker *base = &bases[rounds % 3];
		const char *wrong = NULL;

		m.bits = base->bits;
		put(&m, 0, files[rounds % 3], base->end);
		ASSERT_EQ(ftruncate(m.fd, (off_t)(base->end - (xorshift(&state) % 8 ? 0 : xorshift(&state) % base->end))), 0);
		for (u64 k = xorshift(&state) % 4; k > 0; k--) {
			u8 byte = xorshift(&state) % 2 ? (u8)xorshift(&state) : xorshift(&state) % 2 ? 0 : 0xff;

			put(&m, somewhere(base, &state), &byte, 1);
		}
		struct qcow2 *image = qcow2_open(m.fd, &wrong);

		ASSERT(image || wrong, "refused without a reason");
		taken += !!image;
		for (u32 k = 0; image && k < 8 && qcow2_size(image) >= sizeof(got); k++) {
			u64 moved = 0, at = xorshift(&state) % (qcow2_size(image) - sizeof(got) + 1);
			bool is_read = qcow2_read(image, parts, 2, at, &moved, &wrong);

			ASSERT(is_read ? moved == sizeof(got) : moved < sizeof(got), "%llu", (unsigned long long)moved);
			read += is_read;
			failed += !is_read;
		}
		qcow2_close(image);
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while (t.tv_sec * 1000ULL + t.tv_nsec / 1000000 < until);
	test_note("%llu images, %llu taken, %llu reads went well, %llu did not", (unsigned long long)rounds,
		  (unsigned long long)taken, (unsigned long long)read, (unsigned long long)failed);
	CHECK_EQ("some of each", 1, taken && taken < rounds && read && failed);
}

static const struct test_case cases[] = {
	{ "read", test_read },
	{ "headers", test_headers },
	{ "tables", test_tables },
	{ "cut", test_cut },
	{ "mutated", test_mutated },
};

TEST_MAIN(cases)
