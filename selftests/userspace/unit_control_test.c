// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: each command that a machine answers while it runs, and what is refused. */
#include <json-c/json.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_control.h"
#include "test.h"
#include "userspace/generation.h"
#include "userspace/net_device.h"
#include "userspace/virtio_balloon.h"
#include "userspace/virtio_mem.h"

/* ---- the protocol ---- */

static void test_status(void)
{
	set_up();
	int fd = join();
	struct json_object *answer = json_tokener_parse(ask(fd, "{\"command\": \"status\"}\n"));

	ASSERT(answer, "no JSON");
	CHECK_EQ("protocol", 1, json_object_get_int(json_object_object_get(answer, "protocol")));
	CHECK_EQ("cpus", 2, json_object_get_int(json_object_object_get(answer, "cpus")));
	CHECK_EQ("memory", 64 << 20, json_object_get_uint64(json_object_object_get(answer, "memory")));
	CHECK_EQ("pid", getpid(), json_object_get_int(json_object_object_get(answer, "pid")));
	CHECK_EQ("name", 0, strcmp("test", json_object_get_string(json_object_object_get(answer, "name"))));
	CHECK_EQ("state", 0, strcmp("running", json_object_get_string(json_object_object_get(answer, "state"))));
	CHECK_EQ("ok", 1, json_object_get_boolean(json_object_object_get(answer, "ok")));
	json_object_put(answer);
	vm_hold(&vm, VM_HOLD_SETUP);
	check_answer(fd, "not whole yet", "{\"command\":\"status\"}", "\"state\":\"starting\"");
	vm_release(&vm, VM_HOLD_SETUP);
	check_answer(fd, "not forked", "{\"command\":\"status\"}", "\"parent\":null");
	check_answer(fd, "no generation", "{\"command\":\"status\"}", "\"generation_id\":null");
	check_answer(fd, "not restored", "{\"command\":\"status\"}", "\"restored\":null");
	close(fd);
	finish();
}

/* A machine that was forked. */
static void test_identity(void)
{
	static uint8_t page[GENERATION_BYTES] = { 4, 3, 2, 1, 6, 5, 8, 7, 9 };
	static const struct generation generation = { NULL, page };
	static const pid_t parent = 4711;

	set_up();
	control.generation = &generation;
	control.parent = &parent;
	int fd = join();

	check_answer(fd, "whose child", "{\"command\":\"status\"}", "\"parent\":4711");
	check_answer(fd, "which one", "{\"command\":\"status\"}", "\"generation_id\":\"01020304-0506-0708-0900-000000000000\"");
	close(fd);
	finish();
}

/* A network device's lock may be somebody's who waits for a slow program: nobody here does. */
static void test_networks(void)
{
	static struct net_device nets[2];

	memcpy(nets[0].net.mac, "\2\0\0\0\0\1", 6);
	memcpy(nets[1].net.mac, "\2\0\0\0\0\2", 6);
	nets[1].net.is_gone = true;
	for (u32 i = 0; i < 2; i++) {
		pthread_mutex_init(&nets[i].net.device.turn, NULL);
		pthread_mutex_init(&nets[i].net.device.lock, NULL);
		virtio_lock(&nets[i].net.device);
	}
	set_up();
	control.nets = nets;
	control.net_count = 2;
	int fd = join();

	check_answer(fd, "both", "{\"command\":\"status\"}", "\"networks\":[{\"mac\":\"02:00:00:00:00:01\",\"link\":true},"
		     "{\"mac\":\"02:00:00:00:00:02\",\"link\":false}]");
	for (u32 i = 0; i < 2; i++)
		virtio_unlock(&nets[i].net.device);
	close(fd);
	finish();
}

