// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of the control socket, a row each. A request is an object with
 * "command" and, if the client likes, "id", which comes back in the answer.
 * Whoever may connect may do all of them.
 */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "control.h"
#include "memory_options.h"
#include "pause.h"
#include "power.h"
#include "state_format.h"
#include "state_memory.h"
#include "stats.h"
#include "virtio_balloon.h"
#include "vm.h"

#define DEPTH_MAX	8	/* of a request's objects and arrays */
#define ERROR_MAX	256
#define TELL_MS		1000	/* for a guest to tell of its memory */
#define SHOWN_MAX	40	/* bytes of a client's word in an answer */

/* A request on its way: what the answer will hold. */
struct request {
	struct control *control;
	struct control_client *client;
	struct json_object *answer;
	uint64_t size;			/* of a command that has one */
	char error[ERROR_MAX];		/* "": done */
};

static void __printf(2, 3) fail(struct request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(request->error, sizeof(request->error), format, args);
	va_end(args);
}

static bool is_paused(const struct vm *vm)
{
	return atomic_load(&vm->holds) & VM_HOLD_PAUSE;
}

static const char *state_of(const struct vm *vm)
{
	if (vm_is_stopping(vm))
		return "stopping";
	if (is_paused(vm))
		return "paused";
	return atomic_load(&vm->holds) & VM_HOLD_DEBUG ? "debugged" : "running";
}

/* ---- the commands ---- */

/* What the guest is asked for, and what it says it has given; null where it cannot be asked. */
static struct json_object *describe_balloon(struct virtio_balloon *balloon)
{
	struct json_object *object = balloon ? json_object_new_object() : NULL;
	struct balloon_view view;

	if (!object)
		return NULL;
	virtio_balloon_look(balloon, 0, &view);
	json_object_object_add(object, "target", json_object_new_uint64(view.target));
	json_object_object_add(object, "actual", json_object_new_uint64(view.actual));
	return object;
}

static void do_status(struct request *request)
{
	const struct control *control = request->control;
	struct json_object *answer = request->answer;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	json_object_object_add(answer, "protocol", json_object_new_int(CONTROL_PROTOCOL));
	json_object_object_add(answer, "version", json_object_new_string(KEEL_VERSION));
	json_object_object_add(answer, "state", json_object_new_string(state_of(control->vm)));
	json_object_object_add(answer, "name", control->name ? json_object_new_string(control->name) : NULL);
	json_object_object_add(answer, "pid", json_object_new_int(getpid()));
	json_object_object_add(answer, "cpus", json_object_new_int((int)control->vcpu_count));
	json_object_object_add(answer, "memory", json_object_new_uint64(control->memory));
	json_object_object_add(answer, "uptime", json_object_new_uint64((uint64_t)(now.tv_sec - control->started.tv_sec)));
	json_object_object_add(answer, "balloon", describe_balloon(control->balloon));
}

static const char busy[] =
	"a vCPU cannot leave what it does: most likely standard output does not take what the guest prints; "
	"read it, or quit";

static void do_pause(struct request *request)
{
	struct control *control = request->control;

	if (!is_paused(control->vm) &&
	    !pause_vcpus(control->vm, control->vcpus, control->vcpu_count, VM_HOLD_PAUSE))
		fail(request, "%s", busy);
}

static void do_resume(struct request *request)
{
	vm_release(request->control->vm, VM_HOLD_PAUSE);
}

static void do_power_button(struct request *request)
{
	if (is_paused(request->control->vm))
		fail(request, "the machine is paused: resume it first, or quit");
	else if (atomic_load(&request->control->vm->holds) & VM_HOLD_DEBUG)
		fail(request, "the debugger has stopped the machine: let it go on first, or quit");
	else if (!power_press_button(request->control->power))
		fail(request, "the guest does not listen to its power button (no ACPI driver, or not yet); quit ends it");
}

static void do_reset(struct request *request)
{
	struct vm *vm = request->control->vm;

	if (vm->reboots)
		vm_ask_reset(vm, STATUS_QUIT, "reset by a client of the control socket");
	else
		fail(request, "this machine does not start again at a reset (keel run --firmware NAME --reset reboot)");
}

static void do_nmi(struct request *request)
{
	const struct control *control = request->control;

	switch (pause_nmi(control->vm, control->vcpus, control->vcpu_count)) {
	case PAUSE_NMI_SENT:
		break;
	case PAUSE_NMI_MASKED:
		fail(request, "the guest lets no NMI in: the pin LINT1 is masked on each of its CPUs, or is no NMI; "
		     "try again when it has booted");
		break;
	case PAUSE_NMI_BUSY:
		fail(request, "%s", busy);
		break;
	default:
		fail(request, "the kernel refused the NMI: %s", strerror(errno));
		break;
	}
}

