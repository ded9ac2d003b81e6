// SPDX-License-Identifier: GPL-2.0-only
/* Files named twice: what would ruin one of its uses is refused, by whatever name it goes. */
#include <fcntl.h>
#include <unistd.h>

#include "test.h"
#include "userspace/disk_lock.h"
#include "userspace/files.h"
#include "userspace/options.h"
#include "userspace/status.h"

static char directory[] = "/tmp/keel-files.XXXXXX";
static char one[64], again[64], other[64], absent[64];

static void set_up(void)
{
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(one, sizeof(one), "%s/one", directory);
	snprintf(again, sizeof(again), "%s/again", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	snprintf(absent, sizeof(absent), "%s/absent", directory);
	ASSERT_GE(open(one, O_CREAT | O_RDWR, 0600), 0);
	ASSERT_GE(open(other, O_CREAT | O_RDWR, 0600), 0);
	ASSERT_EQ(link(one, again), 0);
}

static void finish(void)
{
	const char *const names[] = { one, again, other };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	rmdir(directory);
}

/* The option by which @path is named too. */
static void set_kernel(struct options *options, const char *path) { options->kernel = path; }
static void set_initrd(struct options *options, const char *path) { options->initrd = path; }
static void set_firmware(struct options *options, const char *path) { options->firmware = path; }
static void set_config(struct options *options, const char *path) { options->config = path; }

static void set_restored(struct options *options, const char *path)
{
	options->files[0] = path;
	options->file_count = 1;
}

static void set_disk(struct options *options, const char *path)
{
	options->disks[0] = (struct disk_options){ (char *)path, VIRTIO_BLK_READ };
	options->disk_count = 1;
}

/* A report takes the place of the file that it is written to. */
static void test_report(void)
{
	static const struct {
		const char *name;
		void (*set)(struct options *options, const char *path);
	} rows[] = {
		{ "kernel", set_kernel }, { "initrd", set_initrd }, { "firmware", set_firmware }, { "config", set_config },
		{ "restored", set_restored }, { "disk", set_disk },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options = { .status_json = again };

		rows[i].set(&options, one);
		CHECK_EQ(rows[i].name, STATUS_USAGE, files_check(&options));
		rows[i].set(&options, other);
		CHECK_EQ(rows[i].name, 0, files_check(&options));
		options.status_json = absent;
		CHECK_EQ(rows[i].name, 0, files_check(&options));
		options.status_json = NULL;
		rows[i].set(&options, one);
		CHECK_EQ(rows[i].name, 0, files_check(&options));
	}
	finish();
}

/* Of a machine that runs already. */
static void test_others_disk(void)
{
	struct options options = { .status_json = again };

	set_up();
	int fd = open(one, O_RDONLY);

	CHECK_EQ("nobody's", 0, files_check(&options));
	ASSERT_EQ(disk_lock(fd, true, one), 0);
	CHECK_EQ("another machine's", STATUS_USAGE, files_check(&options));
	finish();
}

static void test_disks(void)
{
	static const enum virtio_blk_use uses[] = { VIRTIO_BLK_WRITTEN, VIRTIO_BLK_READ, VIRTIO_BLK_SNAPSHOT };

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(uses) * ARRAY_SIZE(uses); i++) {
		struct options options = {
			.disks = { { one, uses[i % 3] }, { other, VIRTIO_BLK_WRITTEN }, { again, uses[i / 3] } }, .disk_count = 3,
		};
		bool is_written = options.disks[0].use == VIRTIO_BLK_WRITTEN || options.disks[2].use == VIRTIO_BLK_WRITTEN;

		CHECK_EQ("uses", is_written ? STATUS_DISK : 0, files_check(&options));
		/* Which has no file. */
		options.disks[0].path = options.disks[2].path = (char *)(uintptr_t)"nbd://localhost/disk";
		CHECK_EQ("uses of what a server exports", is_written ? STATUS_DISK : 0, files_check(&options));
		options.disks[2].path = (char *)(uintptr_t)"nbd://localhost/other";
		CHECK_EQ("two exports", 0, files_check(&options));
	}
	finish();
}

static const struct test_case cases[] = {
	{ "report", test_report },
	{ "others_disk", test_others_disk },
	{ "disks", test_disks },
};

TEST_MAIN(cases)
