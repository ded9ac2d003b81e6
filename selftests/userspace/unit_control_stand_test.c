// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: commands that have a machine stand, to be saved, forked and marked. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_control.h"
#include "test.h"
#include "userspace/fill.h"
#include "userspace/fork.h"
#include "userspace/mark.h"
#include "userspace/state.h"
#include "userspace/state_format.h"
#include "userspace/state_memory.h"

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

static const struct test_case cases[] = {
	{ "save", test_save },
	{ "odd_path", test_odd_path },
	{ "save_unwanted", test_save_unwanted },
	{ "save_waits", test_save_waits },
	{ "save_left", test_save_left },
	{ "save_ended", test_save_ended },
	{ "tracked", test_tracked },
	{ "restored", test_restored },
	{ "fork", test_fork },
	{ "mark", test_mark },
};

TEST_MAIN(cases)
