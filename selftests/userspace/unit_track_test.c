// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that have what was written since another one was saved: a chain of them is the machine as it was at the last, whoever wrote; one with another file, or
 * none, in it is refused with the reason; and what could not be saved, or was lost afterwards, is in the next one.
 */
#include "test.h"

#include "fake_machine.h"
#include "userspace/faults.h"
#include "userspace/state_chain.h"
#include "userspace/state_lazy.h"
#include "userspace/whole.h"

static char folder[] = "/tmp/keel-chain.XXXXXX";
static struct state_identity identities[26];	/* of the files a, b, ... */
static u64 pages[26];
static bool is_lazy;

/* ---- what serves faults: here all comes at once ---- */

const char *faults_why_not(char *text, size_t size)
{
	snprintf(text, size, "not now");
	return is_lazy ? NULL : text;
}

bool fill_open(struct fill *fill, struct vm *vm, const char *name, struct state_lazy *lazy, struct state_error *error)
{
	struct state_block block;
	bool is_there = true;

	ASSERT(is_lazy, "asked for nothing");
	for (u32 n = 0; is_there && n < state_lazy_count(lazy); n++) {
		const u8 *from = state_lazy_load(lazy, n, &block, error);

		is_there = from;
		for (unsigned int page = 0; is_there && page < STATE_BLOCK_PAGES; page++) {
			if (!state_block_has(&block, page))
				continue;
			memcpy(memory_at(&vm->memory, block.address + page * STATE_PAGE, STATE_PAGE), from, STATE_PAGE);
			from += STATE_PAGE;
		}
	}
	state_lazy_free(lazy);
	return is_there;
}

bool fill_rest(struct fill *fill, struct state_error *error)
{
	return true;
}

/* ---- saving ---- */

struct saving {
	struct state_order order;
	struct state_base base;
	struct state_error error;
};

static const char *path_of(char name)
{
	static char paths[4][80];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%c.keel", folder, name);
	return path;
}

static bool fill_file(void *argument, int fd, struct state_error *error)
{
	struct saving *saving = argument;

	return state_write_order(&first, fd, &saving->order, NULL, error);
}

/* @base: 0: all of it, and what is written from then on is logged. Return: NULL, or why not. */
static const char *save(char name, char base)
{
	static struct saving saving;

	memset(&saving, 0, sizeof(saving));
	saving.order.is_tracked = !base;
	if (base) {
		saving.base.identity = identities[base - 'a'];
		snprintf(saving.base.name, sizeof(saving.base.name), "%c.keel", base);
		saving.order.base = &saving.base;
	}
	/* As the guest stands. */
	vm_hold(&first.vm, VM_HOLD_SAVE);
	bool is_saved = whole_write(path_of(name), fill_file, &saving, &saving.error);

	vm_release(&first.vm, VM_HOLD_SAVE);
	if (!is_saved)
		return saving.error.text;
	identities[name - 'a'] = saving.order.saved;
	pages[name - 'a'] = saving.order.pages;
	return NULL;
}

static void must_save(char name, char base)
{
	const char *why = save(name, base);

	if (why)
		FAIL("%c: %s", name, why);
}

/* Return: NULL, or why not. */
static const char *restore(char name)
{
	static struct state_file from;
	int ret;

	memset(&from, 0, sizeof(from));
	memory_destroy(&second.vm.memory);
	ASSERT_EQ(memory_create(&second.vm.memory, SIZE, 0), 0);
	ret = is_lazy ? state_file_open_lazy(&from, path_of(name)) : state_file_open(&from, path_of(name));
	if (!ret && is_lazy)
		CHECK_EQ("by the index", 1, !!from.lazy);
	if (!ret)
		ret = state_give(&second, &from);
	state_file_close(&from);
	return ret ? status_last() : NULL;
}

static void must_restore(char name)
{
	const char *why = restore(name);

	if (why)
		FAIL("%c: %s", name, why);
	CHECK_EQ("memory is the same", 1, is_same_memory());
}

static void begin(bool lazily)
{
	is_lazy = lazily;
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ASSERT(mkdtemp(folder), "a directory");
	set_up();
}

static void end(void)
{
	char command[100];

	track_end(&first);
	clean_up();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ASSERT_EQ(system(command), 0);
}

/* ---- chains ---- */

