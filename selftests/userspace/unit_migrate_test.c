// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that leaves: what comes to the other side is what was here, though its guest wrote all the time; and at each point at which the other side can
 * fail, go, or be killed, the guest goes on here, or does not, as it must.
 */
#include "test.h"

#include "fake_machine.h"

/* ---- both sides ---- */

static struct state_error error;
static bool is_moved;

static void *leave(void *argument)
{
	is_moved = migrate_run(&first, ends[0], &guest, &error);
	return argument;
}

static const struct {
	const char *name;
	unsigned int pages;	/* that the guest writes, for each megabyte that is copied */
	unsigned int nap;	/* microseconds that each takes longer */
	bool is_paused;
	unsigned int rounds_min;
	bool is_slowed;
} guests[] = {
	{ "a guest that does a little", 0, 0, false, 1, false },
	{ "a guest that writes a lot", 100, 20000, false, 2, false },
	{ "one that writes as fast as it is copied", 200, 16000, false, 3, true },
	{ "a paused one", 0, 0, true, 1, false },
};

static void test_moved(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		pthread_t thread;

		set_up();
		error.text[0] = 0;
		guest_pages = guests[i].pages;
		guest_nap = guests[i].nap;
		guest_slowed = 0;
		if (guests[i].is_paused)
			vm_hold(&first.vm, VM_HOLD_PAUSE);
		ASSERT_EQ(pthread_create(&thread, NULL, leave, NULL), 0);
		CHECK_EQ(guests[i].name, 0, arrive());
		ASSERT_EQ(pthread_join(thread, NULL), 0);
		if (!is_moved)
			FAIL("%s", error.text);
		test_note("%u rounds, %llu bytes, stood %llu us", first.migration.pace.round, (unsigned long long)first.migration.sent,
			  (unsigned long long)first.migration.stood_us);
		CHECK_EQ("left", MIGRATE_MOVED, first.migration.state);
		CHECK_EQ("arrived", MIGRATE_OWNER, arrival.state);
		CHECK_EQ("rounds", 1, first.migration.pace.round >= guests[i].rounds_min);
		/* On a busy host others may be, too. */
		if (guests[i].is_slowed)
			CHECK_EQ("slowed down", 1, guest_slowed > 0);
		CHECK_EQ("no longer", 0, atomic_load(&first.vm.holds) & VM_HOLD_SLOW);
		CHECK_EQ("memory", 1, is_same_memory());
		CHECK_EQ("its number", 0, memcmp(first.generation.page, second.generation.page, GENERATION_BYTES));
		CHECK_EQ("a register of a vCPU", kernel[1].state.regs.rip, kernel[3].state.regs.rip);
		CHECK_EQ("nothing runs here any more", 1, !!(atomic_load(&first.vm.holds) & VM_HOLD_MIGRATE));
		CHECK_EQ("nor is anything served", 0, is_served(&first));
		CHECK_EQ("but there it is", 1, is_served(&second));
		CHECK_EQ("paused there", guests[i].is_paused, !!(atomic_load(&second.vm.holds) & VM_HOLD_PAUSE));
		CHECK_EQ("the disk is somebody's", 1, is_locked());
		virtio_blk_close(&first.disks[0]);
		CHECK_EQ("the other's", 1, is_locked());
		clean_up();
	}
}

/* ---- the other side fails ---- */

/* A disk that takes its time, in which the other side can do something. */
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	usleep(100000);
	return __real_fdatasync(fd);
}

enum point { AT_ONCE, HEAD, READY, ROUND, END, ALL, YOURS, NEVER };
enum act { DIES, CLOSES, SAYS_NO, WRONG_SUM, GARBAGE, SLEEPS };

