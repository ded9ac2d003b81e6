// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: each command, what is refused, hostile and slow clients, and whose socket it is. */
#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/control.h"
#include "userspace/fill.h"
#include "userspace/generation.h"
#include "userspace/fork.h"
#include "userspace/migrate.h"
#include "userspace/net_device.h"
#include "userspace/pause.h"
#include "userspace/power.h"
#include "userspace/state.h"
#include "userspace/state_format.h"
#include "userspace/state_memory.h"
#include "userspace/stats.h"
#include "userspace/vcpu.h"
#include "userspace/virtio_balloon.h"

static struct vm vm;
static struct power power;
static struct stats stats;
static struct vcpu vcpus[2];
static struct control control;
static char directory[] = "/tmp/keel-control.XXXXXX";
static char path[64];

/* ---- in place of pause.c ---- */

static bool is_stuck;
static enum pause_nmi nmi_result;
static atomic_uint nmis;
static bool is_paced;

bool pause_vcpus(struct vm *of, const struct vcpu *those, unsigned int count, unsigned int why)
{
	ASSERT(of == &vm && those == vcpus && count == ARRAY_SIZE(vcpus), "another machine");
	if (!is_stuck)
		vm_hold(of, why);
	return !is_stuck;
}

enum pause_nmi pause_nmi(struct vm *of, const struct vcpu *those, unsigned int count)
{
	ASSERT(of == &vm && those == vcpus && count == ARRAY_SIZE(vcpus), "another machine");
	nmis++;
	if (is_paced)
		usleep(10000);
	errno = EIO;
	return nmi_result;
}

/* ---- in place of hold.c ---- */

static atomic_bool is_hung;	/* a device, */
static atomic_uint looks;	/* so often looked at, */
static atomic_uint given_up;	/* until nobody wanted it any more */

static bool hold(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error)
{
	ASSERT(!machine && ms, "another machine");
	while (is_hung) {
		looks++;
		if (!watch->progress(watch->argument, 0, 0)) {
			given_up++;
			return state_refuse(error, "given up");
		}
		usleep(1000);
	}
	if (is_stuck)
		return state_refuse(error, "a vCPU that cannot leave");
	vm_hold(&vm, why);
	return true;
}

static void let_go(struct machine *machine, unsigned int why)
{
	ASSERT(!machine, "another machine");
	vm_release(&vm, why);
}

/* ---- a machine and its clients ---- */

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);	/* as the launcher does */
	fake_vm_init(&vm, 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/socket", directory);
	control = (struct control){
		.vm = &vm, .vcpus = vcpus, .vcpu_count = ARRAY_SIZE(vcpus), .power = &power, .stats = &stats,
		.name = "test", .memory = 64 << 20, .hold = hold, .let_go = let_go, .listener = control_open(path),
	};
	ASSERT_GE(control.listener, 0);
	ASSERT_EQ(control_start(&control), 0);
}

static void finish(void)
{
	char command[64];

	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = (struct timespec){ 0 };
	CHECK_EQ("the thread ends", 1, control_stop(&control));
	stats_close(&stats);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ASSERT_EQ(system(command), 0);
}

static int join(void)
{
	int fd = control_connect(path, 5);

	ASSERT_GE(fd, 0);
	return fd;
}

static void say(int fd, const char *text, size_t size)
{
	ASSERT_EQ(send(fd, text, size, MSG_NOSIGNAL), (s64)size);
}

/* A line of its answers; "" at the end, or if none comes within @seconds. */
static const char *hear(int fd, int seconds)
{
	static char line[65536];
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	while (used < sizeof(line) - 1 && poll(&wait, 1, seconds * 1000) == 1) {
		if (read(fd, line + used, 1) != 1)
			break;
		if (line[used++] == '\n')
			break;
	}
	line[used] = 0;
	return line;
}

static const char *ask(int fd, const char *request)
{
	say(fd, request, strlen(request));
	return hear(fd, 20);
}

/* One row: the answer to @request, a line without its end, has @wanted in it. */
static void check_answer(int fd, const char *name, const char *request, const char *wanted)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", request);
	const char *got = ask(fd, line);

	if (!strstr(got, wanted))
		test_note("wanted %s, got %s", wanted, got);
	CHECK_EQ(name, 1, !!strstr(got, wanted));
}

static bool is_ok(const char *answer)
{
	return !strncmp(answer, "{\"ok\":true", 10) && answer[strlen(answer) - 1] == '\n';
}

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

/* ---- saving: into the file that came along, while anybody wants it ---- */

static atomic_uint saves;
static const char *odd_path;

/* Of a large machine, or one that cannot: it goes on until nobody wants it any more, 20 seconds at most. */
static bool save(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch, struct state_error *error)
{
	char what;

	atomic_fetch_add(&saves, 1);
	ASSERT_EQ(pread(fd, &what, 1, 0), 1);
	for (unsigned int i = 0; what == 'l' && i < 2000; i++) {
		if (!watch->progress(watch->argument, i, 2000)) {
			atomic_fetch_add(&given_up, 1);
			return state_refuse(error, "given up");
		}
		usleep(10000);
	}
	if (what == 'p')
		return state_refuse(error, "--disk %s: cannot be written out", odd_path);
	return what == 's' || state_refuse(error, "cannot write: %s", "no room");
}

/* The request, with a file of one byte if @what is one. */
static void pass(int fd, char what)
{
	static const char request[] = "{\"command\": \"save\"}\n";
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} part = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec text = { (void *)request, strlen(request) };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &part,
				  .msg_controllen = what ? sizeof(part) : 0 };
	int file = memfd_create("file", 0);

	ASSERT_EQ(write(file, &what, 1), 1);
	memcpy(CMSG_DATA(&part.head), &file, sizeof(file));
	ASSERT_EQ(sendmsg(fd, &message, 0), (s64)text.iov_len);
	close(file);
}

