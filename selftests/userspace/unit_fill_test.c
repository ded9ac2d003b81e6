// SPDX-License-Identifier: GPL-2.0-only
/* Memory that comes from a file as it is touched: right for whoever touches it, this process or the kernel, never zeros where it was not, and once it is there it stays what it is. */
#include <fcntl.h>
#include <sys/wait.h>

#include "fake_state.h"
#include "fake_vm.h"
#include "userspace/faults.h"
#include "userspace/fill.h"
#include "userspace/state_lazy.h"
#include "userspace/thread.h"

#define MEMORY	(64ULL << 20)
#define BLOCK	3ULL	/* a megabyte that was saved */
#define MOMENT_MS	300

static struct vm vm;
static struct fill fill;
static struct memory saved;
static int file;

static u64 wanted_at(u64 at) { return at * 0x9e3779b97f4a7c15ULL; }

static bool is_saved(u64 megabyte) { return megabyte == BLOCK || megabyte == 4 || megabyte == 8 || megabyte == 60; }

/* Each second page of four megabytes, with a gap between that is large. */
static void save(void)
{
	static struct state_image image;
	u64 random = 3;

	fake_image(&image, &random);
	memset(&saved, 0, sizeof(saved));
	ASSERT_EQ(memory_create(&saved, MEMORY, 0), 0);
	image.machine.memory = MEMORY;
	image.machine.slot_count = saved.count;
	memcpy(image.machine.slots, saved.regions, sizeof(saved.regions));
	for (u64 at = 1 << 20; at < MEMORY; at += 8)
		if (is_saved(at >> 20) && !(at & 4096))
			*(u64 *)memory_at(&saved, at, 8) = wanted_at(at);
	file = fake_file();
	fake_write_index(file, &image, &saved);
	state_image_free(&image);
}

static struct state_lazy *open_saved(void)
{
	static struct state_image image;
	struct state_error error = { "" };
	struct state_reader reader;
	struct state_lazy *lazy;

	memset(&image, 0, sizeof(image));
	ASSERT(state_open(&reader, file, &error), "%s", error.text);
	lazy = state_lazy_open(&reader, &image, &error);
	ASSERT(lazy, "%s", error.text);
	state_close(&reader);
	state_image_free(&image);
	return lazy;
}

static void begin(void)
{
	struct state_error error = { "" };
	char text[200];

	REQUIRE(!faults_why_not(text, sizeof(text)), "%s", text);
	save();
	fake_vm_init(&vm, MEMORY);
	if (!fill_open(&fill, &vm, "web.keel", open_saved(), &error))
		FAIL("%s", error.text);
}

static void start(void)
{
	struct state_error error = { "" };

	if (!fill_rest(&fill, &error))
		FAIL("%s", error.text);
	ASSERT_EQ(fill_start(&fill), 0);
}

static void end(void)
{
	vm.end_by = thread_time_in(5000);
	ASSERT(fill_stop(&fill), "the thread is still there");
	fill_close(&fill);
	memory_destroy(&vm.memory);
	memory_destroy(&saved);
	close(file);
}

static void *at(u64 address) { return memory_at(&vm.memory, address, STATE_PAGE); }

/* As the kernel reads it, for which no fault of user mode is. */
static void check_by_kernel(u64 address)
{
	static u8 page[STATE_PAGE];
	int ends[2];

	ASSERT_EQ(pipe(ends), 0);
	ASSERT_EQ(write(ends[1], at(address), STATE_PAGE), (int)STATE_PAGE);
	ASSERT_EQ(read(ends[0], page, STATE_PAGE), (int)STATE_PAGE);
	CHECK_EQ("as the kernel reads it", 0, memcmp(page, memory_at(&saved, address, STATE_PAGE), STATE_PAGE));
	close(ends[0]);
	close(ends[1]);
}

static void check_page(u64 address)
{
	CHECK_EQ("a page", 0, memcmp(at(address), memory_at(&saved, address, STATE_PAGE), STATE_PAGE));
}

static void check_all(void)
{
	for (unsigned int i = 0; i < saved.count; i++)
		CHECK_EQ("a region", 0, memcmp(saved.regions[i].host, vm.memory.regions[i].host, saved.regions[i].size));
}

static void test_whole(void)
{
	struct state_error error = { "" };

	begin();
	CHECK_EQ("to come", 4 << 20, atomic_load(&fill.left));
	check_by_kernel(BLOCK << 20);
	check_page(4 << 20);
	CHECK_EQ("two have come, as they were touched", 2 << 20, atomic_load(&fill.left));
	start();
	check_page((8 << 20) + 4096);
	check_page(8 << 20);
	check_page(20 << 20);
	check_page(0);
	CHECK_EQ("and one more", 1 << 20, atomic_load(&fill.left));
	CHECK_EQ("not all", 0, atomic_load(&fill.is_done));
	fill_go_on(&fill);
	if (!fill_wait(&fill, NULL, &error))
		FAIL("%s", error.text);
	CHECK_EQ("all", 0, atomic_load(&fill.left));
	check_all();
	CHECK_EQ("nobody is stopped", 0, vm_is_stopping(&vm));
	end();
}

