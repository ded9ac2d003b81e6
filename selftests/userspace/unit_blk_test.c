// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's disk at its edges: sectors past the end, images of odd sizes, and what the used
 * ring says.
 *
 * VIRTIO 1.0, "Block Device: Device Operation"; "The Virtqueue Used Ring": of the bytes that the
 * count names, the first writable one on, all have been written.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/status.h"
#include "userspace/virtio_blk.h"

static struct vm vm;
static struct virtio_blk blk;
static char path[64];
static struct virtio_blk_outhdr header;
static u8 data[64 * 512];
static u8 status[8];
static struct virtq_chain chain;

static void set_up(size_t size, enum virtio_blk_use use)
{
	static u8 image[64 * 512];
	int fd;

	strcpy(path, "/tmp/keel-blk-test.XXXXXX");
	fd = mkstemp(path);
	ASSERT_GE(fd, 0);
	memset(image, 0x77, sizeof(image));
	ASSERT_EQ(write(fd, image, size), (int)size);
	close(fd);
	fake_vm_init(&vm, 0);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, use, 0), 0);
	blk.device.vm = &vm;
}

static void tear_down(void)
{
	virtio_blk_close(&blk);
	unlink(path);
}

static void add(void *at, size_t len, bool is_write)
{
	unsigned int *count = is_write ? &chain.write_count : &chain.read_count;

	chain.segments[chain.read_count + chain.write_count] = (struct iovec){ at, len };
	(*count)++;
	*(is_write ? &chain.write_bytes : &chain.read_bytes) += len;
}

static u32 request(u32 type, u64 sector, size_t len)
{
	memset(&chain, 0, sizeof(chain));
	memset(status, 0xee, sizeof(status));
	header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	add(&header, sizeof(header), false);
	if (len)
		add(data, len, type == VIRTIO_BLK_T_IN);
	add(status, 1, true);
	return blk.device.class->serve(&blk.device, &chain);
}

static off_t size_now(void) { return lseek(blk.fd, 0, SEEK_END); }

static void test_range(void)
{
	static const struct {
		const char *name;
		u64 sector;
		size_t len;
		u8 want;
	} rows[] = {
		{ "last sector", 63, 512, VIRTIO_BLK_S_OK },
		{ "one behind", 64, 512, VIRTIO_BLK_S_IOERR },
		{ "across the end", 63, 1024, VIRTIO_BLK_S_IOERR },
		{ "the largest sector", ~0ULL, 512, VIRTIO_BLK_S_IOERR },
		{ "a product that wraps to 0", 1ULL << 55, 512, VIRTIO_BLK_S_IOERR },
		{ "a sum that wraps", ~0ULL - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ "no whole sector", 0, 100, VIRTIO_BLK_S_IOERR },
	};

	set_up(64 * 512, VIRTIO_BLK_WRITTEN);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		request(VIRTIO_BLK_T_IN, rows[i].sector, rows[i].len);
		CHECK_EQ(rows[i].name, rows[i].want, status[0]);
		request(VIRTIO_BLK_T_OUT, rows[i].sector, rows[i].len);
		CHECK_EQ(rows[i].name, rows[i].want, status[0]);
		CHECK_EQ("one byte of status", 0xee, status[1]);
	}
	CHECK_EQ("size of the image", 64 * 512, size_now());
	request(99, 0, 0);
	CHECK_EQ("unknown type", VIRTIO_BLK_S_UNSUPP, status[0]);
	tear_down();
}

static void test_odd_size(void)
{
	u64 capacity;

	set_up(4 * 512 + 100, VIRTIO_BLK_WRITTEN);
	memcpy(&capacity, blk.device.config, 8);
	CHECK_EQ("capacity in sectors", 4, capacity);
	request(VIRTIO_BLK_T_IN, 3, 512);
	CHECK_EQ("last whole sector", VIRTIO_BLK_S_OK, status[0]);
	request(VIRTIO_BLK_T_OUT, 4, 512);
	CHECK_EQ("the rest", VIRTIO_BLK_S_IOERR, status[0]);
	CHECK_EQ("size of the image", 4 * 512 + 100, size_now());
	tear_down();
}

static void test_readonly(void)
{
	set_up(64 * 512, VIRTIO_BLK_READ);
	request(VIRTIO_BLK_T_OUT, 0, 512);
	CHECK_EQ("a write", VIRTIO_BLK_S_IOERR, status[0]);
	CHECK_EQ("VIRTIO_BLK_F_RO", 1, !!(blk.device.features & 1ULL << VIRTIO_BLK_F_RO));
	tear_down();
}