static void test_save(void)
{
	static const struct {
		const char *name;
		char what;
		unsigned int saves;
		const char *wanted;	/* NULL: done */
	} rows[] = {
		{ "no file", 0, 0, "no file was passed" },
		{ "saved", 's', 1, NULL },
		{ "the file has been used", 0, 1, "no file was passed" },
		{ "a full disk", 'f', 2, "cannot write: no room" },
		{ "and again", 's', 3, NULL },
	};

	set_up();
	control.save = save;
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pass(fd, rows[i].what);
		const char *answer = hear(fd, 20);

		CHECK_EQ(rows[i].name, !rows[i].wanted, is_ok(answer));
		if (rows[i].wanted && !strstr(answer, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, answer);
		CHECK_EQ(rows[i].name, rows[i].saves, atomic_load(&saves));
		CHECK_EQ("it goes on", 0, atomic_load(&vm.holds) & VM_HOLD_SAVE);
	}
	close(fd);
	finish();
}

/* A file's name may be any bytes, and what is too long for an answer is cut anywhere: it is JSON all the same. */
static void test_odd_path(void)
{
	static const struct {
		const char *path, *wanted;
	} rows[] = {
		{ "caf\xc3\xa9", "--disk caf\xc3\xa9: cannot" },
		{ "caf\xe9", "--disk caf?: cannot" },
		{ "a\xff\xfe\x80z", "--disk a???z: cannot" },
		{ "\xc0\xaf", "--disk ??: cannot" },			/* a longer form than needed */
		{ "\xe0\x9f\xbf", "--disk ???: cannot" },
		{ "\xed\xa0\x80", "--disk ???: cannot" },		/* half of a pair */
		{ "\xf0\x8f\xbf\xbf", "--disk ????: cannot" },
		{ "\xf4\x90\x80\x80", "--disk ????: cannot" },	/* beyond the last */
		{ "\xf5\x80", "--disk ??: cannot" },
		{ "\xe2\x82\xac\xf0\x9f\x98\x80", "--disk \xe2\x82\xac\xf0\x9f\x98\x80: cannot" },
		{ "\xe2\x82", "--disk ??: cannot" },
	};

	set_up();
	control.save = save;
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		odd_path = rows[i].path;
		pass(fd, 'p');
		const char *answer = hear(fd, 20);

		if (!strstr(answer, rows[i].wanted))
			FAIL("wanted '%s', got '%s'", rows[i].wanted, answer);
	}
	close(fd);
	finish();
}

/* Whoever asked for it has gone, or just has no more to say. */
static void test_save_unwanted(void)
{
	set_up();
	control.save = save;
	int fd = join(), other = join();

	pass(fd, 'l');
	while (!atomic_load(&saves))
		usleep(1000);
	shutdown(fd, SHUT_WR);
	usleep(100000);
	CHECK_EQ("still wanted", 0, atomic_load(&given_up));
	CHECK_EQ("the machine stands", VM_HOLD_SAVE, atomic_load(&vm.holds) & VM_HOLD_SAVE);
	close(fd);
	CHECK_EQ("others are heard again", 1, is_ok(ask(other, "{\"command\": \"status\"}\n")));
	CHECK_EQ("given up", 1, atomic_load(&given_up));
	CHECK_EQ("it goes on", 0, atomic_load(&vm.holds) & VM_HOLD_SAVE);
	close(other);
	finish();
}

/* A disk does not come to its end, and somebody wants the file. */
static int wait_for_device(void)
{
	set_up();
	control.save = save;
	int fd = join();

	is_hung = true;
	pass(fd, 's');
	while (looks < 5)
		usleep(1000);
	CHECK_EQ("nothing stands", 0, atomic_load(&vm.holds));
	return fd;
}

static void finish_waiting(bool is_saved)
{
	CHECK_EQ("given up", !is_saved, given_up);
	CHECK_EQ("saved", is_saved, saves);
	CHECK_EQ("nothing is held", 0, atomic_load(&vm.holds));
	finish();
}

static void test_save_waits(void)
{
	int fd = wait_for_device();

	is_hung = false;
	CHECK_EQ("it comes", 1, is_ok(hear(fd, 20)));
	finish_waiting(true);
}

static void test_save_left(void)
{
	close(wait_for_device());
	while (!given_up)
		usleep(1000);
	finish_waiting(false);
}

static void test_save_ended(void)
{
	int fd = wait_for_device();

	vm_stop(&vm, STATUS_QUIT, "the end");
	CHECK_EQ("the machine ends", 0, is_ok(hear(fd, 20)));
	finish_waiting(false);
}

/* ---- forking: with one file or two ---- */

static struct fork_order ordered;
static char child_name[80], mode[8];
static unsigned int forks;

static bool fork_machine(struct machine *machine, const struct fork_order *order, struct fork_answer *answer)
{
	ASSERT(!machine, "another machine");
	forks++;
	ordered = *order;
	snprintf(child_name, sizeof(child_name), "%s", order->name);
	CHECK_EQ("its output", 1, fcntl(order->output, F_GETFL) >= 0);
	*answer = (struct fork_answer){ .pid = 1234 };
	if (!*mode)
		return true;
	snprintf(answer->error, sizeof(answer->error), "%s", mode);
	return false;
}

static void pass_along(int fd, const char *text, const int *passed, unsigned int count);

static bool is_filled;

static bool fill_up(struct fill *fill, const struct state_memory_watch *watch, struct state_error *error)
{
	ASSERT(watch->progress(watch->argument, 0, 0), "the client is there");
	atomic_store(&fill->left, 0);
	return is_filled || state_refuse(error, "web.keel: damaged");
}