static void test_commands(void)
{
	static const struct {
		const char *name, *request, *wanted;
		bool is_paused;		/* afterwards */
	} rows[] = {
		{ "pause", "{\"command\":\"pause\"}", "{\"ok\":true}", true },
		{ "pause again", "{\"command\":\"pause\"}", "{\"ok\":true}", true },
		{ "status says it", "{\"command\":\"status\"}", "\"state\":\"paused\"", true },
		{ "button of a paused guest", "{\"command\":\"power-button\"}", "resume it first", true },
		{ "nmi while paused", "{\"command\":\"nmi\"}", "{\"ok\":true}", true },
		{ "resume", "{\"command\":\"resume\"}", "{\"ok\":true}", false },
		{ "resume again", "{\"command\":\"resume\"}", "{\"ok\":true}", false },
		{ "status says that too", "{\"command\":\"status\"}", "\"state\":\"running\"", false },
		{ "nobody listens to the button", "{\"command\":\"power-button\"}", "does not listen", false },
		{ "a number as id", "{\"id\":7,\"command\":\"resume\"}", "{\"ok\":true,\"id\":7}", false },
		{ "any JSON as id", "{\"id\":{\"a\":[1,\"\\n\"]},\"command\":\"resume\"}",
		  "{\"ok\":true,\"id\":{\"a\":[1,\"\\n\"]}}", false },
		{ "an id of what is refused", "{\"id\":\"x\",\"command\":\"fly\"}", "{\"ok\":false,\"id\":\"x\",\"error\":", false },
		{ "white space", " { \"command\" : \"resume\" } \t\r", "{\"ok\":true}", false },
		{ "no statistics", "{\"command\":\"stats\"}", "has no statistics", false },
	};

	set_up();
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_answer(fd, rows[i].name, rows[i].request, rows[i].wanted);
		CHECK_EQ(rows[i].name, rows[i].is_paused, !!(atomic_load(&vm.holds) & VM_HOLD_PAUSE));
	}
	CHECK_EQ("NMIs", 1, nmis);
	vm_hold(&vm, VM_HOLD_DEBUG);
	CHECK_EQ("of the debugger's", 1, !!strstr(ask(fd, "{\"command\":\"status\"}\n"), "\"state\":\"debugged\""));
	CHECK_EQ("its button", 1, !!strstr(ask(fd, "{\"command\":\"power-button\"}\n"), "the debugger has stopped"));
	vm_release(&vm, VM_HOLD_DEBUG);
	bus_write(&vm.ports, POWER_EVENT_PORT + 2, 2, 1 << 8);
	CHECK_EQ("the button", 1, is_ok(ask(fd, "{\"command\":\"power-button\"}\n")));
	CHECK_EQ("is pressed", 1, fake_line(&vm, POWER_SCI_GSI));
	close(fd);
	finish();
}

static void test_machine_says_no(void)
{
	static const struct {
		enum pause_nmi result;
		const char *wanted;
	} rows[] = {
		{ PAUSE_NMI_MASKED, "LINT1" },
		{ PAUSE_NMI_BUSY, "standard output" },
		{ PAUSE_NMI_FAILED, "Input/output error" },
	};

	set_up();
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nmi_result = rows[i].result;
		const char *got = ask(fd, "{\"command\":\"nmi\"}\n");

		CHECK_EQ(rows[i].wanted, 1, !is_ok(got) && strstr(got, rows[i].wanted));
	}
	is_stuck = true;
	CHECK_EQ("a vCPU that cannot leave", 1, !!strstr(ask(fd, "{\"command\":\"pause\"}\n"), "standard output"));
	CHECK_EQ("not paused", 0, atomic_load(&vm.holds));
	close(fd);
	finish();
}

static void test_stats(void)
{
	struct {
		struct kvm_stats_header header;
		struct kvm_stats_desc desc;
		char name[16];
		u64 value;
	} __attribute__((packed)) file = {
		.header = { .name_size = 16, .num_desc = 1, .id_offset = sizeof(struct kvm_stats_header),
			    .desc_offset = sizeof(struct kvm_stats_header) },
		.desc = { .size = 1 }, .name = "exits", .value = 4711,
	};
	int fd = memfd_create("stats", 0);

	file.header.data_offset = offsetof(typeof(file), value);
	ASSERT_EQ(write(fd, &file, sizeof(file)), (s64)sizeof(file));
	ASSERT_EQ(stats_add(&stats, fd), 0);
	set_up();
	fd = join();
	const char *got = ask(fd, "{\"command\":\"stats\"}\n");

	test_note("%s", got);
	CHECK_EQ("stats", 1, !!strstr(got, "\"stats\":{\"vm\": {\"exits\": 4711}, \"vcpus\": []}"));
	close(fd);
	finish();
}