static void test_used_length(void)
{
	static const struct {
		const char *name;
		off_t image;	/* the file's size by then */
		u32 type;
		u64 sector;
		size_t len;
		u32 want;	/* bytes from the start, the status byte only behind all data */
	} rows[] = {
		{ "a read", 64 * 512, VIRTIO_BLK_T_IN, 0, 2048, 2049 },
		{ "a read of nothing", 64 * 512, VIRTIO_BLK_T_IN, 0, 0, 1 },
		{ "a read of a file that has shrunk", 1124, VIRTIO_BLK_T_IN, 0, 2048, 1124 },
		{ "a read behind the end of it", 512, VIRTIO_BLK_T_IN, 1, 512, 0 },
		{ "a read past the disk", 64 * 512, VIRTIO_BLK_T_IN, 64, 512, 0 },
		{ "a write", 64 * 512, VIRTIO_BLK_T_OUT, 0, 512, 1 },
		{ "a flush", 64 * 512, VIRTIO_BLK_T_FLUSH, 0, 0, 1 },
		{ "a type of no meaning", 64 * 512, 99, 0, 0, 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 len, written = 0;

		set_up(64 * 512, VIRTIO_BLK_WRITTEN);
		ASSERT_EQ(truncate(path, rows[i].image), 0);
		memset(data, 0x11, sizeof(data));
		len = request(rows[i].type, rows[i].sector, rows[i].len);
		CHECK_EQ(rows[i].name, rows[i].want, len);
		CHECK_EQ("the status is there", 1, status[0] != 0xee);
		while (rows[i].type == VIRTIO_BLK_T_IN && written < rows[i].len &&
		       data[written] == 0x77)
			written++;
		test_note("%u bytes of the buffer were written, the used ring says %u", written,
			  len);
		CHECK_EQ("no more than was written from the start", 1, len <= written + 1);
		tear_down();
	}
}

static void test_get_id(void)
{
	static const struct {
		size_t len;
		u32 want;
	} rows[] = { { 20, 21 }, { 8, 9 }, { 512, 20 } };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(64 * 512, VIRTIO_BLK_WRITTEN);
		memset(&chain, 0, sizeof(chain));
		header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_GET_ID };
		add(&header, sizeof(header), false);
		add(data, rows[i].len, true);
		add(status, 1, true);
		CHECK_EQ("bytes of an identity", rows[i].want,
			 blk.device.class->serve(&blk.device, &chain));
		CHECK_EQ("status", VIRTIO_BLK_S_OK, status[0]);
		tear_down();
	}
}

