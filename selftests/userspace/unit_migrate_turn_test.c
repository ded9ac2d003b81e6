// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose the guest is: both sides of a migration and what is between them as one machine, of which every way is gone that words, cuts, kills and impatience
 * can take. Never do both sides run the guest, and it is never lost but with the process whose it was, or where somebody has to say so.
 */
#include "test.h"
#include "userspace/migrate_turn.h"

#define QUEUE	4

/* Words on their way, as the events that they are for who hears them. */
struct line {
	u8 words[QUEUE];
	u8 count;
};

struct world {
	u8 source, target;		/* enum migrate_state; where each has got */
	bool is_source_dead, is_target_dead;
	bool is_cut;			/* whoever asks learns of it, behind what has come */
	bool is_direct;			/* the source has a pidfd of the target's process */
	bool has_all;			/* the source has heard "all" */
	bool has_run;			/* the target has run the guest */
	struct line down, up;		/* to the target, to the source */
};

static struct world *seen;
static size_t seen_count, seen_room;
static unsigned int both, moved, unsure, back;

static bool add(const struct world *world)
{
	for (size_t i = 0; i < seen_count; i++)
		if (!memcmp(&seen[i], world, sizeof(*world)))
			return false;
	if (seen_count == seen_room) {
		seen_room = seen_room ? 2 * seen_room : 1024;
		seen = realloc(seen, seen_room * sizeof(*seen));
		ASSERT(seen, "memory");
	}
	seen[seen_count++] = *world;
	return true;
}

static void say(struct line *line, enum migrate_event word)
{
	ASSERT_LE(line->count, QUEUE - 1);
	line->words[line->count++] = (u8)word;
}

static enum migrate_event hear(struct line *line)
{
	enum migrate_event word = line->words[0];

	line->count--;
	memmove(line->words, line->words + 1, line->count);
	line->words[line->count] = 0;
	return word;
}

static bool source_runs(const struct world *w)
{
	return !w->is_source_dead && migrate_may_run(w->source);
}

static bool target_runs(const struct world *w)
{
	return !w->is_target_dead && migrate_may_run(w->target);
}

/* The source has come where @event leads. Return: false if it leads nowhere. */
static bool step_source(struct world *w, enum migrate_event event)
{
	enum migrate_state next = migrate_next(w->source, event);

	if (next == MIGRATE_STATES)
		return false;
	w->source = (u8)next;
	if (event == MIGRATE_HEARD_ALL)
		w->has_all = true;
	if (event == MIGRATE_HAS_HANDED && !w->is_cut)
		say(&w->down, MIGRATE_HEARD_YOURS);
	if (next == MIGRATE_BACK && event != MIGRATE_HEARD_NO && !w->is_cut && !w->is_target_dead)
		say(&w->down, MIGRATE_HEARD_NO);
	return true;
}

static bool step_target(struct world *w, enum migrate_event event)
{
	enum migrate_state next = migrate_next(w->target, event);

	if (next == MIGRATE_STATES)
		return false;
	w->target = (u8)next;
	if (w->is_cut || w->is_source_dead)
		;
	else if (next == MIGRATE_WHOLE)
		say(&w->up, MIGRATE_HEARD_ALL);
	else if (next == MIGRATE_OWNER)
		say(&w->up, MIGRATE_HEARD_MINE);
	else if (next == MIGRATE_GIVEN_UP)
		say(&w->up, MIGRATE_HEARD_NO);
	w->has_run |= next == MIGRATE_OWNER;
	return true;
}

