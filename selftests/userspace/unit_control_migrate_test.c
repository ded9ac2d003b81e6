// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: a machine that moves, and what others may ask of it meanwhile. */
#include <sys/socket.h>
#include <unistd.h>

#include "fake_control.h"
#include "test.h"
#include "userspace/migrate.h"
#include "userspace/state_format.h"
#include "userspace/state_memory.h"

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
	for (unsigned int i = 0; i < TEST_PATIENCE_MS && *(volatile enum migrate_state *)&migration.state != state; i++)
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

static const struct test_case cases[] = {
	{ "migrate", test_migrate },
	{ "moved", test_moved },
	{ "migrate_quit", test_migrate_quit },
};

TEST_MAIN(cases)