/* Images of other launchers are not taken for disks. */
static void test_formats(void)
{
	static const struct {
		const char *name, *magic;
		off_t at;
		int want;
	} rows[] = {
		{ "qcow2 of no version that there is, to be written", "QFI\xfb", 0, STATUS_DISK },
		{ "VMDK", "KDMV", 0, STATUS_DISK },
		{ "VHDX", "vhdxfile", 0, STATUS_DISK },
		{ "VDI", "\x7f\x10\xda\xbe", 64, STATUS_DISK },
		{ "raw, a magic elsewhere", "QFI\xfb", 512, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_blk other = { .fd = -1 };

		set_up(64 * 512, VIRTIO_BLK_WRITTEN);
		virtio_blk_close(&blk);
		int fd = open(path, O_WRONLY);

		ASSERT_GE(pwrite(fd, rows[i].magic, strlen(rows[i].magic), rows[i].at), 1);
		close(fd);
		CHECK_EQ(rows[i].name, rows[i].want, virtio_blk_open(&other, path, VIRTIO_BLK_WRITTEN, 0));
		virtio_blk_close(&other);
		unlink(path);
	}
}

static void put_be(int fd, off_t at, u64 value, u32 bytes)
{
	u8 text[8];

	for (u32 i = 0; i < bytes; i++)
		text[i] = (u8)(value >> 8 * (bytes - 1 - i));
	ASSERT_EQ(pwrite(fd, text, bytes, at), (int)bytes);
}

/*
 * A disk of 64 sectors in an image of version 2 with clusters of one sector: the first is there, of the second the image says
 * what cannot be, the others are nowhere.
 */
static void test_qcow2(void)
{
	u64 capacity;
	int fd;

	set_up(64 * 512, false);
	virtio_blk_close(&blk);
	fd = open(path, O_WRONLY | O_TRUNC);
	put_be(fd, 0, 0x514649fb, 4);
	put_be(fd, 4, 2, 4);
	put_be(fd, 20, 9, 4);
	put_be(fd, 24, 64 * 512, 8);
	put_be(fd, 36, 1, 4);
	put_be(fd, 40, 0x200, 8);
	put_be(fd, 0x200, 0x400, 8);		/* a table of 64 clusters */
	put_be(fd, 0x400, 0x600, 8);
	put_be(fd, 0x408, 1ULL << 50, 8);
	put_be(fd, 0x600, 0x1234, 512 / 64);
	ASSERT_EQ(ftruncate(fd, 0x800), 0);
	ASSERT_EQ(setenv("PATH", "/nonexistent", 1), 0);
	CHECK_EQ("to be written, and nobody is there who could", STATUS_DISK, virtio_blk_open(&blk, path, false, 0));
	CHECK_EQ(status_last(), 1, !!strstr(status_last(), "apt-get install qemu-utils"));
	virtio_blk_close(&blk);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, true, 0), 0);
	blk.device.vm = &vm;
	memcpy(&capacity, blk.device.config, 8);
	CHECK_EQ("capacity in sectors", 64, capacity);
	memset(data, 0x99, sizeof(data));
	CHECK_EQ("bytes written", 513, request(VIRTIO_BLK_T_IN, 0, 512));
	CHECK_EQ("what is there", VIRTIO_BLK_S_OK, status[0]);
	CHECK_EQ("its bytes", 0x34, data[7]);
	request(VIRTIO_BLK_T_IN, 2, 62 * 512);
	CHECK_EQ("what is nowhere", VIRTIO_BLK_S_OK, status[0]);
	CHECK_EQ("zeros", 0, data[0] | data[62 * 512 - 1]);
	request(VIRTIO_BLK_T_IN, 0, 1024);
	CHECK_EQ("what cannot be", VIRTIO_BLK_S_IOERR, status[0]);
	request(VIRTIO_BLK_T_IN, 64, 512);
	CHECK_EQ("behind the end", VIRTIO_BLK_S_IOERR, status[0]);
	request(VIRTIO_BLK_T_OUT, 0, 512);
	CHECK_EQ("a write", VIRTIO_BLK_S_IOERR, status[0]);
	virtio_blk_close(&blk);
	put_be(fd, 8, 0x100, 8);
	memset(&blk, 0, sizeof(blk));
	CHECK_EQ("on top of another one", STATUS_DISK, virtio_blk_open(&blk, path, true, 0));
	close(fd);
	tear_down();
}