static void go_through(void)
{
	must_save('a', 0);
	CHECK_EQ("logged from then on", 1, is_logging);
	must_restore('a');
	guest_writes(0x3000, 7);
	guest_writes(0x401000, 8);
	device_writes(0x700123, 9);
	must_save('b', 'a');
	CHECK_EQ("as many pages as were written", 3, pages[1]);
	must_restore('b');
	/* Zeros, by the guest and as it gives a page back, which must not be what they were. */
	guest_writes(0x402000, 0);
	guest_writes(0x401000, 5);
	ASSERT_EQ(memory_give_back(&first.vm.memory, 0x3000, 4096), 0);
	must_save('c', 'b');
	CHECK_EQ("these too", 3, pages[2]);
	must_restore('c');
	must_save('d', 'c');
	CHECK_EQ("nothing was written", 0, pages[3]);
	must_restore('d');
	guest_writes(0xff0000, 1);
	must_save('e', 'd');
	must_restore('e');
}

static void test_chain(void)
{
	for (unsigned int lazily = 0; lazily < 2; lazily++) {
		begin(lazily);
		go_through();
		end();
	}
}

static void test_long(void)
{
	struct state_error error = { "" };
	struct state_identity base;
	const char *why;

	begin(false);
	must_save('a', 0);
	for (char name = 'b'; name <= 'q'; name++) {
		guest_writes((u64)(name - 'a') << 12, 7);
		must_save(name, name - 1);
		if (name == 'p')
			must_restore(name);
	}
	why = restore('q');
	CHECK_EQ("too long", 1, why && !!strstr(why, "it stands on more than 15 other files"));
	CHECK_EQ("as long as can be", 1, state_chain_check(path_of('p'), "o.keel", &base, &error));
	CHECK_EQ("one more", 0, state_chain_check(path_of('q'), "p.keel", &base, &error));
	ASSERT(strstr(error.text, "it stands on 15 other files, and one more could not be restored"), "got '%s'", error.text);
	end();
}

/* The other side could not give the file its name, or this side could not write it. */
static void test_lost(void)
{
	struct saving full = { .order.base = &full.base };
	int fd = open("/dev/full", O_WRONLY);

	begin(false);
	must_save('a', 0);
	guest_writes(0x3000, 7);
	must_save('b', 'a');
	guest_writes(0x401000, 8);
	CHECK_EQ("the one that was lost is no base", 1, !unlink(path_of('b')));
	must_save('b', 'a');
	CHECK_EQ("all since the first", 2, pages[1]);
	must_restore('b');
	guest_writes(0x5000, 3);
	full.base.identity = identities[1];
	strcpy(full.base.name, "b.keel");
	CHECK_EQ("no room", 0, state_write_order(&first, fd, &full.order, NULL, &full.error));
	guest_writes(0x6000, 4);
	must_save('c', 'b');
	CHECK_EQ("what was not saved is not lost", 2, pages[2]);
	must_restore('c');
	/* All of it once more, which is the base from then on, or is lost. */
	guest_writes(0x7000, 4);
	must_save('d', 0);
	guest_writes(0x8000, 4);
	must_save('e', 'c');
	CHECK_EQ("since the one before that", 2, pages[4]);
	must_restore('e');
	close(fd);
	end();
}

/* A log that was begun for a file that could not be written is ended. */
static void test_not_begun(void)
{
	struct state_error error = { "" };
	struct state_order order = { .is_tracked = true };
	int fd = open("/dev/full", O_WRONLY);
	const char *why;

	begin(false);
	CHECK_EQ("no room", 0, state_write_order(&first, fd, &order, NULL, &error));
	CHECK_EQ("no log", 0, is_logging);
	CHECK_EQ("nor of this process", 1, !first.vm.memory.written);
	why = save('b', 'a');
	CHECK_EQ("no base", 1, why && !!strstr(why, "no log is kept of what is written: save --track first"));
	refused = KVM_SET_USER_MEMORY_REGION;
	why = save('a', 0);
	CHECK_EQ("the kernel has none", 1, why && !!strstr(why, "no log of the guest's writes"));
	refused = 0;
	first.mark = (struct mark *)&first;
	why = save('a', 0);
	CHECK_EQ("the mark has it", 1, why && !!strstr(why, "a machine with a mark"));
	first.mark = NULL;
	close(fd);
	end();
}

/* ---- refusals ---- */

static void no_base(void) { ASSERT_EQ(unlink(path_of('b')), 0); }
static void no_first(void) { ASSERT_EQ(unlink(path_of('a')), 0); }

/* The same machine, saved again under that name. */
static void another_base(void)
{
	must_save('b', 'c');
}

static void itself(void)
{
	ASSERT_EQ(unlink(path_of('b')), 0);
	ASSERT_EQ(symlink(path_of('c'), path_of('b')), 0);
}

