// SPDX-License-Identifier: GPL-2.0-only
/* The disk and entropy devices: good requests do their work, bad ones nothing. */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/virtio_blk.h"
#include "userspace/virtio_rng.h"

#define SECTORS	64

static struct vm vm;
static struct virtio_blk blk;
static char path[] = "/tmp/keel-disk-test.XXXXXX";
static struct virtio_blk_outhdr header;
static u8 data[SECTORS * 512 + 512];
static u8 status_byte;
static struct virtq_chain chain;

static u8 pattern(size_t i) { return (u8)(i / 512 * 31 + i); }

static void set_up(bool is_readonly)
{
	u8 image[SECTORS * 512];
	int fd;

	strcpy(path, "/tmp/keel-disk-test.XXXXXX");
	fd = mkstemp(path);
	ASSERT_GE(fd, 0);
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = pattern(i);
	ASSERT_EQ(write(fd, image, sizeof(image)), (int)sizeof(image));
	close(fd);
	fake_vm_init(&vm, 0);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, is_readonly ? VIRTIO_BLK_READ : VIRTIO_BLK_WRITTEN, 7), 0);
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

static void begin(u32 type, u64 sector)
{
	memset(&chain, 0, sizeof(chain));
	header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	status_byte = 0xee;
	add(&header, sizeof(header), false);
}

static u32 end(void)
{
	add(&status_byte, 1, true);
	return blk.device.class->serve(&blk.device, &chain);
}

static void test_read(void)
{
	set_up(false);
	begin(VIRTIO_BLK_T_IN, 3);
	memset(data, 0, sizeof(data));
	add(data, 100, true);		/* any cut will do */
	add(data + 100, 924, true);
	CHECK_EQ("written", 1025, end());
	CHECK_EQ("status", VIRTIO_BLK_S_OK, status_byte);
	for (size_t i = 0; i < 1024; i++)
		ASSERT_EQ(data[i], pattern(3 * 512 + i));
	CHECK_EQ("no more", 0, data[1024]);
	tear_down();
}

static void test_write(void)
{
	u8 back[1024];

	set_up(false);
	begin(VIRTIO_BLK_T_OUT, SECTORS - 2);
	memset(data, 0x5a, sizeof(data));
	add(data, 1000, false);
	add(data + 1000, 24, false);
	CHECK_EQ("written", 1, end());
	CHECK_EQ("status", VIRTIO_BLK_S_OK, status_byte);
	begin(VIRTIO_BLK_T_FLUSH, 0);
	CHECK_EQ("flush written", 1, end());
	CHECK_EQ("flush", VIRTIO_BLK_S_OK, status_byte);
	ASSERT_EQ(pread(blk.fd, back, sizeof(back), (SECTORS - 2) * 512), 1024);
	CHECK_EQ("on the disk", 0, memcmp(back, data, sizeof(back)));
	ASSERT_EQ(pread(blk.fd, back, 1, (SECTORS - 2) * 512 - 1), 1);
	CHECK_EQ("not before", pattern((SECTORS - 2) * 512 - 1), back[0]);
	ASSERT_EQ(lseek(blk.fd, 0, SEEK_END), SECTORS * 512);
	tear_down();
}

static void test_header_cut(void)
{
	set_up(false);
	begin(VIRTIO_BLK_T_IN, 1);
	chain.read_count = 0;		/* the header in three pieces */
	add(&header, 1, false);
	add((u8 *)&header + 1, 8, false);
	add((u8 *)&header + 9, 7, false);
	chain.read_bytes = sizeof(header);
	add(data, 512, true);
	CHECK_EQ("written", 513, end());
	CHECK_EQ("status", VIRTIO_BLK_S_OK, status_byte);
	CHECK_EQ("data", pattern(512 + 5), data[5]);

	/* Header and data in one buffer; status behind data in another. */
	u8 both[16 + 512];

	begin(VIRTIO_BLK_T_OUT, 2);
	memcpy(both, &header, 16);
	memset(both + 16, 0x33, 512);
	chain.read_count = 0;
	chain.read_bytes = 0;
	add(both, sizeof(both), false);
	CHECK_EQ("written", 1, end());
	CHECK_EQ("status", VIRTIO_BLK_S_OK, status_byte);
	ASSERT_EQ(pread(blk.fd, data, 1, 2 * 512 + 511), 1);
	CHECK_EQ("data", 0x33, data[0]);
	tear_down();
}