static bool save_nothing(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch, struct state_error *error)
{
	return true;
}

static struct state_order saved_order;
static struct state_base saved_base;

static bool save_as_told(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch, struct state_error *error)
{
	saved_order = *order;
	if (order->base)
		saved_base = *order->base;
	order->saved = (struct state_identity){ { 0xab, [15] = 1 }, 0x1234 };
	order->pages = 77;
	return true;
}

#define BASE	"000102030405060708090a0b0c0d0e0f-deadbeef"

static void test_tracked(void)
{
	static const struct {
		const char *name, *members;
		bool is_tracked, has_base;
		const char *wanted;	/* NULL: done */
	} rows[] = {
		{ "as ever", "", false, false, NULL },
		{ "tracked", ",\"track\":true", true, false, NULL },
		{ "incremental", ",\"base\":\"" BASE "\",\"base_name\":\"a.keel\"", false, true, NULL },
		{ "both", ",\"track\":true,\"base\":\"" BASE "\",\"base_name\":\"a.keel\"", false, false, "is for a file that has all" },
		{ "no name", ",\"base\":\"" BASE "\"", false, false, "must be a path of 1 to 255 bytes" },
		{ "no base", ",\"base_name\":\"a.keel\"", false, false, "is not what a file says of itself" },
		{ "a short one", ",\"base\":\"00-00\",\"base_name\":\"a.keel\"", false, false, "is not what a file says of itself" },
		{ "an odd one", ",\"base\":\"000102030405060708090A0b0c0d0e0f-deadbeef\",\"base_name\":\"a\"", false, false, "is not what a file" },
		{ "no string", ",\"base\":7,\"base_name\":\"a.keel\"", false, false, "must be a string" },
		{ "a name that no file has", ",\"base\":\"" BASE "\",\"base_name\":\"a\\u0001\"", false, false, "printable" },
	};

	set_up();
	control.save = save_as_told;
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char line[256];

		memset(&saved_order, 0, sizeof(saved_order));
		snprintf(line, sizeof(line), "{\"command\":\"save\"%s}\n", rows[i].members);
		pass_along(fd, line, (int[]){ STDERR_FILENO }, 1);
		const char *answer = hear(fd, 20);

		if (!strstr(answer, rows[i].wanted ?: "\"file_id\":\"ab000000000000000000000000000001-00001234\",\"pages\":77"))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, answer);
		CHECK_EQ(rows[i].name, !rows[i].wanted, is_ok(answer));
		CHECK_EQ("tracked", rows[i].is_tracked, saved_order.is_tracked);
		CHECK_EQ("a base", rows[i].has_base, !!saved_order.base);
		if (rows[i].has_base) {
			CHECK_EQ("its number", 0x0f, saved_base.identity.id[15]);
			CHECK_EQ("its sum", 0xdeadbeef, saved_base.identity.sum);
			CHECK_EQ("its name", 0, strcmp("a.keel", saved_base.name));
		}
	}
	check_answer(fd, "of another command", "{\"command\":\"mark\",\"track\":true}", "has no \\\"track\\\"");
	close(fd);
	finish();
}

/* A machine whose memory still comes from a file: who wants all of it waits. */
static void test_restored(void)
{
	static struct fill fill;

	atomic_store(&fill.left, 3 << 20);
	set_up();
	control.is_restored = true;
	control.why_whole = "not today";
	control.save = save_nothing;
	int fd = join();

	check_answer(fd, "as a whole", "{\"command\":\"status\"}", "\"restored\":{\"memory\":\"eager\",\"left\":0,\"reason\":\"not today\"}");
	control.fill_up = fill_up;
	control.fill = &fill;
	control.why_whole = NULL;
	check_answer(fd, "it comes", "{\"command\":\"status\"}", "\"restored\":{\"memory\":\"lazy\",\"left\":3145728,\"reason\":null}");
	pass_along(fd, "{\"command\":\"save\"}\n", (int[]){ STDERR_FILENO }, 1);
	CHECK_EQ("it cannot come", 1, !!strstr(hear(fd, 20), "web.keel: damaged"));
	is_filled = true;
	pass_along(fd, "{\"command\":\"save\"}\n", (int[]){ STDERR_FILENO }, 1);
	CHECK_EQ("it is saved", 1, is_ok(hear(fd, 20)));
	check_answer(fd, "it is there", "{\"command\":\"status\"}", "\"left\":0,");
	close(fd);
	finish();
}