static const struct row {
	const char *name;
	enum point point;
	enum act act;
	bool has_process;	/* the source knows its process */
	enum migrate_state wanted;
	const char *why;
} rows[] = {
	{ "is not there any more", AT_ONCE, DIES, true, MIGRATE_BACK, "" },
	{ "is killed when it knows what comes", HEAD, DIES, true, MIGRATE_BACK, "the other side has ended the connection" },
	{ "cannot make it", HEAD, SAYS_NO, true, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "is something else", HEAD, GARBAGE, true, MIGRATE_BACK, "no word of Keel's" },
	{ "is killed when it has said that it can", READY, DIES, true, MIGRATE_BACK, "" },
	{ "cannot after all", READY, SAYS_NO, false, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "is killed while memory comes", ROUND, DIES, true, MIGRATE_BACK, "" },
	{ "is killed while memory comes, somewhere else", ROUND, DIES, false, MIGRATE_BACK, "" },
	{ "gives up while memory comes", ROUND, SAYS_NO, true, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "is killed when it has all", END, DIES, true, MIGRATE_BACK, "the other side's process has ended" },
	{ "ends the connection when it has all", END, CLOSES, false, MIGRATE_BACK, "the other side has ended the connection" },
	{ "does not have what was sent", END, WRONG_SUM, true, MIGRATE_BACK, "the other side has other things than were sent" },
	{ "refuses when it has all", END, SAYS_NO, true, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "is killed as disks are written out", ALL, DIES, true, MIGRATE_BACK, "the other side's process has ended" },
	{ "is killed as disks are written out, somewhere else", ALL, DIES, false, MIGRATE_BACK, "the other side has ended the connection" },
	{ "refuses as disks are written out", ALL, SAYS_NO, false, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "speaks as disks are written out", ALL, GARBAGE, true, MIGRATE_BACK, "no word of Keel's" },
	{ "is killed when it is its own", YOURS, DIES, true, MIGRATE_BACK, "the other side's process has ended" },
	{ "does not get the disks", YOURS, SAYS_NO, false, MIGRATE_BACK, "the other side refuses: no such thing" },
	{ "is killed when it is its own, somewhere else", YOURS, DIES, false, MIGRATE_UNSURE, "the other side has ended the connection" },
	{ "lives, and does not say that it is its own", YOURS, CLOSES, true, MIGRATE_UNSURE, "the other side has ended the connection" },
	{ "sleeps when it knows what comes", HEAD, SLEEPS, true, MIGRATE_BACK, "the other side takes too long" },
	{ "sleeps while memory comes", READY, SLEEPS, true, MIGRATE_BACK, "the other side has taken nothing for 30 seconds" },
	{ "sleeps when it has all", END, SLEEPS, true, MIGRATE_BACK, "the other side takes too long" },
	{ "sleeps when it is its own", YOURS, SLEEPS, true, MIGRATE_UNSURE, "the other side takes too long" },
	{ "says what is no word", YOURS, GARBAGE, true, MIGRATE_UNSURE, "no word of Keel's" },
};

/* The other side, a process: as far as @row says. */
static void puppet(const struct row *row, struct migrate_peer *peer, enum point point)
{
	struct migrate_word word = { .kind = MIGRATE_WORD_NO, .text = "no such thing" };

	if (row->point != point)
		return;
	switch (row->act) {
	case SAYS_NO:
		migrate_say(peer, &word, -1, 1000);
		break;
	case GARBAGE:
		memset(&word, 'x', sizeof(word));
		ASSERT_EQ(write(peer->fd, &word, sizeof(word)), (int)sizeof(word));
		break;
	case CLOSES:
		close(peer->fd);
		sleep(30);
		break;
	case SLEEPS:
		sleep(30);
		break;
	case WRONG_SUM:
		word = (struct migrate_word){ .kind = MIGRATE_WORD_ALL, .sections = 1 };
		migrate_say(peer, &word, -1, 1000);
		break;
	default:
		_exit(0);
	}
	/* Until the source is done with it. */
	while (read(peer->fd, &word, sizeof(word)) > 0 || errno == EAGAIN)
		usleep(1000);
	_exit(0);
}

static void play(const struct row *row)
{
	struct migrate_word ready = { .kind = MIGRATE_WORD_READY };
	struct state_section section;
	struct migrate_peer peer;
	enum migrate_event event;
	unsigned int blocks = 0;
	const u8 *payload;

	close(ends[0]);
	migrate_peer_init(&peer, ends[1]);
	puppet(row, &peer, AT_ONCE);
	if (state_file_hear(&file, ends[1], "puppet"))
		_exit(1);
	puppet(row, &peer, HEAD);
	migrate_say(&peer, &ready, row->has_process ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1, 1000);
	puppet(row, &peer, READY);
	error.text[0] = 0;
	while (state_next(&file.reader, &section, &payload, &error))
		if (!strcmp(section.name, STATE_MEMORY) && ++blocks == 2)
			puppet(row, &peer, ROUND);
	puppet(row, &peer, END);

	struct migrate_word all = { .kind = MIGRATE_WORD_ALL, .sections = file.reader.sections, .sum = file.reader.sum };

	migrate_say(&peer, &all, -1, 1000);
	puppet(row, &peer, ALL);
	if (migrate_hear(&peer, 10000, &event) && event == MIGRATE_HEARD_YOURS)
		puppet(row, &peer, YOURS);
	_exit(1);
}

