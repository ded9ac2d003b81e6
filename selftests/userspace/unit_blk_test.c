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
#include "userspace/virtio_blk.h"

static struct vm vm;
static struct virtio_blk blk;
static char path[64];
static struct virtio_blk_outhdr header;
static u8 data[64 * 512];
static u8 status[8];
static struct virtq_chain chain;

static void set_up(size_t size, bool is_readonly)
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
	ASSERT_EQ(virtio_blk_open(&blk, path, is_readonly, 0), 0);
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

	set_up(64 * 512, false);
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

	set_up(4 * 512 + 100, false);
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
	set_up(64 * 512, true);
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

		set_up(64 * 512, false);
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
		set_up(64 * 512, false);
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
		{ "qcow2, to be written", "QFI\xfb", 0, STATUS_DISK },
		{ "VMDK", "KDMV", 0, STATUS_DISK },
		{ "VHDX", "vhdxfile", 0, STATUS_DISK },
		{ "VDI", "\x7f\x10\xda\xbe", 64, STATUS_DISK },
		{ "raw, a magic elsewhere", "QFI\xfb", 512, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_blk other = { .fd = -1 };

		set_up(64 * 512, false);
		virtio_blk_close(&blk);
		int fd = open(path, O_WRONLY);

		ASSERT_GE(pwrite(fd, rows[i].magic, strlen(rows[i].magic), rows[i].at), 1);
		close(fd);
		CHECK_EQ(rows[i].name, rows[i].want, virtio_blk_open(&other, path, false, 0));
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
	CHECK_EQ("to be written", STATUS_DISK, virtio_blk_open(&blk, path, false, 0));
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
		bool is_readonly;
		int want;
	} rows[] = {
		{ "QEMU writes, a writer", 101, false, STATUS_DISK },
		{ "QEMU writes, a reader", 101, true, STATUS_DISK },
		{ "QEMU resizes, a reader", 103, true, STATUS_DISK },
		{ "QEMU reads, a writer", 100, false, STATUS_DISK },
		{ "QEMU reads, a reader", 100, true, 0 },
		{ "QEMU forbids to write, a writer", 201, false, STATUS_DISK },
		{ "QEMU forbids to write, a reader", 201, true, 0 },
		{ "a byte that means nothing", 99, false, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct flock lock = { .l_type = F_RDLCK, .l_start = rows[i].byte, .l_len = 1 };
		struct virtio_blk other = { .fd = -1 };

		set_up(64 * 512, false);
		virtio_blk_close(&blk);
		int fd = open(path, O_RDONLY);

		ASSERT_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
		CHECK_EQ(rows[i].name, rows[i].want,
			 virtio_blk_open(&other, path, rows[i].is_readonly, 0));
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

static const struct test_case cases[] = {
	{ "range", test_range },
	{ "odd_size", test_odd_size },
	{ "readonly", test_readonly },
	{ "used_length", test_used_length },
	{ "get_id", test_get_id },
	{ "formats", test_formats },
	{ "qcow2", test_qcow2 },
	{ "locks", test_locks },
};

TEST_MAIN(cases)
