// SPDX-License-Identifier: GPL-2.0-only
/* The launcher's command line: what is accepted, what is refused, and sizes. */
#include <uapi/linux/keel.h>

#include "test.h"
#include "userspace/memory.h"
#include "userspace/option_row.h"
#include "userspace/options.h"
#include "userspace/size.h"
#include "userspace/status.h"

#define ARGS_MAX	40

static int parse(struct options *options, enum options_action *action, const char *line)
{
	static char copy[512];
	char *argv[ARGS_MAX + 1] = { NULL };
	int argc = 0;

	ASSERT(strlen(line) < sizeof(copy), "line too long");
	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		ASSERT_LE(argc, ARGS_MAX - 1);
		argv[argc++] = word;
	}
	return options_parse(options, action, argc, argv);
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		bool is_good;
		u64 size;
	} rows[] = {
		{ "0", true, 0 },
		{ "256", true, 256 },
		{ "4K", true, 4096 },
		{ "4k", true, 4096 },
		{ "512M", true, 512ULL << 20 },
		{ "2G", true, 2ULL << 30 },
		{ "1t", true, 1ULL << 40 },
		{ "16777215T", true, 16777215ULL << 40 },
		{ "16777216T", false, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "", false, 0 },
		{ "M", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1MB", false, 0 },
		{ "1.5G", false, 0 },
		{ "0x10", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t size = 0;

		CHECK_EQ(rows[i].text, rows[i].is_good, size_parse(rows[i].text, &size));
		if (rows[i].is_good)
			CHECK_EQ(rows[i].text, rows[i].size, size);
	}
}

static void test_defaults(void)
{
	struct options options;
	enum options_action action;

	ASSERT_EQ(parse(&options, &action, "keel run --kernel vmlinuz"), 0);
	ASSERT_EQ(action, OPTIONS_RUN);
	ASSERT_EQ(strcmp(options.device, "/dev/keel"), 0);
	ASSERT_EQ(strcmp(options.kernel, "vmlinuz"), 0);
	ASSERT_EQ(strcmp(options.append, "console=ttyS0"), 0);
	ASSERT_EQ(options.memory, 256 << 20);
	ASSERT_EQ(options.cpus, 1);
	ASSERT(!options.initrd && !options.status_json, "files without being asked");
	ASSERT(!options.control && !options.name && !options.pid_file && !options.daemon, "control without being asked");
	ASSERT(options.rng && options.sandbox, "rng and sandbox are on");
	ASSERT(!options.stats, "statistics without being asked");
	ASSERT(!options.watchdog && !options.balloon.is_wanted, "devices without being asked");
	options_free(&options);
}

static void test_all_options(void)
{
	struct options options;
	enum options_action action;

	ASSERT_EQ(parse(&options, &action,
			"keel run --device=/dev/kvm --kernel k --initrd=i --append=a=b,c --cpus=4 "
			"--memory 1G --disk d1 --disk=d2,ro --disk d,3,rw --no-rng --watchdog --no-sandbox "
			"--stats --status-json s"), 0);
	ASSERT_EQ(strcmp(options.device, "/dev/kvm"), 0);
	ASSERT_EQ(strcmp(options.initrd, "i"), 0);
	ASSERT_EQ(strcmp(options.append, "a=b,c"), 0);
	ASSERT_EQ(strcmp(options.status_json, "s"), 0);
	ASSERT_EQ(options.cpus, 4);
	ASSERT_EQ(options.memory, 1 << 30);
	ASSERT_EQ(options.disk_count, 3);
	ASSERT_EQ(strcmp(options.disks[0].path, "d1"), 0);
	ASSERT_EQ(strcmp(options.disks[1].path, "d2"), 0);
	ASSERT_EQ(strcmp(options.disks[2].path, "d,3"), 0);
	ASSERT(options.disks[0].use == VIRTIO_BLK_WRITTEN && options.disks[1].use == VIRTIO_BLK_READ &&
	       options.disks[2].use == VIRTIO_BLK_WRITTEN, "only the second disk is read-only");
	ASSERT(!options.rng && !options.sandbox, "rng and sandbox are off");
	ASSERT(options.stats, "statistics are on");
	ASSERT(options.watchdog, "the watchdog is on");
	options_free(&options);
}

/* What is behind a disk's name, from the end: limits, then what becomes of the image. The rest is the name. */
static void test_disk_words(void)
{
	static const struct {
		const char *line, *path;
		enum virtio_blk_use use;
		struct rate_options rate;
	} rows[] = {
		{ "keel run --kernel k --disk d,bps=10M", "d", VIRTIO_BLK_WRITTEN, { .bytes = 10 << 20 } },
		{ "keel run --kernel k --disk d,ro,iops=500", "d", VIRTIO_BLK_READ, { .requests = 500 } },
		{ "keel run --kernel k --disk d,snapshot,iops_max=7,bps_max=64K,iops=5,bps=1T", "d", VIRTIO_BLK_SNAPSHOT,
		  { 1ULL << 40, 5, 64 << 10, 7 } },
		{ "keel run --kernel k --disk d,bps=1,rw", "d,bps=1", VIRTIO_BLK_WRITTEN, { 0 } },
		{ "keel run --kernel k --disk d,ro,rw,bps=1", "d,ro", VIRTIO_BLK_WRITTEN, { .bytes = 1 } },
		{ "keel run --kernel k --disk d,bps=1,iops=2,bps=3", "d", VIRTIO_BLK_WRITTEN, { .bytes = 1, .requests = 2 } },
		{ "keel run --kernel k --disk d,bps", "d,bps", VIRTIO_BLK_WRITTEN, { 0 } },
		{ "keel run --kernel k --disk bps=1", "bps=1", VIRTIO_BLK_WRITTEN, { 0 } },
		{ "keel run --kernel k --disk d,xbps=1", "d,xbps=1", VIRTIO_BLK_WRITTEN, { 0 } },
		{ "keel run --kernel k --disk nbd:unix:/s,ro,bps=1", "nbd:unix:/s", VIRTIO_BLK_READ, { .bytes = 1 } },
		{ "keel restore f --disk d,iops=3", "d", VIRTIO_BLK_WRITTEN, { .requests = 3 } },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		enum options_action action;
		struct options options;

		CHECK_EQ(rows[i].line, 0, parse(&options, &action, rows[i].line));
		ASSERT_EQ(options.disk_count, 1);
		CHECK_EQ(options.disks[0].path, 0, strcmp(rows[i].path, options.disks[0].path));
		CHECK_EQ("use", rows[i].use, options.disks[0].use);
		CHECK_EQ("limits", 0, memcmp(&rows[i].rate, &options.disks[0].rate, sizeof(rows[i].rate)));
		options_free(&options);
	}
}

static void test_jail(void)
{
	static const struct {
		const char *line;
		int want;
		u32 user, group;
		const char *cgroup;
	} rows[] = {
		{ "keel run --kernel k", 0 },
		{ "keel run --kernel k --jail user=64001", 0, 64001, 64001 },
		{ "keel run --kernel k --jail=user=1:2,cgroup=/c/d", 0, 1, 2, "/c/d" },
		{ "keel run --kernel k --jail cgroup=/c,user=4294967294:4294967294", 0, 4294967294, 4294967294, "/c" },
		{ "keel restore f --jail user=7", 0, 7, 7 },
		{ "keel run --kernel k --jail user=7 --share socket=/s,tag=t --net user --markable --name x", STATUS_USAGE },
		{ "keel run --kernel k --jail user=7 --share socket=/s,tag=t --net user --gdb s --vfio 00:02.0", 0, 7, 7 },
		{ "keel run --kernel k --jail", STATUS_USAGE },
		{ "keel run --kernel k --jail auto", STATUS_USAGE },
		{ "keel run --kernel k --jail user=", STATUS_USAGE },
		{ "keel run --kernel k --jail user=0", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1:0", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1:", STATUS_USAGE },
		{ "keel run --kernel k --jail user=:1", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1:2:3", STATUS_USAGE },
		{ "keel run --kernel k --jail user=-1", STATUS_USAGE },
		{ "keel run --kernel k --jail user=4294967295", STATUS_USAGE },
		{ "keel run --kernel k --jail user=18446744073709551617", STATUS_USAGE },
		{ "keel run --kernel k --jail user=nobody", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1,user=2", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1,", STATUS_USAGE },
		{ "keel run --kernel k --jail ,user=1", STATUS_USAGE },
		{ "keel run --kernel k --jail cgroup=/c", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1,cgroup=", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1,cgroup=c", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1,cgroup=/c,cgroup=/c", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1 --jail user=1", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1 --no-sandbox", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1 --forkable --name x", STATUS_USAGE },
		{ "keel run --kernel k --jail user=1 --share /s", STATUS_USAGE },
		{ "keel restore f --jail user=1 --no-sandbox", STATUS_USAGE },
		{ "keel restore f --jail user=1 --forkable --name x", STATUS_USAGE },
		{ "keel ctl x status --jail user=1", STATUS_USAGE },
	};
	struct options options;
	enum options_action action;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = parse(&options, &action, rows[i].line);

		CHECK_EQ(rows[i].line, rows[i].want, ret);
		if (!ret) {
			CHECK_EQ(rows[i].line, !!rows[i].user, options.jail.is_wanted);
			CHECK_EQ(rows[i].line, rows[i].user, options.jail.user);
			CHECK_EQ(rows[i].line, rows[i].group, options.jail.group);
			CHECK_EQ(rows[i].line, 1, rows[i].cgroup ? options.jail.cgroup && !strcmp(rows[i].cgroup, options.jail.cgroup) : !options.jail.cgroup);
		}
		options_free(&options);
	}
}

static void test_memory_backing(void)
{
	static const struct {
		const char *line;
		int want;
		u32 backing;
	} rows[] = {
		{ "keel run --kernel k", 0, 0 },
		{ "keel run --kernel k --memory-backing merge", 0, MEMORY_MERGE },
		{ "keel run --kernel k --memory-backing=shared,hugetlb", 0, MEMORY_SHARED | MEMORY_HUGETLB },
		{ "keel restore f --memory-backing merge", 0, MEMORY_MERGE },
		{ "keel run --kernel k --memory 257M --memory-backing hugetlb", STATUS_USAGE, 0 },
		{ "keel run --kernel k --vfio 00:02.0 --memory-backing merge", STATUS_USAGE, 0 },
		{ "keel run --kernel k --memory-backing merge --net vhost-user=/s", STATUS_USAGE, 0 },
		{ "keel run --kernel k --memory-backing merge --share /s", STATUS_USAGE, 0 },
		{ "keel run --kernel k --memory-backing thp --share /s", 0, MEMORY_THP },
		{ "keel run --kernel k --memory-backing all", STATUS_USAGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want)
			CHECK_EQ("backing", rows[i].backing, options.memory_backing);
		options_free(&options);
	}
}

static void test_balloon(void)
{
	static const struct {
		const char *line;
		int want;
		struct balloon_options balloon;
	} rows[] = {
		{ "keel run --kernel k", 0, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0", 0, { true, true, true, 0 } },
		{ "keel run --kernel k --balloon=size=64M", 0, { true, true, true, 64 << 20 } },
		{ "keel run --kernel k --balloon deflate_on_oom=off", 0, { true, false, true, 0 } },
		{ "keel run --kernel k --balloon free_page_reporting=off,size=4K,deflate_on_oom=on", 0, { true, true, false, 4096 } },
		{ "keel run --kernel k --balloon size=240M", 0, { true, true, true, 240 << 20 } },
		{ "keel run --kernel k --balloon size=241M", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --balloon size=1G --kernel k --memory 2G", 0, { true, true, true, 1 << 30 } },
		{ "keel run --kernel k --balloon size=2T", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=4095", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=x", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon 64M", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon=", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0,", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon deflate_on_oom=yes", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0 --balloon size=0", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0 --vfio 00:02.0", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0 --memory-backing hugetlb", STATUS_USAGE, { .is_wanted = false } },
		{ "keel run --kernel k --balloon size=0 --memory-backing shared", 0, { true, true, true, 0 } },
		{ "keel restore f --balloon size=0", STATUS_USAGE, { .is_wanted = false } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("wanted", rows[i].balloon.is_wanted, options.balloon.is_wanted);
			CHECK_EQ("size", rows[i].balloon.size, options.balloon.size);
			CHECK_EQ("deflated on OOM", rows[i].balloon.deflate_on_oom, options.balloon.deflate_on_oom);
			CHECK_EQ("reporting", rows[i].balloon.free_page_reporting, options.balloon.free_page_reporting);
		}
		options_free(&options);
	}
}

static void test_ctl_balloon(void)
{
	static const struct {
		const char *line;
		int want;
		u64 size;
	} rows[] = {
		{ "keel ctl s balloon 64M", 0, 64 << 20 },
		{ "keel ctl s balloon 0", 0, 0 },
		{ "keel ctl s --json balloon 5", 0, 5 },
		{ "keel ctl s balloon", STATUS_USAGE, 0 },
		{ "keel ctl s balloon 64MB", STATUS_USAGE, 0 },
		{ "keel ctl s balloon 1 2", STATUS_USAGE, 0 },
		{ "keel ctl s status 64M", STATUS_USAGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("size", rows[i].size, options.size);
			CHECK_EQ("files", 0, options.file_count);
		}
		options_free(&options);
	}
}

static void test_forkable(void)
{
	static const struct {
		const char *line;
		int want;
		bool is_forkable;
	} rows[] = {
		{ "keel run --kernel k", 0, false },
		{ "keel run --kernel k --forkable --name n", 0, true },
		{ "keel run --kernel k --forkable --control s --cpus 8 --disk d,ro --balloon size=0 --watchdog --gdb /g", 0, true },
		{ "keel run --kernel k --forkable --control s --memory-backing merge --disk d,snapshot", 0, true },
		{ "keel run --firmware seabios --reset reboot --forkable --control s", 0, true },
		{ "keel run --firmware ovmf --forkable --control s", 0, true },
		{ "keel run --firmware ovmf --firmware-vars v --forkable --control s", STATUS_USAGE, false },
		{ "keel restore f --forkable --name n --disk d,ro", 0, true },
		{ "keel run --kernel k --forkable", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --disk d,ro --disk e", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --disk nbd://localhost/d,ro", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --disk ./nbd:d,ro", 0, true },
		{ "keel run --kernel k --forkable --name n --net user --net user,forward=1:2", 0, true },
		{ "keel run --kernel k --forkable --name n --net user --net tap=t", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --net tap=t,vhost=off", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --share /s", STATUS_USAGE, false },
		{ "keel restore f --share /s", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --vfio 00:02.0", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --memory-backing shared", STATUS_USAGE, false },
		{ "keel run --kernel k --forkable --name n --memory-backing hugetlb", STATUS_USAGE, false },
		{ "keel restore f --forkable", STATUS_USAGE, false },
		{ "keel restore f --forkable --name n --disk d", STATUS_USAGE, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want)
			CHECK_EQ("forkable", rows[i].is_forkable, options.is_forkable);
		options_free(&options);
	}
}

static void test_markable(void)
{
	static const struct {
		const char *line;
		int want;
		bool is_markable, to_mark, is_same;
	} rows[] = {
		{ "keel run --kernel k", 0, false, false },
		{ "keel run --kernel k --markable --name n", 0, true, false },
		{ "keel run --kernel k --markable --control s --cpus 8 --disk d,ro --disk e,snapshot --balloon size=0 --gdb /g", 0, true, false },
		{ "keel run --kernel k --markable --forkable --control s --console virtio", 0, true, false },
		{ "keel run --kernel k --markable --control s --memory-backing thp", 0, true, false },
		{ "keel restore f --markable --name n --disk d,ro", 0, true, false },
		{ "keel ctl n mark", 0, false, false },
		{ "keel ctl n reset", 0, false, false },
		{ "keel ctl n reset --to-mark", 0, false, true },
		{ "keel ctl --json --to-mark n reset", 0, false, true },
		{ "keel ctl n reset --to-mark --same", 0, false, true, true },
		{ "keel ctl n reset --same", STATUS_USAGE, false, false },
		{ "keel ctl n mark --same", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --disk d,ro --disk e", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --net user", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --share /s", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --memory-backing shared", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --vfio 00:02.0", STATUS_USAGE, false, false },
		{ "keel run --kernel k --markable --name n --watchdog", STATUS_USAGE, false, false },
		{ "keel run --firmware seabios --markable --name n", STATUS_USAGE, false, false },
		{ "keel restore f --markable", STATUS_USAGE, false, false },
		{ "keel restore f --markable --name n --disk d", STATUS_USAGE, false, false },
		{ "keel ctl n mark --to-mark", STATUS_USAGE, false, false },
		{ "keel ctl n status --to-mark", STATUS_USAGE, false, false },
		{ "keel ctl n reset --to-mark=1", STATUS_USAGE, false, false },
		{ "keel ctl n mark f", STATUS_USAGE, false, false },
		{ "keel run --kernel k --to-mark", STATUS_USAGE, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("markable", rows[i].is_markable, options.is_markable);
			CHECK_EQ("to the mark", rows[i].to_mark, options.to_mark);
			CHECK_EQ("as the same", rows[i].is_same, options.is_same);
		}
		options_free(&options);
	}
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void test_incremental(void)
{
	static const struct {
		const char *line;
		int want;
		bool is_tracked;
		const char *base;
	} rows[] = {
		{ "keel ctl n save f", 0, false, NULL },
		{ "keel ctl n save f --track", 0, true, NULL },
		{ "keel ctl n save --incremental a f", 0, false, "a" },
		{ "keel ctl n save f --incremental=a", 0, false, "a" },
		{ "keel ctl n save f --incremental", STATUS_USAGE, false, NULL },
		{ "keel ctl n save f --incremental=", STATUS_USAGE, false, NULL },
		{ "keel ctl n save --incremental a", STATUS_USAGE, false, NULL },
		{ "keel ctl n save f --incremental a --track", STATUS_USAGE, false, NULL },
		{ "keel ctl n status --track", STATUS_USAGE, false, NULL },
		{ "keel ctl n fork --incremental a", STATUS_USAGE, false, NULL },
		{ "keel restore f --track", STATUS_USAGE, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("tracked", rows[i].is_tracked, options.is_tracked);
			CHECK_EQ("the base", 0, strcmp(rows[i].base ?: "", options.base ?: ""));
			CHECK_EQ("the file", 0, strcmp("f", options.files[0]));
		}
		options_free(&options);
	}
}

static void test_load(void)
{
	static const struct {
		const char *line;
		int want;
		enum options_load load;
	} rows[] = {
		{ "keel restore f", 0, OPTIONS_LOAD_ANY },
		{ "keel restore f --memory lazy", 0, OPTIONS_LOAD_LAZY },
		{ "keel restore --memory=eager f", 0, OPTIONS_LOAD_EAGER },
		{ "keel restore f --memory 1G", STATUS_USAGE, OPTIONS_LOAD_ANY },
		{ "keel restore f --memory", STATUS_USAGE, OPTIONS_LOAD_ANY },
		{ "keel restore f --memory lazy --memory lazy", STATUS_USAGE, OPTIONS_LOAD_ANY },
		{ "keel restore --listen unix:/tmp/x --memory lazy", STATUS_USAGE, OPTIONS_LOAD_ANY },
		{ "keel run --kernel k --memory lazy", STATUS_USAGE, OPTIONS_LOAD_ANY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want)
			CHECK_EQ("when", rows[i].load, options.load);
		options_free(&options);
	}
}

static void test_migrate(void)
{
	static const struct {
		const char *line;
		int want;
		const char *migration, *file, *listen;
	} rows[] = {
		{ "keel ctl n migrate unix:/tmp/x", 0, NULL, "unix:/tmp/x", NULL },
		{ "keel ctl --json n migrate tcp:10.0.0.1:4444", 0, NULL, "tcp:10.0.0.1:4444", NULL },
		{ "keel ctl n migrate --status", 0, "migrate-status", NULL, NULL },
		{ "keel ctl n migrate --cancel", 0, "migrate-cancel", NULL, NULL },
		{ "keel ctl n --take-back migrate", 0, "migrate-take-back", NULL, NULL },
		{ "keel restore --listen unix:/tmp/x --disk d --name n --daemon", 0, NULL, NULL, "unix:/tmp/x" },
		{ "keel restore --listen=tcp:[::1]:4444", 0, NULL, NULL, "tcp:[::1]:4444" },
		{ "keel restore f", 0, NULL, "f", NULL },
		{ "keel ctl n migrate", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n migrate /tmp/x", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n migrate tcp:host:1", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n migrate unix:/tmp/x unix:/tmp/y", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n migrate unix:/tmp/x --status", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n migrate --status --cancel", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n status --status", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel ctl n save f --cancel", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel restore --listen unix:/tmp/x f", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel restore --listen here", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel restore --listen", STATUS_USAGE, NULL, NULL, NULL },
		{ "keel run --kernel k --listen unix:/tmp/x", STATUS_USAGE, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("in its place", 1, is_same(rows[i].migration, options.migration));
			CHECK_EQ("file or address", 1, is_same(rows[i].file, options.files[0]));
			CHECK_EQ("where it listens", 1, is_same(rows[i].listen, options.listen));
		}
		options_free(&options);
	}
}

static void test_ctl_fork(void)
{
	static const struct {
		const char *line;
		int want;
		const char *control, *name, *serial;
		bool is_paused;
		const char *report;
		bool waits;
	} rows[] = {
		{ "keel ctl s fork", 0, NULL, NULL, NULL, false },
		{ "keel ctl s fork --wait", 0, NULL, NULL, NULL, false, NULL, true },
		{ "keel ctl s fork --status-json r", 0, NULL, NULL, NULL, false, "r", false },
		{ "keel ctl s fork --status-json r --wait --paused", 0, NULL, NULL, NULL, true, "r", true },
		{ "keel ctl s quit --wait", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s pause --status-json r", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --wait=1", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel run --kernel k --wait", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --net user --net user,forward=1:2 --name n", 0, NULL, "n", NULL, false },
		{ "keel ctl s fork --net tap=t", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --net user,mac=02:00:00:00:00:01", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --net user,bps=1M", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s status --net user", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --control c --serial f --paused", 0, "c", NULL, "f", true },
		{ "keel ctl --name=n --json s fork", 0, NULL, "n", NULL, false },
		{ "keel ctl s fork --control c --name n", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork c", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --serial=", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --forkable", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s fork --paused=1", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s pause --paused", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s status --control c", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel ctl s save f --serial g", STATUS_USAGE, NULL, NULL, NULL, false },
		{ "keel run --kernel k --serial f", STATUS_USAGE, NULL, NULL, NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(rows[i].line, rows[i].want, parse(&options, &action, rows[i].line));
		if (!rows[i].want) {
			CHECK_EQ("its socket", 1, is_same(rows[i].control, options.control));
			CHECK_EQ("its name", 1, is_same(rows[i].name, options.name));
			CHECK_EQ("its serial port", 1, is_same(rows[i].serial, options.serial));
			CHECK_EQ("it is paused", rows[i].is_paused, options.is_paused);
			CHECK_EQ("its report", 1, is_same(rows[i].report, options.status_json));
			CHECK_EQ("it is waited for", rows[i].waits, options.waits);
		}
		options_free(&options);
	}
}

static void test_firmware(void)
{
	static const struct {
		const char *line;
		int status;
	} rows[] = {
		{ "keel run --firmware seabios", 0 },
		{ "keel run --firmware=/some/image --disk d", 0 },
		{ "keel run --firmware seabios --kernel k", STATUS_USAGE },
		{ "keel run --firmware seabios --initrd i", STATUS_USAGE },
		{ "keel run --firmware seabios --append console=ttyS0", STATUS_USAGE },
		{ "keel run --firmware seabios --firmware seabios", STATUS_USAGE },
		{ "keel run --firmware=", STATUS_USAGE },
		{ "keel run --firmware ovmf", 0 },
		{ "keel run --firmware ovmf --firmware-vars v", 0 },
		{ "keel run --firmware /some/image --firmware-vars v --reset reboot", 0 },
		{ "keel run --firmware ovmf --firmware-vars=", STATUS_USAGE },
		{ "keel run --firmware ovmf --firmware-vars v --firmware-vars w", STATUS_USAGE },
		{ "keel run --firmware seabios --firmware-vars v", STATUS_USAGE },
		{ "keel run --kernel k --firmware-vars v", STATUS_USAGE },
		{ "keel run --firmware ovmf --kernel k", STATUS_USAGE },
		{ "keel restore --firmware-vars v state", STATUS_USAGE },
		{ "keel run --disk d", STATUS_USAGE },
		{ "keel run --firmware seabios --reset reboot", 0 },
		{ "keel run --firmware seabios --reset=exit --gdb /g", 0 },
		{ "keel run --kernel k --reset exit", 0 },
		{ "keel run --kernel k --reset reboot", STATUS_USAGE },
		{ "keel run --firmware seabios --reset halt", STATUS_USAGE },
		{ "keel run --kernel k --entry auto", 0 },
		{ "keel run --kernel k --console serial", 0 },
		{ "keel run --firmware seabios --console virtio", 0 },
		{ "keel run --kernel k --console vga", STATUS_USAGE },
		{ "keel run --kernel k --console=", STATUS_USAGE },
		{ "keel restore --console virtio state", STATUS_USAGE },
		{ "keel run --kernel k --entry multiboot", 0 },
		{ "keel run --kernel k --entry bios", STATUS_USAGE },
		{ "keel run --kernel k --entry=", STATUS_USAGE },
		{ "keel run --kernel k --entry pvh --entry linux", STATUS_USAGE },
		{ "keel run --firmware seabios --entry pvh", STATUS_USAGE },
		{ "keel restore --entry pvh state", STATUS_USAGE },
		{ "keel run --firmware seabios --reset reboot --gdb /g", STATUS_USAGE },
		{ "keel run --firmware seabios --reset reboot --vfio 00:02.0", STATUS_USAGE },
		{ "keel run --firmware seabios --reset reboot --watchdog", 0 },
		{ "keel restore --firmware seabios state", STATUS_USAGE },
	};
	struct options options;
	enum options_action action;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].line, rows[i].status, parse(&options, &action, rows[i].line));
		options_free(&options);
	}
	ASSERT_EQ(parse(&options, &action, "keel run --firmware x"), 0);
	ASSERT_EQ(strcmp(options.firmware, "x"), 0);
	options_free(&options);
	ASSERT_EQ(parse(&options, &action, "keel run --kernel k"), 0);
	ASSERT_EQ(options.entry, BOOT_AUTO);
	options_free(&options);
	ASSERT_EQ(parse(&options, &action, "keel run --kernel k --entry=pvh"), 0);
	ASSERT_EQ(options.entry, BOOT_PVH);
	ASSERT(!options.virtio_console && !strcmp(options.append, "console=ttyS0"), "a serial port");
	options_free(&options);
	ASSERT_EQ(parse(&options, &action, "keel run --kernel=k --console=virtio"), 0);
	ASSERT(options.virtio_console && !strcmp(options.append, "console=hvc0"), "a virtio console");
	options_free(&options);
	ASSERT_EQ(parse(&options, &action, "keel run --kernel=k --console=virtio --append=a"), 0);
	ASSERT(options.virtio_console && !strcmp(options.append, "a"), "its own command line");
	options_free(&options);
}

static void test_vfio(void)
{
	static const char *const wanted[] = { "0000:00:02.0", "0000:a0:1f.7", "10000:e1:00.0", "0001:02:03.4" };
	struct options options;
	enum options_action action;

	ASSERT_EQ(parse(&options, &action, "keel run --kernel k --vfio 00:02.0 --vfio=A0:1F.7 --vfio 10000:e1:00.0 --vfio 1:2:3.4"), 0);
	ASSERT_EQ(options.vfio_count, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		CHECK_EQ(wanted[i], 0, strcmp(wanted[i], options.vfio[i]));
	options_free(&options);
}

static void test_gdb(void)
{
	static const struct {
		const char *value, *address;	/* NULL: refused */
		bool is_waiting;
	} rows[] = {
		{ "/run/g", "/run/g", false },
		{ "/run/g,wait", "/run/g", true },
		{ "/run/g,wait,wait", "/run/g,wait", true },
		{ "tcp:1234,wait", "tcp:1234", true },
		{ "tcp:[::1]:1234", "tcp:[::1]:1234", false },
		{ ",wait", NULL, true },
		{ "tcp:x", NULL, false },
	};
	struct options options;
	enum options_action action;
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(line, sizeof(line), "keel run --kernel k --gdb %s", rows[i].value);
		CHECK_EQ(rows[i].value, rows[i].address ? 0 : STATUS_USAGE, parse(&options, &action, line));
		CHECK_EQ(rows[i].value, rows[i].is_waiting, options.gdb_waits);
		if (rows[i].address)
			CHECK_EQ(rows[i].value, 0, strcmp(options.gdb, rows[i].address));
		options_free(&options);
	}
}

static void test_dma(void)
{
	struct options options;
	enum options_action action;

	ASSERT_EQ(parse(&options, &action, "keel dma"), 0);
	ASSERT(!options.json && !strcmp(options.device, "/dev/keel"), "a table, of /dev/keel");
	options_free(&options);
	ASSERT_EQ(parse(&options, &action, "keel dma --json --device=/dev/other"), 0);
	ASSERT(options.json && !strcmp(options.device, "/dev/other"), "JSON, of another node");
	options_free(&options);
}

static void test_dma_policy(void)
{
	static const struct {
		const char *line;
		u64 policy;
	} rows[] = {
		{ "keel run --kernel k", KEEL_DMA_POLICY_OFF },
		{ "keel run --kernel k --dma off", KEEL_DMA_POLICY_OFF },
		{ "keel run --kernel k --dma report", KEEL_DMA_POLICY_REPORT },
		{ "keel run --kernel k --dma=enforce", KEEL_DMA_POLICY_ENFORCE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		ASSERT_EQ(parse(&options, &action, rows[i].line), 0);
		CHECK_EQ(rows[i].line, rows[i].policy, options.dma_policy);
		options_free(&options);
	}
}

static void test_cpu_model(void)
{
	static const struct {
		const char *line;
		u64 level, is_hosts;
	} rows[] = {
		{ "keel run --kernel k", 0, 0 },
		{ "keel run --kernel k --cpu-model host", 0, 0 },
		{ "keel run --kernel k --cpu-model x86-64-v2", 2, 0 },
		{ "keel run --kernel k --cpu-model=x86-64,+aes,vendor=host", 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action;

		ASSERT_EQ(parse(&options, &action, rows[i].line), 0);
		CHECK_EQ(rows[i].line, rows[i].level, options.cpu_model.level);
		CHECK_EQ(rows[i].line, rows[i].is_hosts, options.cpu_model.has_host_vendor);
		CHECK_EQ(rows[i].line, rows[i].is_hosts, cpu_features_has(&options.cpu_model.added, "aes"));
		options_free(&options);
	}
}

static void test_actions(void)
{
	static const struct {
		const char *line;
		enum options_action action;
	} rows[] = {
		{ "keel --help", OPTIONS_HELP },
		{ "keel -h", OPTIONS_HELP },
		{ "keel --version", OPTIONS_VERSION },
		{ "keel run --help", OPTIONS_HELP_RUN },
		{ "keel run --kernel k --help", OPTIONS_HELP_RUN },
		{ "keel help", OPTIONS_HELP },
		{ "keel help run", OPTIONS_HELP_RUN },
		{ "keel help ctl", OPTIONS_HELP_CTL },
		{ "keel help list", OPTIONS_HELP_LIST },
		{ "keel help dma", OPTIONS_HELP_DMA },
		{ "keel cpu-models", OPTIONS_CPU_MODELS },
		{ "keel cpu-models --json --device /dev/kvm", OPTIONS_CPU_MODELS },
		{ "keel cpu-models --help", OPTIONS_HELP_CPU_MODELS },
		{ "keel help cpu-models", OPTIONS_HELP_CPU_MODELS },
		{ "keel help cpu", OPTIONS_HELP_CPU },
		{ "keel help memory", OPTIONS_HELP_MEMORY },
		{ "keel help net", OPTIONS_HELP_NET },
		{ "keel help share", OPTIONS_HELP_SHARE },
		{ "keel help config", OPTIONS_HELP_CONFIG },
		{ "keel help control", OPTIONS_HELP_CONTROL },
		{ "keel help gdb", OPTIONS_HELP_GDB },
		{ "keel ctl s status", OPTIONS_CTL },
		{ "keel ctl --json ./s no-such-command", OPTIONS_CTL },
		{ "keel ctl s status --json", OPTIONS_CTL },
		{ "keel ctl --help", OPTIONS_HELP_CTL },
		{ "keel list", OPTIONS_LIST },
		{ "keel list --json", OPTIONS_LIST },
		{ "keel list -h", OPTIONS_HELP_LIST },
		{ "keel ctl s save f", OPTIONS_CTL },
		{ "keel ctl s balloon 64M", OPTIONS_CTL },
		{ "keel restore f", OPTIONS_RESTORE },
		{ "keel restore --disk a --disk b,ro f --name n --daemon", OPTIONS_RESTORE },
		{ "keel restore --help", OPTIONS_HELP_RESTORE },
		{ "keel help restore", OPTIONS_HELP_RESTORE },
		{ "keel inspect f", OPTIONS_INSPECT },
		{ "keel inspect --json f", OPTIONS_INSPECT },
		{ "keel inspect f --diff g", OPTIONS_INSPECT },
		{ "keel inspect -h", OPTIONS_HELP_INSPECT },
		{ "keel help inspect", OPTIONS_HELP_INSPECT },
		{ "keel dma", OPTIONS_DMA },
		{ "keel dma --json --json", OPTIONS_DMA },
		{ "keel dma --device /dev/kvm", OPTIONS_DMA },
		{ "keel dma --json --help", OPTIONS_HELP_DMA },
		{ "keel dma -h", OPTIONS_HELP_DMA },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options;
		enum options_action action = OPTIONS_RUN;

		CHECK_EQ(rows[i].line, 0, parse(&options, &action, rows[i].line));
		CHECK_EQ(rows[i].line, rows[i].action, action);
		options_free(&options);
	}
}

static void test_refusals(void)
{
	static const char *const lines[] = {
		"keel",
		"keel start",
		"keel run",
		"keel run --kernel",
		"keel run --kernel k extra",
		"keel run --kernel k -x",
		"keel run --kernel k --",
		"keel run --kernel k --unknown 1",
		"keel run --kern k",
		"keel run --kernel k --kernel l",
		"keel run --kernel k --cpus 0",
		"keel run --kernel k --cpus 255",
		"keel run --kernel k --cpus two",
		"keel run --kernel k --cpus -1",
		"keel run --kernel k --memory 15M",
		"keel run --kernel k --memory 2T",
		"keel run --kernel k --memory 16777217",
		"keel run --kernel k --memory lots",
		"keel run --kernel k --disk ,ro",
		"keel run --kernel k --disk ,bps=1",
		"keel run --kernel k --disk d,bps=",
		"keel run --kernel k --disk d,iops=1K",
		"keel run --kernel k --disk d,iops=0",
		"keel run --kernel k --disk d,bps=1,bps=1x",
		"keel run --kernel k --disk d,bps=00000000000000000000000000000000000000000000000000000001",
		"keel run --kernel k --disk d,bps_max=1",
		"keel run --kernel k --disk d,bps=1,iops_max=1",
		"keel run --kernel k --disk nbd:d",
		"keel run --kernel k --disk nbd://example.org/d,ro",
		"keel run --kernel k --disk nbds://127.0.0.1/d",
		"keel run --kernel k --disk=",
		"keel run --kernel k --no-rng=1",
		"keel run --kernel k --no-sandbox=no",
		"keel run --kernel k --stats=yes",
		"keel run --kernel k --json",
		"keel run --kernel k --vfio",
		"keel run --kernel k --vfio=",
		"keel run --kernel k --vfio 00:02",
		"keel run --kernel k --vfio 00:02.8",
		"keel run --kernel k --vfio 00:20.0",
		"keel run --kernel k --vfio 00:02.00",
		"keel run --kernel k --vfio 1000000:00:02.0",
		"keel run --kernel k --vfio 0:-1:02.0",
		"keel run --kernel k --vfio /sys/bus/pci/devices/0000:00:02.0",
		"keel run --kernel k --vfio 00:02.0 --vfio 0000:00:02.0",
		"keel run --kernel k --vfio 1:0.0 --vfio 1:1.0 --vfio 1:2.0 --vfio 1:3.0 --vfio 1:4.0 --vfio 1:5.0 --vfio 1:6.0 "
		"--vfio 1:7.0 --vfio 1:8.0",
		"keel dma --vfio 00:02.0",
		"keel run --kernel k --dma",
		"keel run --kernel k --dma on",
		"keel run --kernel k --dma Enforce",
		"keel run --kernel k --dma=",
		"keel run --kernel k --dma off --dma off",
		"keel dma --dma off",
		"keel run --kernel k --cpu-model",
		"keel run --kernel k --cpu-model x86-65",
		"keel run --kernel k --cpu-model host --cpu-model host",
		"keel cpu-models x86-64",
		"keel cpu-models --cpus 2",
		"keel restore f --cpu-model host",
		"keel ctl",
		"keel ctl s",
		"keel ctl s status more",
		"keel ctl s status --cpus 2",
		"keel ctl --json",
		"keel list s",
		"keel list --name n",
		"keel help nothing",
		"keel run --kernel k --control=",
		"keel run --kernel k --control",
		"keel run --kernel k --name=",
		"keel run --kernel k --name .",
		"keel run --kernel k --name ../x",
		"keel run --kernel k --name=-x",
		"keel run --kernel k --name a/b",
		"keel run --kernel k --name 0123456789012345678901234567890123456789012345678901234567890123x",
		"keel run --kernel k --daemon=yes",
		"keel run --kernel k --pid-file",
		"keel run --kernel k --config /nowhere",
		"keel run --kernel k --config /tmp",
		"keel dma --kernel k",
		"keel dma --stats",
		"keel dma --device",
		"keel dma --device --json",
		"keel dma --device a --device b",
		"keel dma --json=1",
		"keel dma 00:02.0",
		"keel ctl s save",
		"keel ctl s save a b",
		"keel ctl s save a b c",
		"keel restore",
		"keel restore a b",
		"keel restore a b c",
		"keel restore a --kernel k",
		"keel restore a --memory 1G",
		"keel inspect",
		"keel inspect a b",
		"keel inspect --diff a",
		"keel inspect --diff a b c",
		"keel inspect --diff --json a b",
		"keel inspect a --disk d",
		"keel dma -j",
		"keel run --kernel k --disk 1 --disk 2 --disk 3 --disk 4 --disk 5 --disk 6 --disk 7 "
		"--disk 8 --disk 9 --disk 10 --disk 11 --disk 12 --disk 13 --disk 14 --disk 15 "
		"--disk=16 --disk=17",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct options options;
		enum options_action action;

		CHECK_EQ(lines[i], STATUS_USAGE, parse(&options, &action, lines[i]));
		options_free(&options);
	}
}

static void test_json(void)
{
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	ASSERT(out, "fmemopen");
	status_write_json(out, STATUS_CRASH, "a \"quoted\\ reason\n", NULL);
	fclose(out);
	ASSERT_EQ(strcmp(text, "{\"status\": 9, \"name\": \"crash\", "
			 "\"reason\": \"a \\\"quoted\\\\ reason\\u000a\"}\n"), 0);
	out = fmemopen(text, sizeof(text), "w");
	ASSERT(out, "fmemopen");
	status_write_json(out, STATUS_OK, "", "{\"vm\": {}}");
	fclose(out);
	ASSERT_EQ(strcmp(text, "{\"status\": 0, \"name\": \"poweroff\", \"reason\": \"\", "
			 "\"stats\": {\"vm\": {}}}\n"), 0);
	/* A file's name: it is told as it is, if that is text. */
	out = fmemopen(text, sizeof(text), "w");
	ASSERT(out, "fmemopen");
	status_write_json(out, STATUS_DISK, "--disk caf\xc3\xa9 \xe9\x7f\xe2\x82", NULL);
	fclose(out);
	test_note("%s", text);
	ASSERT_EQ(strcmp(text, "{\"status\": 7, \"name\": \"disk\", \"reason\": \"--disk caf\xc3\xa9 ?\\u007f??\"}\n"), 0);
}

/* A row's number is a bit of a word. */
static void test_tables(void)
{
	size_t count = guest_option_table.count + device_option_table.count + run_option_table.count + ctl_option_table.count;

	test_note("%zu rows", count);
	CHECK_EQ("a bit for each", 1, count > 40 && count <= OPTION_ROWS_MAX);
}

static const struct test_case cases[] = {
	{ "tables", test_tables },
	{ "jail", test_jail },
	{ "disk_words", test_disk_words },
	{ "sizes", test_sizes },
	{ "defaults", test_defaults },
	{ "all_options", test_all_options },
	{ "memory_backing", test_memory_backing },
	{ "balloon", test_balloon },
	{ "ctl_balloon", test_ctl_balloon },
	{ "incremental", test_incremental },
	{ "load", test_load },
	{ "migrate", test_migrate },
	{ "ctl_fork", test_ctl_fork },
	{ "forkable", test_forkable },
	{ "markable", test_markable },
	{ "firmware", test_firmware },
	{ "vfio", test_vfio },
	{ "gdb", test_gdb },
	{ "dma", test_dma },
	{ "dma_policy", test_dma_policy },
	{ "cpu_model", test_cpu_model },
	{ "actions", test_actions },
	{ "refusals", test_refusals },
	{ "json", test_json },
};

TEST_MAIN(cases)