static void test_fork(void)
{
	int file = memfd_create("file", 0), socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const struct {
		const char *name, *request;
		int files[4];
		unsigned int file_count, forks;
		const char *wanted, *child;
		bool is_paused;
		unsigned int others;		/* without the report and the networks; 0: all */
		unsigned int nets;
	} rows[] = {
		{ "no file", "{\"command\":\"fork\"}\n", { 0 }, 0, 0, "no file was passed", NULL, false },
		{ "a file", "{\"command\":\"fork\"}\n", { file }, 1, 1, "{\"ok\":true,\"pid\":1234}", "", false },
		{ "used up", "{\"command\":\"fork\"}\n", { 0 }, 0, 1, "no file was passed", NULL, false },
		{ "no socket", "{\"command\":\"fork\"}\n", { file, file }, 2, 1, "no socket that listens", NULL, false },
		{ "one that does not listen", "{\"command\":\"fork\"}\n", { file, socket_fd }, 2, 1, "no socket that listens", NULL, false },
		{ "a socket", "{\"command\":\"fork\",\"name\":\"x\",\"paused\":true}\n", { file, -1 }, 2, 2, "{\"ok\":true", "x", true },
		{ "not paused", "{\"command\":\"fork\",\"paused\":false}\n", { file }, 1, 3, "{\"ok\":true", "", false },
		{ "a bad name", "{\"command\":\"fork\",\"name\":\"../x\"}\n", { file }, 1, 3, "letters, digits", NULL, false },
		{ "a zero in it", "{\"command\":\"fork\",\"name\":\"x\\u0000y\"}\n", { file }, 1, 3, "letters, digits", NULL, false },
		{ "no name", "{\"command\":\"fork\",\"name\":7}\n", { file }, 1, 3, "letters, digits", NULL, false },
		{ "no boolean", "{\"command\":\"fork\",\"paused\":1}\n", { file }, 1, 3, "true or false", NULL, false },
		{ "a report that is not there", "{\"command\":\"fork\",\"report\":true}\n", { file }, 1, 3, "1 files were passed", NULL, false },
		{ "and no file", "{\"command\":\"fork\",\"report\":true}\n", { 0 }, 0, 3, "no file was passed", NULL, false },
		{ "more than there are", "{\"command\":\"fork\"}\n", { file, -1, file }, 3, 3, "3 files were passed", NULL, false },
		{ "a report", "{\"command\":\"fork\",\"report\":true}\n", { file, file }, 2, 4, "{\"ok\":true", "", false, 1 },
		{ "a report and a socket", "{\"command\":\"fork\",\"report\":true}\n", { file, -1, file }, 3, 5, "{\"ok\":true", "", false, 2 },
		{ "no report", "{\"command\":\"fork\",\"report\":false}\n", { file, -1 }, 2, 6, "{\"ok\":true", "", false },
		{ "a network", "{\"command\":\"fork\",\"nets\":1}\n", { file, file }, 2, 7, "{\"ok\":true", "", false, 1, 1 },
		{ "all that there is", "{\"command\":\"fork\",\"nets\":1,\"report\":true}\n", { file, -1, file, file }, 4, 8, "{\"ok\":true", "", false, 2, 1 },
		{ "two networks", "{\"command\":\"fork\",\"nets\":2}\n", { file, file, file }, 3, 9, "{\"ok\":true", "", false, 1, 2 },
		{ "networks that are not there", "{\"command\":\"fork\",\"nets\":3}\n", { file, file, file }, 3, 9, "3 files were passed", NULL, false },
		{ "less than none", "{\"command\":\"fork\",\"nets\":-1}\n", { file }, 1, 9, "a number from 0 to 4", NULL, false },
		{ "too many", "{\"command\":\"fork\",\"nets\":5}\n", { file }, 1, 9, "a number from 0 to 4", NULL, false },
		{ "no number", "{\"command\":\"fork\",\"nets\":true}\n", { file }, 1, 9, "a number from 0 to 4", NULL, false },
		{ "of another command", "{\"command\":\"status\",\"report\":true}\n", { file }, 1, 9, "'status' has no \\\"report\\\"", NULL, false },
		{ "a size", "{\"command\":\"fork\",\"size\":1}\n", { file }, 1, 9, "'fork' has no \\\"size\\\"", NULL, false },
		{ "a name of another command", "{\"command\":\"status\",\"name\":\"x\"}\n", { file }, 1, 9, "'status' has no \\\"name\\\"", NULL, false },
	};

	set_up();
	int fd = join();

	pass_along(fd, rows[1].request, rows[1].files, 1);
	CHECK_EQ("not forkable", 1, !!strstr(hear(fd, 20), "keel run --forkable"));
	control.fork = fork_machine;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int files[4] = { rows[i].files[0], rows[i].files[1] < 0 ? control.listener : rows[i].files[1], rows[i].files[2], rows[i].files[3] };
		const unsigned int others = rows[i].others ?: rows[i].file_count;

		pass_along(fd, rows[i].request, files, rows[i].file_count);
		const char *answer = hear(fd, 20);

		if (!strstr(answer, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, answer);
		CHECK_EQ(rows[i].name, rows[i].forks, forks);
		CHECK_EQ("it goes on", 0, atomic_load(&vm.holds) & VM_HOLD_FORK);
		if (!rows[i].child)
			continue;
		CHECK_EQ("the child's name", 0, strcmp(rows[i].child, child_name));
		CHECK_EQ("it waits", rows[i].is_paused, ordered.is_paused);
		CHECK_EQ("it listens", others > 1, ordered.listener >= 0);
		CHECK_EQ("its networks", rows[i].nets, ordered.net_count);
		CHECK_EQ("it tells its end", !!strstr(rows[i].request, "\"report\":true"), ordered.report >= 0);
		CHECK_EQ("in another file", 1, ordered.report < 0 || (ordered.report != ordered.output && ordered.report != ordered.listener));
		CHECK_EQ("the files are closed", -1, fcntl(ordered.output, F_GETFL));
	}
	strcpy(mode, "why");
	pass_along(fd, rows[1].request, rows[1].files, 1);
	CHECK_EQ("refused", 1, !!strstr(hear(fd, 20), "{\"ok\":false,\"error\":\"why\"}"));
	close(fd);
	finish();
}

/* ---- moving: others are served meanwhile ---- */

static struct migration migration;
static bool goes;			/* it moves in the end; else it fails when it is told to */
static atomic_uint leaves, backs;
static int moved_through;

static bool migrate_machine(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error)
{
	migration.state = MIGRATE_COPYING;
	migration.is_cancelled = false;
	moved_through = fd;
	for (unsigned int i = 0; i < 2000 && !goes; i++) {
		if (migration.is_cancelled || !watch->progress(watch->argument, i, 2000)) {
			migration.state = MIGRATE_BACK;
			close(fd);
			return state_refuse(error, migration.is_cancelled ? "cancelled" : "given up");
		}
		usleep(1000);
	}
	close(fd);
	migration.state = goes ? MIGRATE_MOVED : MIGRATE_UNSURE;
	migration.sent = 4711;
	return goes || state_refuse(error, "lost");
}