/* One of the things that can happen next. Return: false if number @n cannot. */
static bool happen(struct world *w, unsigned int n)
{
	bool is_gone;

	switch (n) {
	case 0:		/* a word comes, or the end behind the last one */
		if (w->is_source_dead)
			return false;
		if (w->up.count)
			return step_source(w, hear(&w->up));
		return w->is_cut && step_source(w, MIGRATE_IS_LOST);
	case 1:
		if (w->is_target_dead)
			return false;
		if (w->down.count)
			return step_target(w, hear(&w->down));
		return w->is_cut && step_target(w, MIGRATE_IS_LOST);
	case 2:		/* the source has sent all, and hands over when "all" has come */
		return !w->is_source_dead && step_source(w, MIGRATE_HAS_SENT);
	case 3:
		return !w->is_source_dead && w->has_all && step_source(w, MIGRATE_HAS_HANDED);
	case 4:		/* the target has all once it was sent */
		return !w->is_target_dead && (w->source > MIGRATE_COPYING || w->is_source_dead) && w->source != MIGRATE_BACK && step_target(w, MIGRATE_HAS_SENT);
	case 5:
		return !w->is_target_dead && step_target(w, MIGRATE_HAS_TAKEN);
	case 6:		/* failures, impatience */
		return !w->is_source_dead && step_source(w, MIGRATE_HAS_FAILED);
	case 7:
		return !w->is_target_dead && step_target(w, MIGRATE_HAS_FAILED);
	case 8:
		return !w->is_source_dead && step_source(w, MIGRATE_IS_LATE);
	case 9:
		return !w->is_target_dead && step_target(w, MIGRATE_IS_LATE);
	case 10:	/* the connection breaks, and what is on its way is lost; not within a kernel, where it ends as a process does */
	case 11:
	case 12:
	case 13:
		if (w->is_cut || w->is_direct || (n & 1 && !w->up.count) || (n & 2 && !w->down.count))
			return false;
		w->is_cut = true;
		if (n & 1)
			w->up = (struct line){ 0 };
		if (n & 2)
			w->down = (struct line){ 0 };
		return true;
	case 14:	/* kills; whoever is left finds the connection ended behind the last word */
		if (w->is_source_dead)
			return false;
		w->is_source_dead = true;
		w->is_cut = true;
		w->up = (struct line){ 0 };
		return true;
	case 15:
		if (w->is_target_dead)
			return false;
		w->is_target_dead = true;
		w->is_cut = true;
		w->down = (struct line){ 0 };
		return true;
	case 16:	/* the kernel says so, once nothing that was said is left */
		return w->is_target_dead && w->is_direct && !w->is_source_dead && !w->up.count && step_source(w, MIGRATE_IS_DEAD);
	case 17:	/* somebody looks, finds that the target is no more and never ran, and says so: nobody else can when something is between the two */
		is_gone = (w->is_target_dead || w->target == MIGRATE_GIVEN_UP) && !w->has_run;
		return is_gone && !w->is_source_dead && step_source(w, MIGRATE_IS_TAKEN_BACK);
	default:
		return false;
	}
}

#define HAPPENINGS	18

static void check(const struct world *w)
{
	bool is_lost = !source_runs(w) && !target_runs(w) && !w->is_source_dead && !w->is_target_dead;

	both += source_runs(w) && target_runs(w);
	moved += w->source == MIGRATE_MOVED && target_runs(w);
	unsure += w->source == MIGRATE_UNSURE;
	back += w->source == MIGRATE_BACK;
	/* A source that has gone back has an other side that never ran. */
	if (w->source == MIGRATE_BACK && w->has_run)
		FAIL("the guest went on in two places: source %u, target %u", w->source, w->target);
	/* Where nothing can happen any more somebody has it, or it is known to be unsure. */
	for (unsigned int n = 0; n < HAPPENINGS && is_lost; n++) {
		struct world next = *w;

		if (n != 14 && n != 15 && happen(&next, n))
			return;
	}
	if (is_lost && w->source != MIGRATE_UNSURE)
		FAIL("nobody has the guest: source %u, target %u", w->source, w->target);
}