/* A machine with a balloon, whose guest has no driver for it. */
static void test_balloon(void)
{
	static const struct balloon_options options = { .is_wanted = true, .size = 4096 };
	static const struct {
		const char *name, *request, *wanted;
	} rows[] = {
		{ "status", "{\"command\":\"status\"}", "\"balloon\":{\"target\":4096,\"actual\":0}" },
		{ "stats", "{\"command\":\"stats\"}", "\"stats\":{\"balloon\": {\"target\": 4096, \"actual\": 0, \"inflated\": 0, "
		  "\"deflated\": 0, \"reported\": 0, \"guest\": null}}" },
		{ "balloon", "{\"command\":\"balloon\",\"size\":8388608}", "{\"ok\":true}" },
		{ "it is asked for", "{\"command\":\"status\"}", "\"target\":8388608" },
		{ "nothing", "{\"size\":0,\"command\":\"balloon\"}", "{\"ok\":true}" },
		{ "all that can be", "{\"command\":\"balloon\",\"size\":50331648}", "{\"ok\":true}" },
		{ "too much", "{\"command\":\"balloon\",\"size\":50335744}", "must keep 16M" },
		{ "more than there is", "{\"command\":\"balloon\",\"size\":9223372036854771712}", "must keep 16M" },
		{ "half a page", "{\"command\":\"balloon\",\"size\":2048}", "a multiple of 4K" },
		{ "no size", "{\"command\":\"balloon\"}", "needs \\\"size\\\"" },
		{ "a size of null", "{\"command\":\"balloon\",\"size\":null}", "needs \\\"size\\\"" },
		{ "a string", "{\"command\":\"balloon\",\"size\":\"4096\"}", "needs \\\"size\\\"" },
		{ "less than nothing", "{\"command\":\"balloon\",\"size\":-4096}", "needs \\\"size\\\"" },
		{ "a fraction", "{\"command\":\"balloon\",\"size\":4096.5}", "needs \\\"size\\\"" },
		{ "of another command", "{\"command\":\"status\",\"size\":4096}", "'status' has no \\\"size\\\"" },
		{ "null of another command", "{\"command\":\"status\",\"size\":null}", "'status' has no \\\"size\\\"" },
		{ "what was asked for stays", "{\"command\":\"status\"}", "\"target\":50331648" },
	};
	static struct virtio_balloon balloon;
	static struct pci pci;

	set_up();
	int fd = join();

	check_answer(fd, "without one", "{\"command\":\"balloon\",\"size\":4096}", "has no balloon: keel run --balloon");
	check_answer(fd, "status without one", "{\"command\":\"status\"}", "\"balloon\":null");
	close(fd);
	finish();
	strcpy(directory, "/tmp/keel-control.XXXXXX");
	set_up();
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_balloon_init(&balloon, &options);
	ASSERT_EQ(virtio_add(&balloon.device, &vm, &pci), 0);
	control.balloon = &balloon;
	fd = join();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_answer(fd, rows[i].name, rows[i].request, rows[i].wanted);
	close(fd);
	finish();
	CHECK_EQ("the thread is told", 1, virtio_stop(&balloon.device));
}

/* A machine with memory that can be plugged, whose guest has no driver for it; it has 64 MB from the start. */
static void test_memory(void)
{
	static const struct {
		const char *name, *request, *wanted;
	} rows[] = {
		{ "status", "{\"command\":\"status\"}", "\"pluggable\":{\"max\":67108864,\"requested\":0,\"plugged\":0}" },
		{ "memory", "{\"command\":\"memory\",\"size\":75497472}", "{\"ok\":true}" },
		{ "it is asked for", "{\"command\":\"status\"}", "\"requested\":8388608,\"plugged\":0}" },
		{ "all", "{\"command\":\"memory\",\"size\":134217728}", "{\"ok\":true}" },
		{ "more than there is", "{\"command\":\"memory\",\"size\":136314880}", "more than --memory SIZE,max=SIZE allows" },
		{ "half a block", "{\"command\":\"memory\",\"size\":68157440}", "a multiple of 2M" },
		{ "less than it began with", "{\"command\":\"memory\",\"size\":4096}", "less than the machine has from the start" },
		{ "no size", "{\"command\":\"memory\"}", "needs \\\"size\\\"" },
		{ "what was asked for stays", "{\"command\":\"status\"}", "\"requested\":67108864" },
	};
	static struct virtio_mem mem;
	static struct pci pci;

	set_up();
	int fd = join();

	check_answer(fd, "without", "{\"command\":\"memory\",\"size\":75497472}", "has no memory that can be plugged: keel run --memory SIZE,max=SIZE");
	check_answer(fd, "status without", "{\"command\":\"status\"}", "\"pluggable\":null");
	close(fd);
	finish();
	strcpy(directory, "/tmp/keel-control.XXXXXX");
	set_up();
	memory_destroy(&vm.memory);
	ASSERT_EQ(memory_create(&vm.memory, 64 << 20, 64 << 20), 0);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_mem_init(&mem, &vm.memory);
	ASSERT_EQ(virtio_add(&mem.device, &vm, &pci), 0);
	control.mem = &mem;
	fd = join();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_answer(fd, rows[i].name, rows[i].request, rows[i].wanted);
	close(fd);
	finish();
	CHECK_EQ("the thread is told", 1, virtio_stop(&mem.device));
}