static void test_get_id(void)
{
	char id[21] = "";

	set_up(true);
	begin(VIRTIO_BLK_T_GET_ID, 0);
	add(id, 5, true);
	add(id + 5, 15, true);
	CHECK_EQ("written", 21, end());
	CHECK_EQ("name", 0, strcmp(id, "keel-disk-7"));
	begin(VIRTIO_BLK_T_GET_ID, 0);
	memset(id, 'x', 20);
	add(id, 4, true);
	CHECK_EQ("short", 5, end());
	CHECK_EQ("not past the buffer", 'x', id[4]);
	tear_down();
}

static void check_refused(const char *name, u32 type, u64 sector, size_t len, bool is_write,
			  u8 wanted)
{
	begin(type, sector);
	memset(data, 0x77, sizeof(data));
	if (len)
		add(data, len, is_write);
	end();
	CHECK_EQ(name, wanted, status_byte);
	for (size_t i = 0; i < len; i++)
		ASSERT_EQ(data[i], 0x77);
}

static void test_refusals(void)
{
	u8 before[512];

	set_up(false);
	check_refused("past the end", VIRTIO_BLK_T_IN, SECTORS, 512, true, VIRTIO_BLK_S_IOERR);
	check_refused("across the end", VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true,
		      VIRTIO_BLK_S_IOERR);
	check_refused("far away", VIRTIO_BLK_T_IN, UINT64_MAX, 512, true, VIRTIO_BLK_S_IOERR);
	check_refused("offset wraps", VIRTIO_BLK_T_IN, 1ULL << 55, 512, true, VIRTIO_BLK_S_IOERR);
	check_refused("no whole sector", VIRTIO_BLK_T_IN, 0, 511, true, VIRTIO_BLK_S_IOERR);
	check_refused("write past the end", VIRTIO_BLK_T_OUT, SECTORS, 512, false,
		      VIRTIO_BLK_S_IOERR);
	check_refused("write no whole sector", VIRTIO_BLK_T_OUT, 0, 513, false,
		      VIRTIO_BLK_S_IOERR);
	check_refused("unknown", 0x7777, 0, 512, true, VIRTIO_BLK_S_UNSUPP);
	check_refused("nothing at the end", VIRTIO_BLK_T_IN, SECTORS, 0, true, VIRTIO_BLK_S_OK);
	ASSERT_EQ(lseek(blk.fd, 0, SEEK_END), SECTORS * 512);
	ASSERT_EQ(pread(blk.fd, before, 512, 0), 512);
	CHECK_EQ("disk untouched", pattern(100), before[100]);
	tear_down();
}

static void test_malformed(void)
{
	set_up(false);
	begin(VIRTIO_BLK_T_IN, 0);
	CHECK_EQ("no room for a status", 0, blk.device.class->serve(&blk.device, &chain));
	begin(VIRTIO_BLK_T_IN, 0);
	chain.segments[0].iov_len = chain.read_bytes = 15;
	CHECK_EQ("short header", 1, end());
	CHECK_EQ("status", VIRTIO_BLK_S_IOERR, status_byte);
	memset(&chain, 0, sizeof(chain));
	CHECK_EQ("no header", 1, end());
	CHECK_EQ("status", VIRTIO_BLK_S_IOERR, status_byte);
	memset(&chain, 0, sizeof(chain));
	CHECK_EQ("nothing at all", 0, blk.device.class->serve(&blk.device, &chain));
	tear_down();
}

static void test_readonly(void)
{
	set_up(true);
	ASSERT(blk.device.features & 1ULL << VIRTIO_BLK_F_RO, "announced");
	check_refused("write", VIRTIO_BLK_T_OUT, 0, 512, false, VIRTIO_BLK_S_IOERR);
	begin(VIRTIO_BLK_T_IN, 0);
	add(data, 512, true);
	end();
	CHECK_EQ("read", VIRTIO_BLK_S_OK, status_byte);
	tear_down();
}

static unsigned int syncs;
static u8 status_at_sync;
static int sync_error;