static bool take_back(struct machine *machine, struct state_error *error)
{
	backs++;
	migration.state = MIGRATE_BACK;
	return true;
}

static void leave(struct machine *machine)
{
	leaves++;
}

static void set_up_migration(void)
{
	set_up();
	goes = false;
	migration = (struct migration){ 0 };
	control.migrate = migrate_machine;
	control.take_back = take_back;
	control.leave = leave;
	control.migration = &migration;
}

static void wait_for_state(enum migrate_state state)
{
	for (unsigned int i = 0; i < 5000 && *(volatile enum migrate_state *)&migration.state != state; i++)
		usleep(1000);
	CHECK_EQ("it has come there", state, migration.state);
}

static const char start[] = "{\"id\":1,\"command\":\"migrate\"}\n";

static void test_migrate(void)
{
	static const struct {
		const char *name, *request, *wanted;
	} rows[] = {
		{ "another one", "{\"command\":\"migrate\"}", "on its way to another launcher" },
		{ "save", "{\"command\":\"save\"}", "on its way to another launcher" },
		{ "mark", "{\"command\":\"mark\"}", "on its way to another launcher" },
		{ "fork", "{\"command\":\"fork\"}", "on its way to another launcher" },
		{ "reset", "{\"command\":\"reset\"}", "on its way to another launcher" },
		{ "status", "{\"command\":\"status\"}", "\"state\":\"running\"" },
		{ "pause", "{\"command\":\"pause\"}", "{\"ok\":true}" },
		{ "resume", "{\"command\":\"resume\"}", "{\"ok\":true}" },
		{ "how far it is", "{\"command\":\"migrate-status\"}", "\"migration\":\"copying\"" },
		{ "an NMI", "{\"command\":\"nmi\"}", "{\"ok\":true}" },
	};
	int pair[2], other;

	set_up_migration();
	int fd = join();

	other = join();
	say(fd, start, strlen(start));
	CHECK_EQ("no socket", 1, !!strstr(hear(fd, 20), "no socket was passed"));
	check_answer(other, "none", "{\"command\":\"migrate-cancel\"}", "no migration is under way");
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pass_along(fd, start, pair, 1);
	wait_for_state(MIGRATE_COPYING);
	CHECK_EQ("through another descriptor of it", 1, moved_through != pair[0]);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_answer(other, rows[i].name, rows[i].request, rows[i].wanted);
	vm_hold(&vm, VM_HOLD_MIGRATE);
	check_answer(other, "it stands", "{\"command\":\"status\"}", "\"state\":\"moving\"");
	check_answer(other, "an NMI now", "{\"command\":\"nmi\"}", "about to be another launcher's");
	check_answer(other, "pause now", "{\"command\":\"pause\"}", "about to be another launcher's");
	check_answer(other, "its button now", "{\"command\":\"power-button\"}", "about to be another launcher's");
	vm_release(&vm, VM_HOLD_MIGRATE);
	check_answer(other, "cancel", "{\"command\":\"migrate-cancel\"}", "{\"ok\":true}");
	CHECK_EQ("cancelled", 1, !!strstr(hear(fd, 20), "{\"ok\":false,\"id\":1,\"error\":\"cancelled\"}"));
	check_answer(fd, "is served again", "{\"command\":\"status\"}", "\"state\":\"running\"");
	/* Whoever asked goes away. */
	pass_along(fd, start, pair, 1);
	wait_for_state(MIGRATE_COPYING);
	close(fd);
	wait_for_state(MIGRATE_BACK);
	/* Nobody knows where it is. */
	migration.state = MIGRATE_UNSURE;
	check_answer(other, "save now", "{\"command\":\"save\"}", "has to be told first");
	check_answer(other, "resume now", "{\"command\":\"resume\"}", "has to be told first");
	check_answer(other, "too late", "{\"command\":\"migrate-cancel\"}", "too late");
	check_answer(other, "taken back", "{\"command\":\"migrate-take-back\"}", "{\"ok\":true}");
	CHECK_EQ("it was", 1, backs);
	CHECK_EQ("it has not left", 0, leaves);
	close(other);
	finish();
	CHECK_EQ("until it ended", 1, leaves);
}

/* It is another's: whoever asked hears it, and it ends. */
static void test_moved(void)
{
	int pair[2];

	set_up_migration();
	goes = true;
	int fd = join();

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pass_along(fd, start, pair, 1);
	CHECK_EQ("moved", 1, !!strstr(hear(fd, 20), "{\"ok\":true,\"id\":1,\"rounds\":0,\"sent\":4711,"));
	CHECK_EQ("the end of the connection", 0, strlen(hear(fd, 20)));
	CHECK_EQ("ends", STATUS_MOVED, vm.status);
	close(fd);
	finish();
	CHECK_EQ("nothing of it goes on", 1, leaves);
}