/* What the guest writes stays, before all is there and afterwards. */
static void test_written(void)
{
	struct state_error error = { "" };

	begin();
	start();
	*(u64 *)at(BLOCK << 20) = 1;
	*(u64 *)at((BLOCK << 20) + 4096) = 2;
	*(u64 *)at(30 << 20) = 3;
	fill_go_on(&fill);
	ASSERT(fill_wait(&fill, NULL, &error), "%s", error.text);
	CHECK_EQ("where it was not zero", 1, *(u64 *)at(BLOCK << 20));
	CHECK_EQ("the rest of that page", wanted_at((BLOCK << 20) + 8), *(u64 *)((u8 *)at(BLOCK << 20) + 8));
	CHECK_EQ("where it was zero", 2, *(u64 *)at((BLOCK << 20) + 4096));
	CHECK_EQ("where no block is", 3, *(u64 *)at(30 << 20));
	end();
}

/* What was given back is zeros, and does not come again. */
static void test_given_back(void)
{
	struct state_error error = { "" };

	begin();
	start();
	CHECK_EQ("not there yet", 0, memory_give_back(&vm.memory, BLOCK << 20, 8192));
	CHECK_EQ("its block has come for that", 3 << 20, atomic_load(&fill.left));
	check_page((BLOCK << 20) + 8192);
	CHECK_EQ("zeros", 1, memory_is_zero(at(BLOCK << 20), STATE_PAGE));
	CHECK_EQ("there", 0, memory_give_back(&vm.memory, (BLOCK << 20) + 8192, 4096));
	CHECK_EQ("two of them", 0, memory_give_back(&vm.memory, (BLOCK + 1) << 20, 1 << 20));
	CHECK_EQ("where no block is", 0, memory_give_back(&vm.memory, 30 << 20, 4096));
	fill_go_on(&fill);
	ASSERT(fill_wait(&fill, NULL, &error), "%s", error.text);
	CHECK_EQ("zeros still", 1, memory_is_zero(at(BLOCK << 20), STATE_PAGE));
	CHECK_EQ("these too", 1, memory_is_zero(at((BLOCK << 20) + 8192), STATE_PAGE));
	CHECK_EQ("and all of these", 1, memory_is_zero(at((BLOCK + 1) << 20), 1 << 20));
	check_page((BLOCK << 20) + 16384);
	CHECK_EQ("afterwards", 0, memory_give_back(&vm.memory, 8 << 20, 4096));
	CHECK_EQ("zeros as well", 1, memory_is_zero(at(8 << 20), STATE_PAGE));
	end();
}

static void *touch_many(void *argument)
{
	u64 random = (uintptr_t)argument, bad = 0;

	for (unsigned int i = 0; i < 4000; i++) {
		u64 address = xorshift(&random) % (MEMORY / STATE_PAGE - 256) * STATE_PAGE + (1 << 20);

		bad += memcmp(at(address), memory_at(&saved, address, STATE_PAGE), STATE_PAGE) != 0;
	}
	return (void *)(uintptr_t)bad;
}

/* Many at once, while the rest comes. */
static void test_many(void)
{
	struct state_error error = { "" };
	pthread_t threads[4];
	void *bad;

	begin();
	start();
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, touch_many, (void *)(i + 1)), 0);
	fill_go_on(&fill);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(pthread_join(threads[i], &bad), 0);
		CHECK_EQ("pages that were not what they should be", 0, (uintptr_t)bad);
	}
	ASSERT(fill_wait(&fill, NULL, &error), "%s", error.text);
	check_all();
	end();
}

/* The machine ends before all is there. */
static void test_ended(void)
{
	begin();
	start();
	check_page(4 << 20);
	end();
	begin();
	end();
}

static bool on_wait(void *argument, u64 done, u64 all)
{
	(*(unsigned int *)argument)++;
	return false;
}

static void test_given_up(void)
{
	unsigned int asked = 0;
	const struct state_memory_watch watch = { on_wait, &asked };
	struct state_error error = { "" };

	begin();
	start();
	CHECK_EQ("waited for nothing", 0, fill_wait(&fill, &watch, &error));
	CHECK_EQ("asked", 1, asked);
	CHECK_EQ("why", 0, strcmp(error.text, "given up while the machine's memory came from web.keel"));
	end();
	memset(&fill, 0, sizeof(fill));
	error.text[0] = 0;
	CHECK_EQ("none to wait for", 1, fill_wait(&fill, NULL, &error));
	CHECK_EQ("none to end", 1, fill_stop(&fill));
	fill_close(&fill);
}