/* @may_write: somebody did not stand in the end, who may be about to say what he writes. */
static void check_back(const char *name, bool may_write)
{
	u8 before = *(u8 *)memory_at(&first.vm.memory, 0xa000, 1);

	CHECK_EQ(name, 0, atomic_load(&first.vm.holds));
	CHECK_EQ("served", 1, is_served(&first));
	CHECK_EQ("no log", 0, is_logging);
	CHECK_EQ("nobody asks what is written", !may_write, !first.vm.memory.written);
	CHECK_EQ("the disk is ours", 1, is_locked());
	guest_turn(NULL, 0, 0);
	CHECK_EQ("the guest goes on", 1, *(u8 *)memory_at(&first.vm.memory, 0xa000, 1) != before);
}

static void test_failures(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid;

		set_up();
		error.text[0] = 0;
		guest_pages = rows[i].act == SLEEPS ? 0 : 20;
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			play(&rows[i]);
		hurry(rows[i].act == SLEEPS ? 100 : 1);
		close(ends[1]);
		/* The disk of the second machine is not locked, and the first one's must not be the child's too. */
		CHECK_EQ(rows[i].name, 0, migrate_run(&first, ends[0], &guest, &error));
		CHECK_EQ("where it stands", rows[i].wanted, first.migration.state);
		if (!strstr(error.text, rows[i].why))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].why, error.text);
		hurry(1);
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		if (first.migration.state == MIGRATE_UNSURE) {
			CHECK_EQ("it stands", 1, !!(atomic_load(&first.vm.holds) & VM_HOLD_MIGRATE));
			CHECK_EQ("nothing is served", 0, is_served(&first));
			CHECK_EQ("no second one", 0, migrate_run(&first, -1, &guest, &error));
			error.text[0] = 0;
			CHECK_EQ("taken back", 1, migrate_take_back(&first, &error));
		}
		check_back("runs", false);
		error.text[0] = 0;
		CHECK_EQ("nothing to take back", 0, migrate_take_back(&first, &error));
		clean_up();
	}
}

/* ---- this side fails ---- */

static bool give_up(void *argument, u64 done, u64 all)
{
	unsigned int *after = argument;

	guest_turn(NULL, done, all);
	return --*after;
}

static bool cancel(void *argument, u64 done, u64 all)
{
	first.migration.is_cancelled = true;
	return guest_turn(NULL, done, all);
}

/* A request that does not come back: time is not waited for. */
static bool is_hung;

int __real_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until);
int __wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until);
int __wrap_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
	return is_hung && mutex == &first.disks[0].device.serving ? ETIMEDOUT : __real_pthread_mutex_clocklock(mutex, clock, until);
}

static void hang(struct machine *machine) { is_hung = true; }

static bool hang_later(void *argument, u64 done, u64 all)
{
	is_hung |= done > 8 << 20;
	return guest_turn(NULL, done, all);
}

/* Whoever asked has had enough of waiting for the disk. */
static bool hang_and_cancel(void *argument, u64 done, u64 all)
{
	first.migration.is_cancelled |= is_hung;
	return hang_later(NULL, done, all);
}

static void stop(struct machine *machine) { vm_stop(&machine->vm, STATUS_SIGNAL, "the end"); }
static void stick(struct machine *machine) { is_stuck = true; }
static void debug(struct machine *machine) { machine->vm.is_attached = true; }
static void snapshot(struct machine *machine) { machine->disks[0].use = VIRTIO_BLK_SNAPSHOT; }
static void no_log(struct machine *machine) { refused = KVM_SET_USER_MEMORY_REGION; }
static void no_dirty(struct machine *machine) { refused = KVM_GET_DIRTY_LOG; }
static void no_registers(struct machine *machine) { refused = KVM_GET_REGS; }
static void mark(struct machine *machine) { machine->mark = (struct mark *)machine; }
static void nothing(struct machine *machine) { }

static unsigned int turns[] = { 1, 3, 8 };

