// SPDX-License-Identifier: GPL-2.0-only
/* The file of --config: what it sets, what the command line takes back, and what is refused, with the line. */
#include <fcntl.h>
#include <unistd.h>

#include "test.h"
#include "userspace/option_row.h"
#include "userspace/options.h"
#include "userspace/status.h"

static char path[] = "/tmp/keel-config.XXXXXX";
static int errors = -1;

/* Parse "keel run --config FILE" and @more, with @text in the file; @said gets what is printed. */
static int parse(struct options *options, const char *text, size_t size, const char *more, char said[1024])
{
	char *argv[16] = { "keel", "run", "--config", path };
	enum options_action action;
	char copy[256];
	int argc = 4, fd;

	if (errors < 0) {
		fd = mkstemp(path);
		ASSERT_GE(fd, 0);
		close(fd);
		errors = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		ASSERT_GE(errors, 0);
	}
	fd = open(path, O_WRONLY | O_TRUNC);
	ASSERT_EQ(write(fd, text, size), (s64)size);
	close(fd);
	snprintf(copy, sizeof(copy), "%s", more);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strdup(word);

	int before = dup(STDERR_FILENO);

	ASSERT_EQ(ftruncate(errors, 0), 0);
	ASSERT_EQ(lseek(errors, 0, SEEK_SET), 0);
	dup2(errors, STDERR_FILENO);
	int ret = options_parse(options, &action, argc, argv);

	dup2(before, STDERR_FILENO);
	close(before);
	ssize_t got = pread(errors, said, 1023, 0);

	said[got > 0 ? got : 0] = 0;
	return ret;
}

static void test_all(void)
{
	static const char text[] =
		"{ \"kernel\": \"vmlinuz\", \"initrd\": \"initrd\",\n"
		"  \"append\": \"a \\\"b\\\" {c}: [d], \\\\\",\n"
		"  \"cpus\": 3, \"memory\": \"1G\",\n"
		"  \"disk\": [ \"one\", \"two,ro\" ], \"net\": [ \"tap=tap0,queues=2\", \"user,forward=2222:22\" ],\n"
		"  \"device\": \"/dev/kvm\", \"dma\": \"report\", \"no-rng\": true, \"no-sandbox\": false, \"stats\": true,\n"
		"  \"gdb\": \"tcp:1234,wait\", \"status-json\": \"end\", \"control\": \"here\", \"name\": \"me\", \"daemon\": true, \"pid-file\": \"pid\" }\n";
	struct options options;
	char said[1024];

	ASSERT_EQ(parse(&options, text, strlen(text), "", said), 0);
	CHECK_EQ("kernel", 0, strcmp("vmlinuz", options.kernel));
	CHECK_EQ("initrd", 0, strcmp("initrd", options.initrd));
	CHECK_EQ("append", 0, strcmp("a \"b\" {c}: [d], \\", options.append));
	CHECK_EQ("cpus", 3, options.cpus);
	CHECK_EQ("memory", 1 << 30, options.memory);
	CHECK_EQ("disks", 2, options.disk_count);
	CHECK_EQ("first disk", 0, strcmp("one", options.disks[0].path));
	CHECK_EQ("second disk", 1, !strcmp("two", options.disks[1].path) && options.disks[1].use == VIRTIO_BLK_READ);
	CHECK_EQ("networks", 2, options.net_count);
	CHECK_EQ("first network", 1, options.nets[0].kind == NET_TAP && !strcmp("tap0", options.nets[0].tap));
	CHECK_EQ("its queues", 2, options.nets[0].queues);
	CHECK_EQ("second network", 1, options.nets[1].kind == NET_USER && options.nets[1].forward_count == 1);
	CHECK_EQ("device", 0, strcmp("/dev/kvm", options.device));
	CHECK_EQ("dma", 1, options.dma_policy);
	CHECK_EQ("no rng", 0, options.rng);
	CHECK_EQ("sandbox", 1, options.sandbox);
	CHECK_EQ("stats", 1, options.stats);
	CHECK_EQ("gdb", 1, !strcmp("tcp:1234", options.gdb) && options.gdb_waits);
	CHECK_EQ("status-json", 0, strcmp("end", options.status_json));
	CHECK_EQ("control", 0, strcmp("here", options.control));
	CHECK_EQ("name", 0, strcmp("me", options.name));
	CHECK_EQ("daemon", 1, options.daemon);
	CHECK_EQ("pid-file", 0, strcmp("pid", options.pid_file));
	options_free(&options);

	ASSERT_EQ(parse(&options, text, strlen(text), "--cpus 1 --disk=mine --net vhost-user=s --kernel other --append=x", said), 0);
	CHECK_EQ("the command line's kernel", 0, strcmp("other", options.kernel));
	CHECK_EQ("its string", 0, strcmp("x", options.append));
	CHECK_EQ("its CPUs", 1, options.cpus);
	CHECK_EQ("its disks alone", 1, options.disk_count == 1 && !strcmp("mine", options.disks[0].path));
	CHECK_EQ("its network alone", 1, options.net_count == 1 && options.nets[0].kind == NET_VHOST_USER);
	CHECK_EQ("the rest is the file's", 1 << 30, options.memory);
	options_free(&options);
	unlink(path);
}