/* A client that wants the end of the machine has it, whoever moves it. */
static void test_migrate_quit(void)
{
	int pair[2];

	set_up_migration();
	int fd = join(), other = join();

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pass_along(fd, start, pair, 1);
	wait_for_state(MIGRATE_COPYING);
	CHECK_EQ("quit", 1, is_ok(ask(other, "{\"command\":\"quit\"}\n")));
	CHECK_EQ("given up", 1, !!strstr(hear(fd, 20), "given up"));
	CHECK_EQ("the end", 0, strlen(hear(fd, 20)));
	CHECK_EQ("ends", STATUS_QUIT, vm.status);
	close(fd);
	close(other);
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

/* ---- marks ---- */

static unsigned int mark_calls[2];
static const char *mark_wrong;

static bool at_mark(unsigned int which, uint64_t *count, struct state_error *error)
{
	mark_calls[which]++;
	CHECK_EQ("the guest stands", VM_HOLD_MARK, atomic_load(&vm.holds) & VM_HOLD_MARK);
	*count = 4711 + which;
	return !mark_wrong || state_refuse(error, "%s", mark_wrong);
}

static bool mark_machine(struct machine *machine, uint64_t *bytes, struct state_error *error)
{
	return at_mark(0, bytes, error);
}

static enum mark_identity went_back;

static bool mark_back(struct machine *machine, enum mark_identity identity, uint64_t *pages, struct state_error *error)
{
	went_back = identity;
	return at_mark(1, pages, error);
}

static void test_mark(void)
{
	static const struct {
		const char *name, *request;
		bool is_possible, is_stuck;
		const char *wrong, *wanted;
		unsigned int marks, resets;
		enum mark_identity identity;
	} rows[] = {
		{ "not markable", "{\"command\":\"mark\"}\n", false, false, NULL, "keel run --markable", 0, 0 },
		{ "not markable, back", "{\"command\":\"reset\",\"to_mark\":true}\n", false, false, NULL, "keel run --markable", 0, 0 },
		{ "a mark", "{\"command\":\"mark\"}\n", true, false, NULL, "{\"ok\":true,\"bytes\":4711}", 1, 0 },
		{ "back", "{\"command\":\"reset\",\"to_mark\":true}\n", true, false, NULL, "{\"ok\":true,\"pages\":4712}", 1, 1 },
		{ "refused", "{\"command\":\"mark\"}\n", true, false, "no room", "no room", 2, 1 },
		{ "as the same, and not back", "{\"command\":\"reset\",\"same\":true}\n", true, false, NULL, "goes with", 2, 1 },
		{ "a mark, as the same", "{\"command\":\"mark\",\"same\":true}\n", true, false, NULL, "'mark' has no", 2, 1 },
		{ "refused, back", "{\"command\":\"reset\",\"to_mark\":true}\n", true, false, "no mark", "no mark", 2, 2 },
		{ "it does not stand", "{\"command\":\"mark\"}\n", true, true, NULL, "a vCPU that cannot leave", 2, 2 },
		{ "it does not stand, back", "{\"command\":\"reset\",\"to_mark\":true}\n", true, true, NULL, "a vCPU that cannot leave", 2, 2 },
		{ "another reset", "{\"command\":\"reset\",\"to_mark\":false}\n", true, false, NULL, "--reset reboot", 2, 2 },
		{ "no boolean", "{\"command\":\"reset\",\"to_mark\":1}\n", true, false, NULL, "must be true or false", 2, 2 },
		{ "of another command", "{\"command\":\"mark\",\"to_mark\":true}\n", true, false, NULL, "'mark' has no", 2, 2 },
		{ "back, as the same", "{\"command\":\"reset\",\"to_mark\":true,\"same\":true}\n", true, false, NULL, "\"pages\":4712", 2, 3, MARK_THE_SAME },
		{ "back, as another", "{\"command\":\"reset\",\"to_mark\":true,\"same\":false}\n", true, false, NULL, "\"pages\":4712", 2, 4, MARK_ANOTHER },
	};

	set_up();
	int fd = join();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		control.mark = rows[i].is_possible ? mark_machine : NULL;
		control.to_mark = rows[i].is_possible ? mark_back : NULL;
		is_stuck = rows[i].is_stuck;
		mark_wrong = rows[i].wrong;
		const char *answer = ask(fd, rows[i].request);

		if (!strstr(answer, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, answer);
		CHECK_EQ(rows[i].name, rows[i].marks, mark_calls[0]);
		CHECK_EQ(rows[i].name, rows[i].resets, mark_calls[1]);
		CHECK_EQ("as whom", rows[i].identity, went_back);
		CHECK_EQ("it goes on", 0, atomic_load(&vm.holds) & VM_HOLD_MARK);
	}
	close(fd);
	finish();
}

static void test_quit(void)
{
	struct pollfd wait = { .events = POLLIN };

	set_up();
	int fd = join(), other = join();

	/* What comes behind it is not done any more. */
	CHECK_EQ("quit", 1, is_ok(ask(fd, "{\"command\":\"quit\"}\n{\"command\":\"nmi\"}\n")));
	wait.fd = vm.stop_event;
	CHECK_EQ("the end", 1, poll(&wait, 1, 20000));
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
		{ "{\"command\": \"\"}", "unknown command ''; there are status, pause, resume, power-button, reset, nmi, stats, balloon, save, mark, fork, migrate, migrate-status, migrate-cancel, migrate-take-back, quit" },
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

/* ---- many and slow clients ---- */

/* One who has much to ask does not keep the others waiting. */
static void test_turns(void)
{
	static const char request[] = "{\"command\":\"nmi\"}\n";
	char many[100 * sizeof(request)] = "";

	for (int i = 0; i < 100; i++)
		strcat(many, request);
	is_paced = true;
	set_up();
	int one = join(), two = join();

	ASSERT(is_ok(ask(two, "{\"command\":\"status\"}\n")), "both are there");
	say(one, many, strlen(many));
	/* Its first is done by now, and the others are there. */
	ASSERT(is_ok(hear(one, 20)), "the first");
	CHECK_EQ("the other one's", 1, is_ok(ask(two, "{\"command\":\"status\"}\n")));
	test_note("after %u of 100", nmis);
	CHECK_EQ("in turn", 1, nmis < 50);
	for (int i = 1; i < 100; i++)
		ASSERT(is_ok(hear(one, 20)), "answer %d", i);
	close(one);
	close(two);
	finish();
}

static void test_many(void)
{
	struct timespec wall[2], cpu[2];

	set_up();
	int fd = join();

	clock_gettime(CLOCK_MONOTONIC, &wall[0]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[0]);
	for (int i = 0; i < 2000; i++)
		ASSERT(is_ok(ask(fd, i & 1 ? "{\"command\":\"pause\"}\n" : "{\"command\":\"resume\"}\n")), "command %d", i);
	clock_gettime(CLOCK_MONOTONIC, &wall[1]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[1]);
	double spent = (double)(cpu[1].tv_sec - cpu[0].tv_sec) + (double)(cpu[1].tv_nsec - cpu[0].tv_nsec) / 1e9;

	test_note("2000 commands: %.3f s of CPU, test's side and sanitizer included, %.3f s in all", spent,
		  (double)(wall[1].tv_sec - wall[0].tv_sec) + (double)(wall[1].tv_nsec - wall[0].tv_nsec) / 1e9);
	/* of one CPU, so that a busy machine does not count */
	CHECK_EQ("1000 commands a second", 1, spent < 2);
	/* and all at once */
	for (int i = 0; i < 500; i++)
		say(fd, "{\"command\":\"resume\"}\n", 21);
	for (int i = 0; i < 500; i++)
		ASSERT(is_ok(hear(fd, 20)), "answer %d", i);
	close(fd);
	finish();
}

static void test_two(void)
{
	set_up();
	int one = join(), two = join();

	say(one, "{\"command\":", 11);
	CHECK_EQ("another's half line does not matter", 1, is_ok(ask(two, "{\"command\":\"pause\"}\n")));
	say(one, "\"status\"}\n{\"id\":", 16);
	CHECK_EQ("in pieces", 1, !!strstr(hear(one, 20), "\"state\":\"paused\""));
	CHECK_EQ("resume", 1, is_ok(ask(two, "{\"command\":\"resume\"}\n")));
	close(two);
	CHECK_EQ("in more pieces", 1, !!strstr(ask(one, "1,\"command\":\"status\"}\n"), "\"state\":\"running\""));
	/* It has said all that it wants to say, and takes the answers still. */
	say(one, "{\"command\":\"status\"}\n{\"command\":\"status\"}\nhalf", 46);
	shutdown(one, SHUT_WR);
	CHECK_EQ("first", 1, is_ok(hear(one, 20)));
	CHECK_EQ("second", 1, is_ok(hear(one, 20)));
	CHECK_EQ("and the end", 0, strlen(hear(one, 20)));
	close(one);
	finish();
}

static void test_crowd(void)
{
	int fds[CONTROL_CLIENTS];

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = join();
		ASSERT(is_ok(ask(fds[i], "{\"command\":\"status\"}\n")), "client %zu", i);
	}
	int last = join();

	CHECK_EQ("one too many", 1, !!strstr(hear(last, 20), "16 clients"));
	CHECK_EQ("is sent away", 0, strlen(hear(last, 20)));
	close(last);
	close(fds[3]);
	/* its place is free once the machine has seen that */
	for (int i = 0; i < 200; i++) {
		last = join();
		say(last, "{\"command\":\"status\"}\n", 21);
		if (is_ok(hear(last, 20)))
			break;
		close(last);
		last = -1;
		usleep(10000);
	}
	CHECK_EQ("a free place", 1, last >= 0);
	finish();
}

/* It asks and asks and takes no answer: it waits itself, then it goes; nobody else notices. */
static void test_unread(void)
{
	static const char request[] = "{\"command\":\"status\"}\n";
	struct pollfd wait = { .events = POLLOUT };
	unsigned long asked = 0;

	set_up();
	int deaf = join(), other = join();

	fcntl(deaf, F_SETFL, O_NONBLOCK);
	wait.fd = deaf;
	do {
		while (write(deaf, request, sizeof(request) - 1) > 0)
			asked++;
	} while (poll(&wait, 1, 500) == 1 && !(wait.revents & (POLLERR | POLLHUP)));
	test_note("%lu requests without a look at the answers", asked);
	CHECK_EQ("not endless", 1, asked < 1000000);
	for (int i = 0; i < 100; i++)
		ASSERT(is_ok(ask(other, request)), "another client, command %d", i);
	sleep(CONTROL_PATIENCE_S + 3);
	wait.events = 0;
	CHECK_EQ("sent away", 1, poll(&wait, 1, 0) == 1 && wait.revents & POLLHUP);
	CHECK_EQ("at work", 1, is_ok(ask(other, request)));
	finish();
}

static int count_files(void)
{
	DIR *files = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(files))
		count++;
	closedir(files);
	return count;
}