/* A guest that stands can tell nothing new. Return: JSON, to be freed; NULL: there is no balloon. */
static char *balloon_stats(const struct control *control)
{
	struct balloon_view view;

	if (!control->balloon)
		return NULL;
	virtio_balloon_look(control->balloon, atomic_load(&control->vm->holds) ? 0 : TELL_MS, &view);
	return virtio_balloon_json(&view);
}

static void do_stats(struct request *request)
{
	const struct control *control = request->control;
	char *balloon = balloon_stats(control), *text = stats_json(control->stats, balloon);
	struct json_object *stats = text ? json_object_new_object() : NULL;

	free(balloon);
	if (!stats) {
		fail(request, "%s", control->stats->count || control->balloon ? "out of memory" :
		     "the host's kernel module has no statistics (KVM_GET_STATS_FD)");
		free(text);
		return;
	}
	/* It is JSON already. */
	json_object_set_serializer(stats, json_object_userdata_to_json_string, text, json_object_free_userdata);
	json_object_object_add(request->answer, "stats", stats);
}

/* Nobody wants a file any more whose client has gone, or who waits for the machine's end. */
static bool is_wanted(void *argument, uint64_t done, uint64_t all)
{
	const struct request *request = argument;
	struct pollfd client = { .fd = request->client->fd };

	(void)done;
	(void)all;
	return !vm_is_stopping(request->control->vm) && (poll(&client, 1, 0) < 1 || !(client.revents & POLLHUP));
}

/* Into the file that came with the request: this process can open none. */
static void do_save(struct request *request)
{
	const struct state_memory_watch watch = { is_wanted, request };
	struct control *control = request->control;
	struct state_error error = { "" };

	if (!request->client->file) {
		fail(request, "no file was passed with the request (SCM_RIGHTS), as keel ctl does");
	} else if (!pause_vcpus(control->vm, control->vcpus, control->vcpu_count, VM_HOLD_SAVE)) {
		fail(request, "%s", busy);
	} else {
		if (vm_is_attached(control->vm))
			fail(request, "a debugger is connected, whose breakpoints are in the guest's memory: let it detach first");
		else if (!control->save(control->machine, request->client->file, &watch, &error))
			fail(request, "%s", error.text);
		vm_release(control->vm, VM_HOLD_SAVE);
	}
}

static void do_balloon(struct request *request)
{
	struct control *control = request->control;
	const char *wrong = memory_options_check_balloon(control->memory, request->size);

	if (!control->balloon)
		fail(request, "the machine has no balloon: keel run --balloon");
	else if (wrong)
		fail(request, "%s", wrong);
	else
		virtio_balloon_ask(control->balloon, request->size);
}

static void do_quit(struct request *request)
{
	request->control->is_quitting = true;
}

static const struct command_row {
	const char *name;
	void (*run)(struct request *request);
	bool has_size;			/* a member "size", in bytes */
} rows[] = {
	{ "status", do_status, false },
	{ "pause", do_pause, false },
	{ "resume", do_resume, false },
	{ "power-button", do_power_button, false },
	{ "reset", do_reset, false },
	{ "nmi", do_nmi, false },
	{ "stats", do_stats, false },
	{ "balloon", do_balloon, true },
	{ "save", do_save, false },
	{ "quit", do_quit, false },
};

/* ---- requests and answers ---- */

/* Return: the request, NULL after fail(). */
static struct json_object *parse(struct request *request, const char *line, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;

	if (!tokener) {
		fail(request, "out of memory");
		return NULL;
	}
	while (length && memchr(" \t\r", line[length - 1], 3))
		length--;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)length);

	enum json_tokener_error error = json_tokener_get_error(tokener);
	size_t end = json_tokener_get_parse_end(tokener);

	json_tokener_free(tokener);
	if (error == json_tokener_success && end == length && json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	if (error == json_tokener_continue)
		fail(request, "not JSON: the line ends too early; a request is one line, as {\"command\": \"status\"}");
	else if (error != json_tokener_success)
		fail(request, "not JSON: %s at byte %zu", json_tokener_error_desc(error), end + 1);
	else
		fail(request, "a request is one object a line, as {\"command\": \"status\"}");
	return NULL;
}