static void test_small(void)
{
	static const char *const texts[] = { "{}", "\n\n {\t}\r\n\n", "{\"disk\":[]}", "{\"net\":\"user\"}", "{\"vfio\":\"00:02.0\",\"disk\":\"d\"}" };
	struct options options;
	char said[1024];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CHECK_EQ(texts[i], 0, parse(&options, texts[i], strlen(texts[i]), "--kernel k", said));
		options_free(&options);
	}
	CHECK_EQ("no kernel", STATUS_USAGE, parse(&options, "{}", 2, "", said));
	CHECK_EQ("in words", 1, !!strstr(said, "--kernel is required"));
	options_free(&options);
	unlink(path);
}

static void test_refusals(void)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "ends too early" },
		{ "kernel = k", "line 1: not JSON" },
		{ "{\n\"cpus\": 2,\n}", "line 3: not JSON" },
		{ "{\n\n\"cpus\" 2}", "line 3: not JSON" },
		{ "{\"cpus\": 2", "ends too early" },
		{ "{\"cpus\": 2} {}", "not JSON" },
		{ "[\"cpus\"]", "not one object" },
		{ "{\"a\":[[[[[[1]]]]]]}", "not JSON" },
		{ "{\"append\": \"\xff\"}", "not JSON" },
		{ "{\n\"cpus\": 2,\n\n\"memroy\": \"1G\"}", "line 4: unknown name 'memroy'; 'memory' is like it" },
		{ "{\"kernel\": \"k\",\n\"append\":\n\"{\\\"}\\n\",\n\"cpu\": 2}", "line 4: unknown name 'cpu'; 'cpus' is like it" },
		{ "{\"disks\": [\n\"a\",\n\"b\"], \"disk\": \"x\"}", "line 1: unknown name 'disks'; 'disk' is like it" },
		{ "{\"disk\": [\n\"cpuz\",\n\"b\"], \"cpuz\": 1}", "line 3: unknown name 'cpuz'" },
		{ "{\"--kernel\": \"k\"}", "'kernel' is like it" },
		{ "{\"cpus\": 2,\n\"net\": [\"user\", \"tap=\"]}", "that is line 2 of --config" },
		{ "{\"net\": true}", "--net: its value must be a string" },
		{ "{\"net\": [\"user\", \"user\", \"user\", \"user\", \"user\"]}", "at most 4 network devices" },
		{ "{\"frobnicate\": 1}", "unknown name 'frobnicate'; 'keel run --help' lists" },
		{ "{\"\": 1}", "unknown name ''; 'keel run --help' lists" },
		{ "{\"\\u0063pus\": 1}", "unknown name" },
		{ "{\"json\": true}", "unknown name 'json'" },
		{ "{\"config\": \"other\"}", "unknown name 'config'" },
		{ "{\"cpus\": 1,\n\"cpus\": 2}", "line 2: 'cpus' a second time" },
		{ "{\n\"cpus\": 0}", "that is line 2 of" },
		{ "{\"cpus\": 1.5}", "a string or a whole number" },
		{ "{\"cpus\": [1]}", "a string or a whole number" },
		{ "{\"cpus\": null}", "a string or a whole number" },
		{ "{\"cpus\": true}", "a string or a whole number" },
		{ "{\"disk\": [[\"a\"]]}", "a string or a whole number" },
		{ "{\"append\": \"ro\\u0000init=/bin/sh\"}", "--append: a zero byte in it" },
		{ "{\n\"disk\": [\"a\", \"b\\u0000\"]}", "that is line 2 of" },
		{ "{\"memory\": 512}", "for megabytes write 512M" },
		{ "{\"no-rng\": \"yes\"}", "true or false" },
		{ "{\"no-rng\": 1}", "true or false" },
		{ "{\"daemon\": [true]}", "true or false" },
	};
	static char large[70000];
	struct options options;
	char said[1024];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].text, STATUS_USAGE, parse(&options, rows[i].text, strlen(rows[i].text), "--kernel k", said));
		if (!strstr(said, rows[i].wanted))
			test_note("wanted %s, got %s", rows[i].wanted, said);
		CHECK_EQ(rows[i].text, 1, !!strstr(said, rows[i].wanted));
		options_free(&options);
	}
	CHECK_EQ("a zero byte", STATUS_USAGE, parse(&options, "{}\0{}", 5, "--kernel k", said));
	options_free(&options);
	memset(large, ' ', sizeof(large));
	memcpy(large, "{}", 2);
	CHECK_EQ("too large", STATUS_USAGE, parse(&options, large, sizeof(large), "--kernel k", said));
	CHECK_EQ("in words", 1, !!strstr(said, "more than 65536 bytes"));
	options_free(&options);
	unlink(path);
}

