// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that comes: at each point at which the source can fail, lie, go, or be killed, it is not run here, but if the source has said whose it is and its
 * disks can be had; and the source hears of it.
 */
#include "test.h"

#include "fake_machine.h"
#include "userspace/disk_lock.h"

enum point { HEADER, HEAD, A_FILE, READY, ROUND, NO_STATE, DAMAGED, END, YOURS };
enum act { DIES, SAYS_NO, GARBAGE, HANDS_OVER, WAITS, SLEEPS, IS_DEAF, DRIPS };

static void nothing(void) { }
static void smaller_disk(void) { second.disks[0].size = 32768; }
static void other_size(void) { ASSERT_EQ(truncate(disk_path, 131072), 0); }
static void no_registers(void) { refused = KVM_SET_REGS; }
static void other_cpu(void) { kernel[0].state.cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1 }; }
static void end(void) { vm_stop(&second.vm, STATUS_QUIT, "the end"); }

static void interrupt(void) { interrupt_after = 1; }

/* Another process has the disk before the target has. */
static void take_disk(void)
{
	int fd = open(disk_path, O_RDWR);

	ASSERT(fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB), "%s", strerror(errno));
}

/* The host has no room for one word. */
static bool is_mine_lost;

ssize_t __real_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
	const struct migrate_word *word = bytes;

	if (!is_mine_lost || count != sizeof(*word) || word->kind != MIGRATE_WORD_MINE)
		return __real_send(fd, bytes, count, flags);
	errno = ENOBUFS;
	return -1;
}

static const struct row {
	const char *name;
	enum point point;
	enum act act;
	void (*change)(void);
	int wanted;			/* status */
	const char *why;
	bool is_told;			/* the source hears "no" */
} rows[] = {
	{ "killed at once", HEADER, DIES, nothing, STATUS_STATE, "the connection has ended", false },
	{ "says nothing", HEADER, SLEEPS, nothing, STATUS_STATE, "nothing more came for 60 seconds", false },
	{ "says a byte now and then", HEADER, DRIPS, nothing, STATUS_STATE, "what comes is too slow: a section has 60 seconds", true },
	{ "says nothing more", READY, SLEEPS, nothing, STATUS_STATE, "nothing more came for 60 seconds", false },
	{ "says nothing when all was sent", END, SLEEPS, nothing, STATUS_STATE, "the source takes too long", false },
	{ "killed in the midst of its head", HEAD, DIES, nothing, STATUS_STATE, "the connection has ended", false },
	{ "no machine, but a file", A_FILE, WAITS, nothing, STATUS_STATE, "memory comes before the first round", true },
	{ "killed when it was told that it can come", READY, DIES, nothing, STATUS_STATE, "the connection has ended", false },
	{ "a disk of another size", READY, WAITS, smaller_disk, STATUS_STATE, "has 32768 bytes, and the saved one has 65536", true },
	{ "a CPU without its features", READY, WAITS, other_cpu, STATUS_STATE, "this host lacks features", true },
	{ "killed while memory comes", ROUND, DIES, nothing, STATUS_STATE, "the connection has ended", false },
	{ "something else while memory comes", ROUND, GARBAGE, nothing, STATUS_STATE, "a section's checksum is wrong", true },
	{ "an end without its state", NO_STATE, WAITS, nothing, STATUS_STATE, "section 'machine' 0 is missing", true },
	{ "a block that is damaged", DAMAGED, WAITS, nothing, STATUS_STATE, "the checksum of section 'memory'", true },
	{ "a vCPU that cannot be made", END, WAITS, no_registers, STATUS_STATE, "vCPU 0: KVM_SET_REGS", true },
	{ "killed when all was sent", END, DIES, nothing, STATUS_STATE, "ended", false },
	{ "it has changed its mind", END, SAYS_NO, nothing, STATUS_STATE, "as I like", true },
	{ "no word", END, GARBAGE, nothing, STATUS_STATE, "no word of Keel's", true },
	{ "the target ends before it is whole", END, WAITS, end, STATUS_STATE, "ended before the machine was taken over", true },
	{ "a signal ends the target before it is its own", END, WAITS, interrupt, STATUS_STATE, "ended by a signal before", true },
	{ "handed over", YOURS, HANDS_OVER, nothing, 0, "", false },
	{ "handed over, and killed at once", YOURS, DIES, nothing, 0, "", false },
	{ "handed over, and that cannot be confirmed", YOURS, IS_DEAF, nothing, STATUS_STATE, "cannot be told that the machine was taken over", true },
	{ "handed over, and the disk is another's", YOURS, HANDS_OVER, take_disk, STATUS_DISK, "in use by another process", true },
	{ "handed over, and the disk has changed", YOURS, HANDS_OVER, other_size, STATUS_DISK, "has another size than a moment ago", true },
};

/* ---- the source, a process, as far as its row says ---- */

#define TOLD_NO		10
#define TOLD_MINE	11
#define NOT_TOLD	12

static struct migrate_peer peer;