/* How many bytes of @word an answer shows: no half of a character. */
static int shown(const char *word)
{
	size_t length = strnlen(word, SHOWN_MAX + 1);

	if (length > SHOWN_MAX)
		for (length = SHOWN_MAX; length && ((unsigned char)word[length] & 0xc0) == 0x80;)
			length--;
	return (int)length;
}

/* The library takes and prints NaN and Infinity, which are no JSON. */
static bool is_finite(struct json_object *value)
{
	if (json_object_is_type(value, json_type_double))
		return isfinite(json_object_get_double(value));
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			if (!is_finite(member))
				return false;
		}
	}
	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!is_finite(json_object_array_get_idx(value, i)))
				return false;
	return true;
}

static void list_commands(struct request *request, const char *name)
{
	size_t used = (size_t)snprintf(request->error, ERROR_MAX, "unknown command '%.*s'; there are", shown(name), name);

	for (size_t i = 0; i < ARRAY_SIZE(rows) && used < ERROR_MAX; i++)
		used += (size_t)snprintf(request->error + used, ERROR_MAX - used, "%s %s", i ? "," : "", rows[i].name);
}

/* It may have a zero byte in it. */
static const struct command_row *find_row(struct json_object *command)
{
	const char *word = json_object_get_string(command);

	for (size_t i = 0; i < ARRAY_SIZE(rows) && strlen(word) == (size_t)json_object_get_string_len(command); i++)
		if (!strcmp(rows[i].name, word))
			return &rows[i];
	return NULL;
}

/* The member that some commands have, and the others have not. */
static void take_size(struct request *request, const struct command_row *row, struct json_object *object)
{
	struct json_object *size = NULL;
	bool is_there = json_object_object_get_ex(object, "size", &size);

	if (!row->has_size && is_there)
		fail(request, "'%s' has no \"size\"", row->name);
	else if (row->has_size && (!json_object_is_type(size, json_type_int) || json_object_get_int64(size) < 0))
		fail(request, "'%s' needs \"size\", a number of bytes", row->name);
	else if (size)
		request->size = json_object_get_uint64(size);
}

static void run(struct request *request, struct json_object *object)
{
	struct json_object *command = NULL;

	json_object_object_foreach(object, name, value) {
		if (!strcmp(name, "command"))
			command = value;
		else if (!strcmp(name, "size"))
			continue;
		else if (strcmp(name, "id"))
			fail(request, "unknown member '%.*s'; a request has \"command\", and \"id\" if you like", shown(name), name);
		else if (!is_finite(value))
			fail(request, "in \"id\" is a number that JSON has not, or a larger one than are kept");
		else
			json_object_object_add(request->answer, "id", json_object_get(value));
	}
	if (*request->error)
		return;
	if (!json_object_is_type(command, json_type_string)) {
		fail(request, "no \"command\" that is a string");
		return;
	}
	const struct command_row *row = find_row(command);

	if (!row) {
		list_commands(request, json_object_get_string(command));
		return;
	}
	take_size(request, row, object);
	if (!*request->error)
		row->run(request);
}

/* Return: the line; releases @answer. */
static char *write_line(struct json_object *answer, size_t *size)
{
	size_t length = 0;
	const char *text = json_object_to_json_string_length(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
	char *line = text ? malloc(length + 1) : NULL;

	if (line) {
		memcpy(line, text, length);
		line[length] = '\n';
		*size = length + 1;
	}
	json_object_put(answer);
	return line;
}

char *command_refuse(const char *error, size_t *size)
{
	struct json_object *answer = json_object_new_object();

	if (!answer)
		return NULL;
	json_object_object_add(answer, "ok", json_object_new_boolean(false));
	json_object_object_add(answer, "error", json_object_new_string(error));
	return write_line(answer, size);
}

char *command_do(struct control *control, struct control_client *client, size_t length, size_t *size)
{
	struct request request = { .control = control, .client = client, .answer = json_object_new_object() };
	struct json_object *object;

	if (!request.answer)
		return NULL;
	json_object_object_add(request.answer, "ok", json_object_new_boolean(true));
	object = parse(&request, client->line, length);
	if (object)
		run(&request, object);
	json_object_put(object);
	/* It was for this request, wanted or not. */
	if (client->file)
		close(client->file);
	client->file = 0;
	if (*request.error) {
		json_object_object_add(request.answer, "ok", json_object_new_boolean(false));
		json_object_object_add(request.answer, "error", json_object_new_string(request.error));
	}
	return write_line(request.answer, size);
}

void command_warm_up(void)
{
	struct json_object *object = json_tokener_parse("{\"id\": 1.5}");	/* its hash wants a random number */

	json_object_put(object);
}