/* @count descriptors along with @text: of @passed, or those of standard error. */
static void pass_along(int fd, const char *text, const int *passed, unsigned int count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} files = { .head = { .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec bytes = { (char *)text, strlen(text) };
	struct msghdr message = {
		.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &files, .msg_controllen = count ? CMSG_SPACE(count * sizeof(int)) : 0,
	};
	int *at = (int *)CMSG_DATA(&files.head);

	for (unsigned int i = 0; i < count; i++)
		at[i] = passed ? passed[i] : STDERR_FILENO;
	ASSERT_EQ(sendmsg(fd, &message, MSG_NOSIGNAL), (s64)bytes.iov_len);
}

/* Files that nobody asked for are closed, whoever passes how many with what. */
static void test_files(void)
{
	set_up();
	int fd = join();

	ASSERT(is_ok(ask(fd, "{\"command\":\"status\"}\n")), "there");
	int before = count_files();

	for (unsigned int i = 0; i < 40; i++) {
		pass_along(fd, "{\"command\":\"status\"}\n", NULL, i % 8 + 1);
		ASSERT(is_ok(hear(fd, 20)), "with %u files", i % 8 + 1);
		pass_along(fd, "no JSON\n", NULL, i % 8 + 1);
		ASSERT(!is_ok(hear(fd, 20)), "with %u files", i % 8 + 1);
		/* each piece of a line brings some */
		pass_along(fd, "{\"command\":", NULL, i % 8 + 1);
		pass_along(fd, "\"status\"}\n", NULL, i % 8 + 1);
		ASSERT(is_ok(hear(fd, 20)), "with %u files twice", i % 8 + 1);
	}
	CHECK_EQ("closed with their requests", before, count_files());
	CHECK_EQ("a file of a request before", 1,
		 !!strstr(ask(fd, "{\"command\":\"save\"}\n"), "no file was passed"));
	for (unsigned int i = 0; i < 40; i++) {
		int other = join();

		ASSERT(is_ok(ask(other, "{\"command\":\"status\"}\n")), "another");
		pass_along(other, "{\"comm", NULL, i % 8 + 1);
		close(other);
	}
	for (int i = 0; i < 200 && count_files() != before; i++)
		usleep(10000);
	CHECK_EQ("closed with their clients", before, count_files());
	close(fd);
	finish();
}

/* Gone in the middle of an answer, or without a word. */
static void test_gone(void)
{
	set_up();
	for (int i = 0; i < 200; i++) {
		int fd = join();

		if (i & 1)
			say(fd, "{\"command\":\"status\"}\n{\"command\":\"status\"}\n{\"comm", 48);
		close(fd);
	}
	int fd = join();

	/* Those who have gone may not have been seen yet. */
	for (int i = 0; i < 200 && !is_ok(ask(fd, "{\"command\":\"status\"}\n")); i++) {
		close(fd);
		fd = join();
	}
	CHECK_EQ("at work", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	finish();
}

/* ---- whose socket it is ---- */

static void test_socket(void)
{
	char other[64], far[256];
	struct stat stat_buffer;

	set_up();
	ASSERT_EQ(stat(path, &stat_buffer), 0);
	CHECK_EQ("for its owner alone", 0600, stat_buffer.st_mode & 07777);
	CHECK_EQ("somebody listens", -1, control_open(path));
	int fd = join();

	CHECK_EQ("and goes on", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	close(fd);

	snprintf(other, sizeof(other), "%s/left", directory);
	fd = control_open(other);
	ASSERT_GE(fd, 0);
	close(fd);
	CHECK_EQ("it is left behind", 0, access(other, F_OK));
	fd = control_open(other);
	CHECK_EQ("and taken over", 1, fd >= 0);
	close(fd);
	unlink(other);

	/* Somebody who listens, and has more clients than he looks at. */
	int crowd[100] = { -1 };
	unsigned int count = 0;

	fd = control_open(other);
	while (count < ARRAY_SIZE(crowd) && (crowd[count] = control_connect(other, 1)) >= 0)
		count++;
	CHECK_EQ("some wait", 1, count > 0 && count < ARRAY_SIZE(crowd));
	CHECK_EQ("not left behind", -1, control_open(other));
	while (count)
		close(crowd[--count]);
	close(fd);
	unlink(other);

	/* Bound, and about to listen. */
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, other);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ("somebody's already", -1, control_open(other));
	close(fd);
	unlink(other);

	fd = open(directory, O_RDONLY);
	ASSERT_EQ(flock(fd, LOCK_EX), 0);
	int late = control_open(other);

	CHECK_EQ("the directory's lock is somebody's", 1, late >= 0);
	close(late);
	close(fd);
	unlink(other);

	fd = open(other, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(write(fd, "precious", 8), 8);
	CHECK_EQ("a file", -1, control_open(other));
	CHECK_EQ("stays", 8, lseek(fd, 0, SEEK_END));
	CHECK_EQ("in its place", 0, access(other, F_OK));
	close(fd);
	unlink(other);
	ASSERT_EQ(symlink("nowhere", other), 0);
	CHECK_EQ("a link to nowhere", -1, control_open(other));
	unlink(other);
	snprintf(far, sizeof(far), "%s/nowhere/socket", directory);
	CHECK_EQ("no such directory", -1, control_open(far));
	memset(far, 'x', sizeof(far));
	far[120] = 0;
	CHECK_EQ("too long", -1, control_open(far));
	CHECK_EQ("empty", -1, control_open(""));
	finish();
}

static const struct test_case cases[] = {
	{ "status", test_status },
	{ "restored", test_restored },
	{ "tracked", test_tracked },
	{ "identity", test_identity },
	{ "networks", test_networks },
	{ "commands", test_commands },
	{ "machine_says_no", test_machine_says_no },
	{ "save", test_save },
	{ "odd_path", test_odd_path },
	{ "save_unwanted", test_save_unwanted },
	{ "save_waits", test_save_waits },
	{ "save_left", test_save_left },
	{ "save_ended", test_save_ended },
	{ "stats", test_stats },
	{ "balloon", test_balloon },
	{ "reset", test_reset },
	{ "mark", test_mark },
	{ "quit", test_quit },
	{ "bad", test_bad },
	{ "random", test_random },
	{ "long", test_long },
	{ "many", test_many },
	{ "turns", test_turns },
	{ "two", test_two },
	{ "crowd", test_crowd },
	{ "unread", test_unread },
	{ "fork", test_fork },
	{ "migrate", test_migrate },
	{ "moved", test_moved },
	{ "migrate_quit", test_migrate_quit },
	{ "files", test_files },
	{ "gone", test_gone },
	{ "socket", test_socket },
};

TEST_MAIN(cases)