static void explore(bool is_direct)
{
	struct world first;

	memset(&first, 0, sizeof(first));
	first.source = MIGRATE_ASKED;
	first.target = MIGRATE_LOADING;
	first.is_direct = is_direct;
	say(&first.up, MIGRATE_HEARD_READY);
	seen_count = 0;
	both = moved = unsure = back = 0;
	add(&first);
	for (size_t i = 0; i < seen_count; i++) {
		check(&seen[i]);
		for (unsigned int n = 0; n < HAPPENINGS; n++) {
			struct world next = seen[i];

			if (happen(&next, n))
				add(&next);
		}
		ASSERT_LE(seen_count, 1000000);
	}
	test_note("%zu worlds, %u moved, %u back, %u unsure", seen_count, moved, back, unsure);
	CHECK_EQ("both run", 0, both);
	CHECK_EQ("some moved", 1, moved > 0);
	CHECK_EQ("some went back", 1, back > 0);
}

static void test_direct(void)
{
	explore(true);
}

static void test_remote(void)
{
	explore(false);
	CHECK_EQ("some are unsure", 1, unsure > 0);
}

/* A process that is killed at each point, and what the other one does when it learns of it; with a pidfd, and without. */
static const struct {
	const char *name;
	enum migrate_state state;
	enum migrate_event event;
	enum migrate_state wanted;
	bool runs;
} rows[] = {
	{ "the target is killed before it has said that it can", MIGRATE_ASKED, MIGRATE_IS_DEAD, MIGRATE_BACK, true },
	{ "while memory is copied", MIGRATE_COPYING, MIGRATE_IS_DEAD, MIGRATE_BACK, true },
	{ "while it has all, or all but a little", MIGRATE_STOPPED, MIGRATE_IS_DEAD, MIGRATE_BACK, true },
	{ "once it was told that it is its own", MIGRATE_HANDED, MIGRATE_IS_DEAD, MIGRATE_BACK, true },
	{ "and nobody knows whether it was killed", MIGRATE_HANDED, MIGRATE_IS_LOST, MIGRATE_UNSURE, false },
	{ "or it says nothing", MIGRATE_HANDED, MIGRATE_IS_LATE, MIGRATE_UNSURE, false },
	{ "it does not get its disks", MIGRATE_HANDED, MIGRATE_HEARD_NO, MIGRATE_BACK, true },
	{ "it runs", MIGRATE_HANDED, MIGRATE_HEARD_MINE, MIGRATE_MOVED, false },
	{ "somebody has looked", MIGRATE_UNSURE, MIGRATE_IS_TAKEN_BACK, MIGRATE_BACK, true },
	{ "a cancel while copying", MIGRATE_COPYING, MIGRATE_HAS_FAILED, MIGRATE_BACK, true },
	{ "a cancel while it stands", MIGRATE_STOPPED, MIGRATE_HAS_FAILED, MIGRATE_BACK, true },
	{ "a cancel that is too late", MIGRATE_HANDED, MIGRATE_HAS_FAILED, MIGRATE_STATES, false },
	{ "\"mine\" that was not asked for", MIGRATE_COPYING, MIGRATE_HEARD_MINE, MIGRATE_STATES, false },
	{ "the source is killed while memory comes", MIGRATE_LOADING, MIGRATE_IS_LOST, MIGRATE_GIVEN_UP, false },
	{ "before it said whose the guest is", MIGRATE_WHOLE, MIGRATE_IS_LOST, MIGRATE_GIVEN_UP, false },
	{ "it said so", MIGRATE_WHOLE, MIGRATE_HEARD_YOURS, MIGRATE_TAKING, false },
	{ "too early", MIGRATE_LOADING, MIGRATE_HEARD_YOURS, MIGRATE_STATES, false },
	{ "the disks are had", MIGRATE_TAKING, MIGRATE_HAS_TAKEN, MIGRATE_OWNER, true },
	{ "they are another's", MIGRATE_TAKING, MIGRATE_HAS_FAILED, MIGRATE_GIVEN_UP, false },
};

static void test_points(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum migrate_state next = migrate_next(rows[i].state, rows[i].event);

		CHECK_EQ(rows[i].name, rows[i].wanted, next);
		if (next != MIGRATE_STATES)
			CHECK_EQ("runs then", rows[i].runs, migrate_may_run(next));
	}
}

static const struct test_case cases[] = {
	{ "points", test_points },
	{ "direct", test_direct },
	{ "remote", test_remote },
};

TEST_MAIN(cases)