/* What the target says last, as an exit status. */
static void tell_end(void)
{
	enum migrate_event event;

	while (migrate_hear(&peer, 5000, &event)) {
		if (event == MIGRATE_HEARD_NO)
			_exit(TOLD_NO);
		if (event == MIGRATE_HEARD_MINE)
			_exit(TOLD_MINE);
		if (event != MIGRATE_HEARD_READY && event != MIGRATE_HEARD_ALL)
			break;
	}
	_exit(NOT_TOLD);
}

static void puppet(const struct row *row, enum point point)
{
	struct migrate_word word = { .kind = MIGRATE_WORD_NO, .text = "as I like" };

	if (row->point != point)
		return;
	switch (row->act) {
	case SAYS_NO:
		migrate_say(&peer, &word, -1, 1000);
		break;
	case GARBAGE:
		memset(&word, 'x', sizeof(word));
		ASSERT_EQ(write(peer.fd, &word, sizeof(word)), (int)sizeof(word));
		break;
	case DIES:
		_exit(NOT_TOLD);
	case SLEEPS:
		sleep(30);
		break;
	case DRIPS:
		for (unsigned int i = 0; i < sizeof(struct state_header) && __real_send(peer.fd, "", 1, MSG_NOSIGNAL) == 1; i++)
			usleep(20000);
		break;
	default:
		break;
	}
	tell_end();
}

/* A stream that is right, but for what @row has. */
static void play(const struct row *row)
{
	static struct state_image image;
	struct migrate_word yours = { .kind = MIGRATE_WORD_YOURS };
	struct state_error error = { "" };
	struct state_writer writer;
	enum migrate_event event;

	close(ends[1]);
	migrate_peer_init(&peer, ends[0]);
	puppet(row, HEADER);
	if (row->point == A_FILE)
		state_write(&first, ends[0], NULL, &error);
	puppet(row, A_FILE);
	ASSERT(hold_virtio(&first, 5000, NULL, &error), "%s", error.text);
	ASSERT(state_take(&first, &image, &error) && state_begin(&writer, ends[0], NULL, &error), "%s", error.text);
	puppet(row, HEAD);
	state_image_write(&image, &writer, &error);
	state_round_write(&writer, 1, &error);
	if (!migrate_hear(&peer, 5000, &event) || event != MIGRATE_HEARD_READY)
		_exit(event == MIGRATE_HEARD_NO ? TOLD_NO : NOT_TOLD);
	puppet(row, READY);
	state_memory_write(&first.vm.memory, &writer, NULL, &error);
	puppet(row, ROUND);
	if (row->point == DAMAGED) {
		/* The head of a block as it should be, and another block. */
		struct state_section section;
		u8 block[4096 + 48] = { 0 }, other[4096 + 48] = { 1 };

		state_section_make(&section, STATE_MEMORY, 0, 1, STATE_NEEDED | STATE_RAW, block, sizeof(block));
		ASSERT_EQ(write(ends[0], &section, sizeof(section)), (int)sizeof(section));
		ASSERT_EQ(write(ends[0], other, sizeof(other)), (int)sizeof(other));
	}
	puppet(row, DAMAGED);
	state_round_write(&writer, 2, &error);
	if (row->point != NO_STATE)
		state_image_write(&image, &writer, &error);
	state_end(&writer, &error);
	puppet(row, NO_STATE);
	if (row->point == END)
		puppet(row, END);
	if (!migrate_hear(&peer, 5000, &event) || event != MIGRATE_HEARD_ALL || peer.word.sum != writer.sum || peer.word.sections != writer.sections)
		_exit(1);
	disk_unlock(first.disks[0].fd);
	/* What the row does to the disk is done now. */
	row->change();
	migrate_say(&peer, &yours, -1, 1000);
	puppet(row, YOURS);
	_exit(1);
}

static void check(const struct row *row)
{
	bool is_last = row->point == YOURS;
	int status = 0, got;
	pid_t pid;

	set_up();
	memset(&arrival, 0, sizeof(arrival));
	memset(&file, 0, sizeof(file));
	kernel[0].state.cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1, .ecx = 1 };
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		play(row);
	close(ends[0]);
	virtio_blk_close(&first.disks[0]);
	if (!is_last)
		row->change();
	is_mine_lost = row->act == IS_DEAF;
	hurry(row->act == SLEEPS || row->act == DRIPS ? 100 : 1);
	got = arrive();
	hurry(1);
	if (row->act == SLEEPS)
		kill(pid, SIGKILL);
	CHECK_EQ(row->name, row->wanted, got);
	if (got && !strstr(status_last(), row->why))
		FAIL("%s: wanted '%s', got '%s'", row->name, row->why, status_last());
	CHECK_EQ("owner", !row->wanted, arrival.state == MIGRATE_OWNER);
	CHECK_EQ("serves", !row->wanted, is_served(&second));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	if (row->act != DIES && row->act != SLEEPS)
		CHECK_EQ("the source heard", row->is_told ? TOLD_NO : row->wanted ? NOT_TOLD : TOLD_MINE, WEXITSTATUS(status));
	if (!row->wanted)
		CHECK_EQ("the disk is locked", 1, is_locked());
	refused = 0;
	interrupt_after = 0;
	clean_up();
}

static void test_points(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

static const struct test_case cases[] = {
	{ "points", test_points },
};

TEST_MAIN(cases)