/* The main thread, which is not there, would do it; the machine does not end. */
static void test_reset(void)
{
	u64 count = 0;

	set_up();
	vm.reset_event = eventfd(0, EFD_NONBLOCK);
	int fd = join();

	CHECK_EQ("refused", 0, is_ok(ask(fd, "{\"command\":\"reset\"}\n")));
	CHECK_EQ("nobody is asked", -1, read(vm.reset_event, &count, sizeof(count)));
	vm.reboots = true;
	CHECK_EQ("taken", 1, is_ok(ask(fd, "{\"command\":\"reset\"}\n")));
	CHECK_EQ("the main thread is asked", (s64)sizeof(count), read(vm.reset_event, &count, sizeof(count)));
	CHECK_EQ("goes on", 0, vm_is_stopping(&vm));
	close(fd);
	finish();
	close(vm.reset_event);
}

static void test_quit(void)
{
	struct pollfd wait = { .events = POLLIN };

	set_up();
	int fd = join(), other = join();

	/* What comes behind it is not done any more. */
	CHECK_EQ("quit", 1, is_ok(ask(fd, "{\"command\":\"quit\"}\n{\"command\":\"nmi\"}\n")));
	wait.fd = vm.stop_event;
	CHECK_EQ("the end", 1, poll(&wait, 1, TEST_PATIENCE_MS));
	CHECK_EQ("status", STATUS_QUIT, vm.status);
	CHECK_EQ("the others see it", 0, strlen(hear(other, 20)));
	CHECK_EQ("nothing more", 0, nmis);
	close(fd);
	close(other);
	finish();
}

/* ---- what is no request ---- */

static void test_bad(void)
{
	static const struct {
		const char *request, *wanted;
	} rows[] = {
		{ "hello", "not JSON" },
		{ "{", "ends too early" },
		{ "{\"command\": \"status\"", "ends too early" },
		{ "{\"command\": \"status\"}}", "not JSON" },
		{ "{\"command\": \"status\"} {\"command\": \"status\"}", "not JSON" },
		{ "{'command': 'status'}", "not JSON" },
		{ "{\"command\": \"status\",}", "not JSON" },
		{ "{\"command\": \"\xff\xfe\"}", "not JSON" },
		{ "[\"status\"]", "one object a line" },
		{ "\"status\"", "one object a line" },
		{ "17", "not JSON" },
		{ "null", "not JSON" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "not JSON" },
		{ "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}}", "not JSON" },
		{ "{}", "no \\\"command\\\"" },
		{ "{\"command\": 3}", "no \\\"command\\\"" },
		{ "{\"command\": null}", "no \\\"command\\\"" },
		{ "{\"command\": [\"status\"]}", "no \\\"command\\\"" },
		{ "{\"command\": \"\"}", "unknown command ''; there are status, pause, resume, power-button, reset, nmi, stats, balloon, memory, save, mark, fork, migrate, migrate-status, migrate-cancel, migrate-take-back, quit" },
		{ "{\"command\": \"Status\"}", "unknown command 'Status'" },
		{ "{\"command\": \"restart\"}", "unknown command 'restart'" },
		{ "{\"command\": \"status\\u0000\"}", "unknown command 'status'" },
		{ "{\"command\": \"status\\u0000quit\"}", "unknown command 'status'" },
		/* not half of a character, which no client could read */
		{ "{\"command\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9\"}",
		  "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx';" },
		{ "{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xe2\x82\xac\": 1}",
		  "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx';" },
		/* what the library takes, and is no JSON */
		{ "{\"command\": \"status\", \"id\": NaN}", "a number that JSON has not" },
		{ "{\"command\": \"status\", \"id\": [{\"a\": -Infinity}]}", "a number that JSON has not" },
		{ "{\"command\": \"status\", \"when\": \"now\"}", "unknown member 'when'" },
		{ "{\"\": 1}", "unknown member ''" },
	};

	set_up();
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_answer(fd, rows[i].request, rows[i].request, rows[i].wanted);
	}
	say(fd, "{\"command\":\0\"status\"}\n", 22);
	CHECK_EQ("a zero byte", 0, is_ok(hear(fd, 20)));
	say(fd, "\0\n", 2);
	CHECK_EQ("nothing else", 0, is_ok(hear(fd, 20)));
	CHECK_EQ("and still at work", 1, is_ok(ask(fd, "\n\n\n{\"command\":\"status\"}\n")));
	close(fd);
	finish();
}