/* ---- what cannot be read ---- */

static void damage(void)
{
	static const char name[STATE_NAME_MAX] = STATE_MEMORY;
	u64 address = state_lazy_address(fill.lazy, 0), size = (u64)lseek(file, 0, SEEK_END);
	u8 *bytes = malloc(size);

	CHECK_EQ("the first block", BLOCK << 20, address);
	ASSERT_EQ(pread(file, bytes, size, 0), (s64)size);
	for (u64 i = 0; i + sizeof(struct state_section) < size; i += 8) {
		if (memcmp(bytes + i, name, sizeof(name)))
			continue;
		bytes[i + 200] ^= 1;
		ASSERT_EQ(pwrite(file, bytes + i + 200, 1, (off_t)(i + 200)), 1);
		free(bytes);
		return;
	}
	FAIL("no block in the file");
}

/* As it is made: it is not run. */
static void test_bad_early(void)
{
	struct state_error error = { "" };

	begin();
	damage();
	CHECK_EQ("what it is given goes on", 0, *(u64 *)at(BLOCK << 20));
	check_page(4 << 20);
	CHECK_EQ("taken", 0, fill_rest(&fill, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "the checksum of section 'memory' 0 is wrong: the file is damaged"));
	CHECK_EQ("nobody ran", 0, vm_is_stopping(&vm));
	end();
}

static void *touch_bad(void *argument)
{
	*(u64 *)argument = *(u64 *)at(BLOCK << 20);
	return NULL;
}

/* While it runs: it ends, in words, and whoever touches that sees nothing at all. In a process of its own, which ends as one of a machine does. */
static void bad_late(void)
{
	struct state_error error = { "" };
	struct timespec moment;
	static u64 seen = 0x5555;
	pthread_t thread;

	begin();
	start();
	damage();
	ASSERT_EQ(pthread_create(&thread, NULL, touch_bad, &seen), 0);
	moment = thread_time_in(MOMENT_MS);
	CHECK_EQ("it waits", ETIMEDOUT, pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &moment));
	CHECK_EQ("and has seen nothing", 0x5555, seen);
	CHECK_EQ("the machine ends", STATUS_STATE, vm.status);
	CHECK_EQ("why", 0, strcmp(vm.reason, "web.keel: the checksum of section 'memory' 0 is wrong: the file is damaged"));
	check_page(4 << 20);
	CHECK_EQ("is not given back", -EIO, memory_give_back(&vm.memory, BLOCK << 20, 4096));
	CHECK_EQ("others are", 0, memory_give_back(&vm.memory, 8 << 20, 4096));
	fill_go_on(&fill);
	CHECK_EQ("never whole", 0, fill_wait(&fill, NULL, &error));
	CHECK_EQ("for that reason", 0, strcmp(error.text, vm.reason));
	CHECK_EQ("it waits still", 0x5555, seen);
	_exit(test_has_failed() ? 1 : 0);
}

static int run_apart(void (*run)(void))
{
	pid_t pid = fork();
	int status = 0;

	ASSERT_GE(pid, 0);
	if (!pid)
		run();
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_bad_late(void)
{
	char text[200];

	REQUIRE(!faults_why_not(text, sizeof(text)), "%s", text);
	CHECK_EQ("how it went", 0, run_apart(bad_late));
}

/* Found in the background, and cut short. */
static void test_shorter(void)
{
	struct state_error error = { "" };

	begin();
	start();
	ASSERT_EQ(ftruncate(file, 4096), 0);
	fill_go_on(&fill);
	CHECK_EQ("never whole", 0, fill_wait(&fill, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "web.keel: cannot read: the file has become shorter"));
	CHECK_EQ("the machine ends", STATUS_STATE, vm.status);
	end();
}

/* ---- who may ---- */

static void ask_as_nobody(void)
{
	char text[200] = "";
	int fd;

	if (setresuid(65534, 65534, 65534))
		_exit(4);
	fd = open("/dev/userfaultfd", O_RDWR);
	if (fd >= 0 || !faults_why_not(text, sizeof(text)))
		_exit(4);
	_exit(strstr(text, "vm.unprivileged_userfaultfd=1") ? 0 : 1);
}

static void test_nobody(void)
{
	int status = run_apart(ask_as_nobody);

	REQUIRE(status != 4, "everybody may here, or nobody else can be asked");
	CHECK_EQ("told why not", 0, status);
}

static const struct test_case cases[] = {
	{ "whole", test_whole },
	{ "written", test_written },
	{ "given_back", test_given_back },
	{ "many", test_many },
	{ "ended", test_ended },
	{ "given_up", test_given_up },
	{ "bad_early", test_bad_early },
	{ "bad_late", test_bad_late },
	{ "shorter", test_shorter },
	{ "nobody", test_nobody },
};

TEST_MAIN(cases)