/* QEMU as the other user of an image: by locks on its bytes, as QEMU 7.2 takes them. */
static void test_locks(void)
{
	static const struct {
		const char *name;
		off_t byte;
		enum virtio_blk_use use;
		int want;
	} rows[] = {
		{ "QEMU writes, a writer", 101, VIRTIO_BLK_WRITTEN, STATUS_DISK },
		{ "QEMU writes, a snapshot", 101, VIRTIO_BLK_SNAPSHOT, STATUS_DISK },
		{ "QEMU reads, a snapshot", 100, VIRTIO_BLK_SNAPSHOT, 0 },
		{ "QEMU writes, a reader", 101, VIRTIO_BLK_READ, STATUS_DISK },
		{ "QEMU resizes, a reader", 103, VIRTIO_BLK_READ, STATUS_DISK },
		{ "QEMU reads, a writer", 100, VIRTIO_BLK_WRITTEN, STATUS_DISK },
		{ "QEMU reads, a reader", 100, VIRTIO_BLK_READ, 0 },
		{ "QEMU forbids to write, a writer", 201, VIRTIO_BLK_WRITTEN, STATUS_DISK },
		{ "QEMU forbids to write, a reader", 201, VIRTIO_BLK_READ, 0 },
		{ "a byte that means nothing", 99, VIRTIO_BLK_WRITTEN, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct flock lock = { .l_type = F_RDLCK, .l_start = rows[i].byte, .l_len = 1 };
		struct virtio_blk other = { .fd = -1 };

		set_up(64 * 512, VIRTIO_BLK_WRITTEN);
		virtio_blk_close(&blk);
		int fd = open(path, O_RDONLY);

		ASSERT_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
		CHECK_EQ(rows[i].name, rows[i].want,
			 virtio_blk_open(&other, path, rows[i].use, 0));
		if (!rows[i].want) {
			/* And the other way round: what QEMU would ask. */
			lock = (struct flock){ .l_type = F_WRLCK, .l_start = 201, .l_len = 1 };
			ASSERT_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
			CHECK_EQ("others are not to write", 1, lock.l_type != F_UNLCK);
		}
		virtio_blk_close(&other);
		close(fd);
		unlink(path);
	}
}

/* ---- a snapshot ---- */

#define SECTORS		64u
#define PARTS_MAX	5u

/* In parts that end anywhere, also within a sector. */
static u32 request_in_parts(u32 type, u64 sector, size_t len)
{
	bool is_read = type == VIRTIO_BLK_T_IN;
	size_t done = 0;

	memset(&chain, 0, sizeof(chain));
	header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	add(&header, sizeof(header), false);
	for (unsigned int i = 0; done < len; i++) {
		size_t part = i == PARTS_MAX - 1 ? len - done : 1 + (size_t)rand() % (len - done);

		add(data + done, part, is_read);
		done += part;
	}
	add(status, 1, true);
	return blk.device.class->serve(&blk.device, &chain);
}

static bool is_image_untouched(void)
{
	static u8 image[SECTORS * 512];
	int fd = open(path, O_RDONLY);

	ASSERT_EQ(read(fd, image, sizeof(image)), (int)sizeof(image));
	close(fd);
	for (size_t i = 0; i < sizeof(image); i++)
		if (image[i] != 0x77)
			return false;
	return true;
}

/* The disk is what a plain array would be, and the image what it was. */
static void test_snapshot(void)
{
	static u8 model[SECTORS * 512], wrote;
	u64 features;

	set_up(sizeof(model), VIRTIO_BLK_SNAPSHOT);
	features = blk.device.features;
	CHECK_EQ("the guest may write it", 0, features >> VIRTIO_BLK_F_RO & 1);
	memset(model, 0x77, sizeof(model));
	srand(1);
	for (unsigned int i = 0; i < 20000; i++) {
		u64 sector = (u64)rand() % SECTORS;
		size_t len = (1 + (size_t)rand() % (SECTORS - sector)) * 512, tail = len;
		/* few long writes, or all would be written soon */
		u32 type = rand() % 8 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;

		if (!(i % 1000)) {	/* as fresh */
			overlay_destroy(&blk.overlay);
			ASSERT_EQ(overlay_create(&blk.overlay, sizeof(model)), 0);
			memset(model, 0x77, sizeof(model));
		}
		if (type == VIRTIO_BLK_T_OUT) {
			tail = len = len > 1024 ? 1024 : len;
			memset(data, ++wrote, len);
			memcpy(model + sector * 512, data, len);
		} else {
			memset(data, 0xee, sizeof(data));
		}
		u32 used = request_in_parts(type, sector, len);

		ASSERT_EQ(status[0], VIRTIO_BLK_S_OK);
		ASSERT_EQ(used, type == VIRTIO_BLK_T_IN ? tail + 1 : 1);
		if (type == VIRTIO_BLK_T_IN)
			ASSERT(!memcmp(data, model + sector * 512, len), "sector %llu, %zu bytes, round %u", (unsigned long long)sector, len, i);
	}
	request(VIRTIO_BLK_T_FLUSH, 0, 0);
	CHECK_EQ("a flush", VIRTIO_BLK_S_OK, status[0]);
	request(VIRTIO_BLK_T_OUT, SECTORS, 512);
	CHECK_EQ("behind the end", VIRTIO_BLK_S_IOERR, status[0]);
	CHECK_EQ("the image is as it was", 1, is_image_untouched());
	tear_down();
}

/* What is in memory can be read, whatever becomes of the image; what is not cannot. */
static void test_snapshot_errors(void)
{
	struct virtio_blk other = { .fd = -1 };

	set_up(SECTORS * 512, VIRTIO_BLK_SNAPSHOT);
	CHECK_EQ("two of an image", 0, virtio_blk_open(&other, path, VIRTIO_BLK_SNAPSHOT, 1));
	virtio_blk_close(&other);
	CHECK_EQ("a reader", 0, virtio_blk_open(&other, path, VIRTIO_BLK_READ, 1));
	virtio_blk_close(&other);
	CHECK_EQ("no writer", STATUS_DISK, virtio_blk_open(&other, path, VIRTIO_BLK_WRITTEN, 1));
	virtio_blk_close(&other);
	memset(data, 0x11, 512);
	request(VIRTIO_BLK_T_OUT, 10, 512);
	ASSERT_EQ(truncate(path, 5 * 512), 0);
	request(VIRTIO_BLK_T_IN, 10, 512);
	CHECK_EQ("written", VIRTIO_BLK_S_OK, status[0]);
	CHECK_EQ("what was written", 0x11, data[511]);
	request(VIRTIO_BLK_T_IN, 4, 512);
	CHECK_EQ("in the image", VIRTIO_BLK_S_OK, status[0]);
	request(VIRTIO_BLK_T_IN, 9, 1024);
	CHECK_EQ("partly lost", VIRTIO_BLK_S_IOERR, status[0]);
	request(VIRTIO_BLK_T_IN, 10, 1024);
	CHECK_EQ("the rest lost", VIRTIO_BLK_S_IOERR, status[0]);
	tear_down();
}

/* An image of qcow2, 64 sectors of 0x55: header, then a cluster each for the first table, the second and the data. */
static void make_qcow2(void)
{
	static const u8 header[72] = {
		'Q', 'F', 'I', 0xfb, 0, 0, 0, 2, [20 + 3] = 16,		/* version, bits of a cluster */
		[24 + 6] = SECTORS * 512 >> 8, [36 + 3] = 1,		/* size, entries of the first table, */
		[40 + 5] = 1, [48 + 5] = 4, [56 + 3] = 1,		/* which is there; and of the counts of references */
	};
	static const u8 first[8] = { 0x80, [5] = 2 }, second[8] = { 0x80, [5] = 3 };
	static u8 bytes[SECTORS * 512];
	int fd = open(path, O_WRONLY | O_TRUNC);

	memset(bytes, 0x55, sizeof(bytes));
	ASSERT_EQ(pwrite(fd, header, sizeof(header), 0), (int)sizeof(header));
	ASSERT_EQ(pwrite(fd, first, sizeof(first), 0x10000), (int)sizeof(first));
	ASSERT_EQ(pwrite(fd, second, sizeof(second), 0x20000), (int)sizeof(second));
	ASSERT_EQ(pwrite(fd, bytes, sizeof(bytes), 0x30000), (int)sizeof(bytes));
	ASSERT_EQ(ftruncate(fd, 0x50000), 0);
	close(fd);
}

/* Of an image that can only be read a snapshot can be written. */
static void test_snapshot_qcow2(void)
{
	set_up(SECTORS * 512, VIRTIO_BLK_SNAPSHOT);
	virtio_blk_close(&blk);
	make_qcow2();
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(setenv("PATH", "/nonexistent", 1), 0);
	CHECK_EQ("not to be written, as nobody is there who could", STATUS_DISK, virtio_blk_open(&blk, path, VIRTIO_BLK_WRITTEN, 0));
	virtio_blk_close(&blk);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, VIRTIO_BLK_SNAPSHOT, 0), 0);
	blk.device.vm = &vm;
	memset(data, 0x11, 1024);
	request(VIRTIO_BLK_T_OUT, 10, 1024);
	CHECK_EQ("written", VIRTIO_BLK_S_OK, status[0]);
	memset(data, 0, sizeof(data));
	request(VIRTIO_BLK_T_IN, 0, SECTORS * 512);
	CHECK_EQ("read", VIRTIO_BLK_S_OK, status[0]);
	for (size_t i = 0; i < sizeof(data); i++)
		ASSERT_EQ(data[i], i / 512 == 10 || i / 512 == 11 ? 0x11 : 0x55);
	virtio_blk_close(&blk);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, VIRTIO_BLK_READ, 0), 0);
	blk.device.vm = &vm;
	request(VIRTIO_BLK_T_IN, 10, 512);
	CHECK_EQ("the image is as it was", 0x55, data[0]);
	tear_down();
}

static const struct test_case cases[] = {
	{ "range", test_range },
	{ "odd_size", test_odd_size },
	{ "readonly", test_readonly },
	{ "used_length", test_used_length },
	{ "get_id", test_get_id },
	{ "formats", test_formats },
	{ "qcow2", test_qcow2 },
	{ "locks", test_locks },
	{ "snapshot", test_snapshot },
	{ "snapshot_errors", test_snapshot_errors },
	{ "snapshot_qcow2", test_snapshot_qcow2 },
};

TEST_MAIN(cases)
