// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket's commands that have to do with a machine's way to another launcher. While it is on its way other clients are served as well, from within
 * the command that moves it.
 */
#include <json-c/json.h>
#include <string.h>

#include "command_rows.h"
#include "control.h"
#include "dirty.h"
#include "migrate.h"
#include "state_format.h"
#include "vm.h"

/* Others want something as well meanwhile, the end for one. */
static bool is_wanted(void *argument, uint64_t done, uint64_t all)
{
	const struct request *request = argument;
	struct control *control = request->control;

	(void)done;
	(void)all;
	if (control->turn)
		control->turn(control);
	return !vm_is_stopping(control->vm) && !control->is_quitting && !control_is_gone(request->client->fd);
}

static void describe(struct json_object *answer, const struct migration *migration)
{
	json_object_object_add(answer, "rounds", json_object_new_int((int)migration->pace.round));
	json_object_object_add(answer, "sent", json_object_new_uint64(migration->sent));
	json_object_object_add(answer, "took_ms", json_object_new_uint64(migration->took_ms));
	json_object_object_add(answer, "stood_ms", json_object_new_uint64(migration->stood_us / 1000));
	json_object_object_add(answer, "stood_us", json_object_new_uint64(migration->stood_us));
}

/* Through the socket that came with the request, and is the migration's: this process can connect to nothing. */
void command_migrate(struct request *request)
{
	const struct state_memory_watch watch = { is_wanted, request };
	struct control *control = request->control;
	struct control_client *client = request->client;
	struct state_error error = { "" };

	if (!client->file_count) {
		command_fail(request, "no socket was passed with the request (SCM_RIGHTS), as keel ctl does");
		return;
	}
	if (!control->migration) {
		command_fail(request, "this machine cannot move");
		return;
	}
	if (!command_has_memory(request))
		return;
	client->is_busy = true;
	control->is_moved = control->migrate(control->machine, client->files[--client->file_count], &watch, &error);
	client->is_busy = false;
	if (control->is_moved)
		describe(request->answer, control->migration);
	else
		command_fail(request, "%s%s", error.text, control->migration->state != MIGRATE_UNSURE ? "" :
			     "; the machine was handed over and that was not confirmed, so it stands still: if the other side does not run it, "
			     "keel ctl NAME migrate --take-back, else quit");
}

void command_migrate_status(struct request *request)
{
	const struct migration *migration = request->control->migration;
	struct json_object *answer = request->answer;

	if (!migration) {
		command_fail(request, "this machine cannot move");
		return;
	}
	json_object_object_add(answer, "migration", json_object_new_string(migrate_state_name(migration->state)));
	describe(answer, migration);
	json_object_object_add(answer, "left", json_object_new_uint64(migration->left * DIRTY_PAGE));
	json_object_object_add(answer, "slowed", json_object_new_int((int)migration->pace.slow));
	json_object_object_add(answer, "failure", *migration->wrong ? json_object_new_string(migration->wrong) : NULL);
}

/* It is looked at by the migration itself, which is what this has interrupted. */
void command_migrate_cancel(struct request *request)
{
	struct migration *migration = request->control->migration;

	if (!migration || !migrate_is_under_way(migration->state))
		command_fail(request, "no migration is under way");
	else if (migrate_may_run(migration->state) || migration->state == MIGRATE_STOPPED)
		migration->is_cancelled = true;
	else
		command_fail(request, "too late: the machine has been handed over");
}

void command_migrate_take_back(struct request *request)
{
	struct control *control = request->control;
	struct state_error error = { "" };

	if (!control->migration || !control->take_back(control->machine, &error))
		command_fail(request, "%s", *error.text ? error.text : "this machine cannot move");
}