/* The device's way to the disk, in place of the C library's. */
int fdatasync(int fd)
{
	syncs++;
	status_at_sync = status_byte;
	errno = sync_error;
	return sync_error ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static const struct {
	const char *name;
	u64 accepted;
	u32 type;
	u64 sector;
	int error;
	unsigned int syncs;
	u8 status;
} durable[] = {
	{ "write, flushes agreed on", 1ULL << VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_T_OUT, 1, 0, 0, VIRTIO_BLK_S_OK },
	{ "flush, flushes agreed on", 1ULL << VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_T_FLUSH, 0, 0, 1, VIRTIO_BLK_S_OK },
	{ "write, no flushes", 0, VIRTIO_BLK_T_OUT, 1, 0, 1, VIRTIO_BLK_S_OK },
	{ "the disk fails", 0, VIRTIO_BLK_T_OUT, 1, EIO, 1, VIRTIO_BLK_S_IOERR },
	{ "refused write, no flushes", 0, VIRTIO_BLK_T_OUT, SECTORS, 0, 0, VIRTIO_BLK_S_IOERR },
	{ "read, no flushes", 0, VIRTIO_BLK_T_IN, 1, 0, 0, VIRTIO_BLK_S_OK },
};

/*
 * VIRTIO 1.1, "Device Requirements: Device Operation" of the block device: a driver that does not accept
 * VIRTIO_BLK_F_FLUSH cannot flush, so its writes are on the disk when they are reported as done.
 */
static void test_durable(void)
{
	set_up(false);
	for (size_t i = 0; i < ARRAY_SIZE(durable); i++) {
		blk.device.accepted = durable[i].accepted | 1ULL << 32;
		syncs = 0;
		sync_error = durable[i].error;
		begin(durable[i].type, durable[i].sector);
		if (durable[i].type != VIRTIO_BLK_T_FLUSH)
			add(data, 512, durable[i].type == VIRTIO_BLK_T_IN);
		end();
		CHECK_EQ(durable[i].name, durable[i].syncs, syncs);
		CHECK_EQ("status", durable[i].status, status_byte);
		if (syncs)
			CHECK_EQ("not reported before", 0xee, status_at_sync);
	}
	sync_error = 0;
	tear_down();
}

/* The host took the file's end away: an I/O error, not a hang. */
static void test_shrunk(void)
{
	set_up(false);
	ASSERT_EQ(truncate(path, 512), 0);
	begin(VIRTIO_BLK_T_IN, 0);
	add(data, 1024, true);
	end();
	CHECK_EQ("status", VIRTIO_BLK_S_IOERR, status_byte);
	tear_down();
}

static void test_open(void)
{
	struct virtio_blk other;

	set_up(false);
	memset(&other, 0, sizeof(other));
	CHECK_EQ("locked", STATUS_DISK, virtio_blk_open(&other, path, VIRTIO_BLK_WRITTEN, 1));
	virtio_blk_close(&other);
	CHECK_EQ("locked for readers", STATUS_DISK, virtio_blk_open(&other, path, VIRTIO_BLK_READ, 1));
	virtio_blk_close(&other);
	tear_down();
	CHECK_EQ("missing", STATUS_DISK, virtio_blk_open(&other, path, VIRTIO_BLK_WRITTEN, 1));
	virtio_blk_close(&other);
	CHECK_EQ("directory", STATUS_DISK, virtio_blk_open(&other, "/tmp", VIRTIO_BLK_READ, 1));
	virtio_blk_close(&other);
	CHECK_EQ("character device", STATUS_DISK, virtio_blk_open(&other, "/dev/null", VIRTIO_BLK_READ, 1));
	virtio_blk_close(&other);
}

static void test_entropy(void)
{
	struct virtio_device rng;
	static u8 bytes[70000];
	u32 zeros = 0;

	memset(&rng, 0, sizeof(rng));
	virtio_rng_init(&rng);
	memset(&chain, 0, sizeof(chain));
	add(bytes, 10, true);
	add(bytes + 10, 1000, true);
	CHECK_EQ("all", 1010, rng.class->serve(&rng, &chain));
	for (u32 i = 0; i < 1010; i++)
		zeros += !bytes[i];
	ASSERT_LE(zeros, 100);
	ASSERT_EQ(bytes[1010], 0);
	memset(&chain, 0, sizeof(chain));
	CHECK_EQ("no room", 0, rng.class->serve(&rng, &chain));
	add(bytes, sizeof(bytes), true);
	CHECK_EQ("bounded", 65536, rng.class->serve(&rng, &chain));
}

static const struct test_case cases[] = {
	{ "read", test_read },
	{ "write", test_write },
	{ "header_cut", test_header_cut },
	{ "get_id", test_get_id },
	{ "refusals", test_refusals },
	{ "malformed", test_malformed },
	{ "readonly", test_readonly },
	{ "durable", test_durable },
	{ "shrunk", test_shrunk },
	{ "open", test_open },
	{ "entropy", test_entropy },
};

TEST_MAIN(cases)