static const struct {
	const char *name;
	void (*change)(struct machine *machine);
	struct state_memory_watch watch;
	const char *why;
} refusals[] = {
	{ "whoever asked has gone, at once", nothing, { give_up, &turns[0] }, "given up" },
	{ "soon", nothing, { give_up, &turns[1] }, "given up" },
	{ "later", nothing, { give_up, &turns[2] }, "given up" },
	{ "cancelled", nothing, { cancel, NULL }, "cancelled" },
	{ "a vCPU does not come out", stick, { guest_turn, NULL }, "a vCPU cannot leave what it does" },
	{ "a request does not come back", hang, { guest_turn, NULL }, "a request of --disk /tmp/keel-disk." },
	{ "how long", hang, { guest_turn, NULL }, "has not come back from the host in 30 seconds" },
	{ "one does not come back later", nothing, { hang_later, NULL }, "a request of --disk /tmp/keel-disk." },
	{ "that is cancelled", nothing, { hang_and_cancel, NULL }, "cancelled" },
	{ "a debugger", debug, { guest_turn, NULL }, "a debugger is connected" },
	{ "a disk that is a snapshot", snapshot, { guest_turn, NULL }, "a disk that is a snapshot" },
	{ "a mark", mark, { guest_turn, NULL }, "a machine that can be marked" },
	{ "a kernel without a log", no_log, { guest_turn, NULL }, "no log of the guest's writes" },
	{ "a log that cannot be read", no_dirty, { guest_turn, NULL }, "cannot read the log" },
	{ "registers that cannot be read", no_registers, { guest_turn, NULL }, "vCPU 0: KVM_GET_REGS" },
	{ "the machine ends", stop, { guest_turn, NULL }, "the machine ends" },
};

/* The disk comes back, and whatever becomes of the next migration, nothing is left of both. */
static void check_next(void)
{
	int next[2];

	is_hung = false;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, next), 0);
	close(next[1]);
	error.text[0] = 0;
	CHECK_EQ("nobody is there", 0, migrate_run(&first, next[0], &guest, &error));
	check_back("goes on again", false);
}

/* One who takes all that comes, and says what is expected of him. */
static const struct row patient = { "patient", NEVER, DIES, true, MIGRATE_MOVED, "" };

static void test_refusals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		pid_t pid;

		set_up();
		error.text[0] = 0;
		is_stuck = false;
		is_hung = false;
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			play(&patient);
		close(ends[1]);
		refusals[i].change(&first);
		CHECK_EQ(refusals[i].name, 0, migrate_run(&first, ends[0], &refusals[i].watch, &error));
		if (!strstr(error.text, refusals[i].why))
			FAIL("%s: wanted '%s', got '%s'", refusals[i].name, refusals[i].why, error.text);
		CHECK_EQ("stays", MIGRATE_BACK, first.migration.state);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		refused = 0;
		first.disks[0].use = VIRTIO_BLK_WRITTEN;
		first.mark = NULL;
		/* A debugger may be in the midst of a write still. */
		if (first.vm.is_attached)
			CHECK_EQ("not held", 0, atomic_load(&first.vm.holds));
		else
			check_back("goes on", is_hung && refusals[i].change != hang);
		if (is_hung)
			check_next();
		clean_up();
	}
}

/* ---- no room ---- */

static unsigned int words_left;		/* bitmaps of all memory that can still be had, and one less; 0: all */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	if (words_left && count == dirty_words(&first.vm.memory) && size == sizeof(u64) && !--words_left) {
		words_left = 1;
		return NULL;
	}
	return __real_calloc(count, size);
}

/* Nothing is begun then, nor is the log ended that incremental files are saved by. */
static void test_no_room(void)
{
	const struct state_identity saved = { .sum = 1 };

	for (unsigned int i = 0; i < 5; i++) {
		bool is_tracked = i > 2;
		pid_t pid;

		set_up();
		error.text[0] = 0;
		is_stuck = is_hung = false;
		if (is_tracked) {
			ASSERT_EQ(track_begin(&first, &error), true);
			track_saved(&first, &saved, NULL);
		}
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			play(&patient);
		close(ends[1]);
		words_left = is_tracked ? i - 2 : i + 1;
		CHECK_EQ("no room", 0, migrate_run(&first, ends[0], &guest, &error));
		words_left = 0;
		if (!strstr(error.text, "out of memory"))
			FAIL("got '%s'", error.text);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		error.text[0] = 0;
		if (is_tracked) {
			CHECK_EQ("logged still", 1, is_logging);
			CHECK_EQ("for incremental files", 1, !!track_gather(&first, &saved, &error));
			track_end(&first);
		} else {
			check_back("goes on", false);
		}
		clean_up();
	}
}

static const struct test_case cases[] = {
	{ "moved", test_moved },
	{ "failures", test_failures },
	{ "refusals", test_refusals },
	{ "no room", test_no_room },
};

TEST_MAIN(cases)