/* The file may be anything: an answer, no crash, nothing left. */
static void test_random(void)
{
	static const char good[] =
		"{ \"kernel\": \"k\", \"disk\": [ \"a\", \"b,ro\" ],\n \"cpus\": 2, \"append\": \"x\\\\\\\"y\", \"no-rng\": true }";
	u64 seed = 0x6b65656c;
	unsigned int fine = 0;

	for (int i = 0; i < 3000; i++) {
		char text[sizeof(good)], said[1024];
		struct options options;
		size_t size = sizeof(good) - 1 - xorshift(&seed) % 20;

		memcpy(text, good, sizeof(good));
		if (i & 1)
			size = sizeof(good) - 1;
		for (u64 j = xorshift(&seed) % 3; j; j--)
			text[xorshift(&seed) % size] = (char)xorshift(&seed);
		fine += !parse(&options, text, size, "", said);
		options_free(&options);
	}
	test_note("%u of 3000 were taken", fine);
	CHECK_EQ("some are right", 1, fine > 100 && fine < 2900);
	unlink(path);
}

static void test_nearest(void)
{
	static const struct option_row guest[] = { { "kernel", OF_RUN }, { "cpus", OF_RUN } }, other[] = { { "json", OF_DMA }, { "no-rng", OF_RUN } };
	static const struct option_table first = { guest, ARRAY_SIZE(guest) }, second = { other, ARRAY_SIZE(other) };
	static const struct option_table *const tables[] = { &first, &second, NULL };
	static const struct {
		const char *name, *nearest;
	} rows[] = {
		{ "kernal", "kernel" }, { "kernle", "kernel" }, { "cpu", "cpus" }, { "cups", "cpus" }, { "norng", "no-rng" },
		{ "jsn", NULL }, { "x", NULL }, { "something", NULL }, { "", NULL },
		{ "a-name-that-is-longer-than-any-option-can-ever-be-because-it-never-ends", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = option_nearest(tables, OF_RUN, rows[i].name);

		test_note("%s: %s", rows[i].name, got ?: "none");
		CHECK_EQ(rows[i].name, 1, rows[i].nearest ? got && !strcmp(got, rows[i].nearest) : !got);
	}
}

static const struct test_case cases[] = {
	{ "all", test_all },
	{ "small", test_small },
	{ "refusals", test_refusals },
	{ "random", test_random },
	{ "nearest", test_nearest },
};

TEST_MAIN(cases)