static void damaged(void)
{
	int fd = open(path_of('a'), O_RDWR);
	off_t at = lseek(fd, 0, SEEK_END) / 2;
	u8 byte;

	ASSERT_EQ(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void no_machine(void)
{
	int fd = open(path_of('b'), O_WRONLY | O_TRUNC);

	ASSERT_EQ(write(fd, "hello", 5), 5);
	close(fd);
}

static void test_refused(void)
{
	static const struct {
		const char *name;
		void (*change)(void);
		const char *wanted;
	} rows[] = {
		{ "its base is missing", no_base, "b.keel: cannot open it: No such file or directory" },
		{ "its base's base is missing", no_first, "a.keel: cannot open it: No such file or directory" },
		{ "its base is another", another_base, "b.keel: it is another file than the one that was saved before" },
		{ "its base is itself", itself, "b.keel: it is another file than the one that was saved before" },
		{ "its base is none", no_machine, "b.keel: not a saved VM of keel's" },
		{ "its base's base is damaged", damaged, "a.keel: the checksum of section 'memory'" },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		size_t row = i / 2;
		const char *why;

		begin(i % 2);
		must_save('a', 0);
		guest_writes(0x3000, 7);
		must_save('b', 'a');
		guest_writes(0x4000, 7);
		must_save('c', 'b');
		rows[row].change();
		why = restore('c');
		if (!why || !strstr(why, rows[row].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[row].name, rows[row].wanted, why ?: "(restored)");
		CHECK_EQ("it names the one that was asked for", 0, strncmp(why, path_of('c'), strlen(path_of('c'))));
		end();
	}
}

/* What is no base of this machine's log. */
static void test_other_base(void)
{
	const char *why;

	begin(false);
	must_save('a', 0);
	must_save('b', 'a');
	must_save('c', 'b');
	why = save('d', 'a');
	CHECK_EQ("an older one", 1, why && !!strstr(why, "is not one since that base: save --track again"));
	identities[2].sum ^= 1;
	why = save('d', 'c');
	CHECK_EQ("another one", 1, why && !!strstr(why, "is not one since that base"));
	identities[2].sum ^= 1;
	must_save('d', 'c');
	end();
}

/* ---- before another one is saved ---- */

static void no_change(void)
{
}

static void link_to_base(void)
{
	unlink(path_of('x'));
	ASSERT_EQ(symlink("c.keel", path_of('x')), 0);
}

/* What could not be restored is not worth saving. */
static void test_checked(void)
{
	static const struct {
		const char *name;
		void (*change)(void);
		char file, base;
		const char *wanted;	/* NULL: it can be */
	} rows[] = {
		{ "one more", no_change, 'd', 'c', NULL },
		{ "over the base", no_change, 'c', 'c', "the new file would replace it, and stands on it: name another" },
		{ "over the base's base", no_change, 'b', 'c', "b.keel: the new file would replace it, and stands on it" },
		{ "over the first", no_change, 'a', 'c', "a.keel: the new file would replace it, and stands on it" },
		{ "over the one behind a link", link_to_base, 'c', 'x', "the new file would replace it, and stands on it" },
		{ "over the link itself", link_to_base, 'x', 'x', "the new file would replace it, and stands on it" },
		{ "over another link", link_to_base, 'x', 'c', NULL },
		{ "over one that no other stands on", no_change, 'c', 'b', NULL },
		{ "the base is missing", no_change, 'e', 'd', "cannot open it: No such file or directory" },
		{ "its base is missing", no_first, 'd', 'c', "a.keel: cannot open it: No such file or directory" },
		{ "its base is another", another_base, 'd', 'c', "b.keel: it is another file than the one that was saved before" },
		{ "its base is itself", itself, 'd', 'c', "b.keel: it is another file than the one that was saved before" },
		{ "its base is none", no_machine, 'd', 'c', "b.keel: not a saved VM of keel's" },
	};
	struct state_identity base;
	struct state_error why;
	char name[8];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(false);
		must_save('a', 0);
		must_save('b', 'a');
		must_save('c', 'b');
		rows[i].change();
		why.text[0] = 0;
		snprintf(name, sizeof(name), "%c.keel", rows[i].base);
		CHECK_EQ(rows[i].name, !rows[i].wanted, state_chain_check(path_of(rows[i].file), name, &base, &why));
		if (rows[i].wanted && !strstr(why.text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, why.text);
		if (!rows[i].wanted && rows[i].base != 'x')
			CHECK_EQ("who it is", 1, state_identity_is(&identities[rows[i].base - 'a'], &base));
		end();
	}
}

static const struct test_case cases[] = {
	{ "chain", test_chain },
	{ "long", test_long },
	{ "lost", test_lost },
	{ "not_begun", test_not_begun },
	{ "refused", test_refused },
	{ "other_base", test_other_base },
	{ "checked", test_checked },
};

TEST_MAIN(cases)