static bool is_json(const char *line)
{
	struct json_tokener *tokener = json_tokener_new();

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *object = json_tokener_parse_ex(tokener, line, (int)strcspn(line, "\n"));

	json_tokener_free(tokener);
	json_object_put(object);
	return object;
}

/* Bytes at random, requests with bytes changed: each line has its answer, and the next request too. */
static void test_random(void)
{
	static const char good[] = "{\"id\": [1, {\"a\": \"b\"}], \"command\": \"status\"}";
	u64 seed = 0x6b65656c;

	set_up();
	int fd = join();

	for (int i = 0; i < 3000; i++) {
		char line[64];
		size_t size = sizeof(good) - 1;

		memcpy(line, good, size);
		for (u64 j = xorshift(&seed) % 6; j; j--)
			line[xorshift(&seed) % size] = (char)(xorshift(&seed) % 255 + 1);
		for (size_t j = 0; j < size; j++)
			if (line[j] == '\n')
				line[j] = ' ';
		line[size++] = '\n';
		say(fd, line, size);
		const char *got = hear(fd, 20);

		ASSERT(!strncmp(got, "{\"ok\":", 6), "no answer to %.*s: %s", (int)size, line, got);
		/* what is no text comes back as none */
		ASSERT(is_json(got), "no JSON, to %.*s: %s", (int)size, line, got);
	}
	CHECK_EQ("at work", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	close(fd);
	finish();
}

static void test_long(void)
{
	static char line[3 * CONTROL_LINE_MAX];

	set_up();
	int fd = join();

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	say(fd, line, sizeof(line));
	CHECK_EQ("too long", 1, !!strstr(hear(fd, 20), "more than 4095 bytes"));
	CHECK_EQ("one answer, then the next", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));

	/* The longest that is taken, and one byte more. */
	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"command\":\"status\"}", 20);
	line[CONTROL_LINE_MAX - 1] = '\n';
	say(fd, line, CONTROL_LINE_MAX);
	CHECK_EQ("4095 bytes", 1, is_ok(hear(fd, 20)));
	line[CONTROL_LINE_MAX - 1] = ' ';
	line[CONTROL_LINE_MAX] = '\n';
	say(fd, line, CONTROL_LINE_MAX + 1);
	CHECK_EQ("4096 bytes", 0, is_ok(hear(fd, 20)));
	CHECK_EQ("at work", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	close(fd);
	finish();
}

static const struct test_case cases[] = {
	{ "status", test_status },
	{ "identity", test_identity },
	{ "networks", test_networks },
	{ "commands", test_commands },
	{ "machine_says_no", test_machine_says_no },
	{ "stats", test_stats },
	{ "balloon", test_balloon },
	{ "memory", test_memory },
	{ "reset", test_reset },
	{ "quit", test_quit },
	{ "bad", test_bad },
	{ "random", test_random },
	{ "long", test_long },
};

TEST_MAIN(cases)
