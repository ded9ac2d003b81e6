// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the control socket's commands do.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command_rows.h"
#include "control.h"
#include "fill.h"
#include "fork.h"
#include "generation.h"
#include "hold.h"
#include "memory_options.h"
#include "runtime.h"
#include "net_device.h"
#include "pause.h"
#include "power.h"
#include "state.h"
#include "state_format.h"
#include "state_memory.h"
#include "stats.h"
#include "virtio_balloon.h"
#include "virtio_mem.h"
#include "vm.h"

#define TELL_MS		1000	/* for a guest to tell of its memory */

void command_fail(struct request *request, const char *format, ...)
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
	if (atomic_load(&vm->holds) & VM_HOLD_MIGRATE)
		return "moving";
	if (atomic_load(&vm->holds) & VM_HOLD_SETUP)
		return "starting";
	if (is_paused(vm))
		return "paused";
	return atomic_load(&vm->holds) & VM_HOLD_DEBUG ? "debugged" : "running";
}

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

/* What of the memory that it can plug the guest is asked to have, and has; null without such memory. */
static struct json_object *describe_pluggable(struct virtio_mem *mem)
{
	struct json_object *object = mem ? json_object_new_object() : NULL;
	struct virtio_mem_view view;

	if (!object)
		return NULL;
	virtio_mem_look(mem, &view);
	json_object_object_add(object, "max", json_object_new_uint64(view.max));
	json_object_object_add(object, "requested", json_object_new_uint64(view.requested));
	json_object_object_add(object, "plugged", json_object_new_uint64(view.plugged));
	return object;
}

/* Of each network device: the card's address, and whether it leads somewhere. */
/* Without a device's lock, which a vCPU or its thread may keep for as long as a slow vhost-user program takes to answer. */
static struct json_object *describe_nets(const struct control *control)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < control->net_count; i++) {
		const struct virtio_net *net = &control->nets[i].net;
		struct json_object *object = json_object_new_object();
		const uint8_t *mac = net->mac;
		char text[18];

		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		json_object_object_add(object, "mac", json_object_new_string(text));
		json_object_object_add(object, "link", json_object_new_boolean(!net->is_gone));
		json_object_array_add(list, object);
	}
	return list;
}

/* How the memory of one that was saved comes; null of one that was not. */
static struct json_object *describe_restored(const struct control *control)
{
	struct json_object *object = control->is_restored ? json_object_new_object() : NULL;

	if (!object)
		return NULL;
	json_object_object_add(object, "memory", json_object_new_string(control->fill ? "lazy" : "eager"));
	json_object_object_add(object, "left", json_object_new_uint64(control->fill ? atomic_load(&control->fill->left) : 0));
	json_object_object_add(object, "reason", control->why_whole ? json_object_new_string(control->why_whole) : NULL);
	return object;
}

static void do_status(struct request *request)
{
	const struct control *control = request->control;
	struct json_object *answer = request->answer;
	char generation[GENERATION_TEXT] = "";
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	json_object_object_add(answer, "protocol", json_object_new_int(CONTROL_PROTOCOL));
	json_object_object_add(answer, "version", json_object_new_string(KEEL_VERSION));
	json_object_object_add(answer, "state", json_object_new_string(state_of(control->vm)));
	json_object_object_add(answer, "name", control->name ? json_object_new_string(control->name) : NULL);
	json_object_object_add(answer, "pid", json_object_new_int(runtime_pid()));
	json_object_object_add(answer, "parent", control->parent && *control->parent ? json_object_new_int(*control->parent) : NULL);
	json_object_object_add(answer, "cpus", json_object_new_int((int)control->vcpu_count));
	json_object_object_add(answer, "memory", json_object_new_uint64(control->memory));
	json_object_object_add(answer, "uptime", json_object_new_uint64((uint64_t)(now.tv_sec - control->started.tv_sec)));
	if (control->generation)
		generation_text(control->generation, generation);
	json_object_object_add(answer, "generation_id", *generation ? json_object_new_string(generation) : NULL);
	json_object_object_add(answer, "balloon", describe_balloon(control->balloon));
	json_object_object_add(answer, "pluggable", describe_pluggable(control->mem));
	json_object_object_add(answer, "networks", describe_nets(control));
	json_object_object_add(answer, "restored", describe_restored(control));
}

static const char busy[] =
	"a vCPU cannot leave what it does: most likely standard output does not take what the guest prints; "
	"read it, or quit (or the host does not do a request of a device that the guest uses)";

static void do_pause(struct request *request)
{
	struct control *control = request->control;

	if (!is_paused(control->vm) &&
	    !pause_vcpus(control->vm, control->vcpus, control->vcpu_count, VM_HOLD_PAUSE))
		command_fail(request, "%s", busy);
}

static void do_resume(struct request *request)
{
	vm_release(request->control->vm, VM_HOLD_PAUSE);
}

static void do_power_button(struct request *request)
{
	if (is_paused(request->control->vm))
		command_fail(request, "the machine is paused: resume it first, or quit");
	else if (atomic_load(&request->control->vm->holds) & VM_HOLD_DEBUG)
		command_fail(request, "the debugger has stopped the machine: let it go on first, or quit");
	else if (!power_press_button(request->control->power))
		command_fail(request, "the guest does not listen to its power button (no ACPI driver, or not yet); quit ends it");
}

/* Nobody wants what he has asked for any more whose client has gone, or who waits for the machine's end. */
static bool is_wanted(void *argument, uint64_t done, uint64_t all)
{
	const struct request *request = argument;

	(void)done;
	(void)all;
	return !vm_is_stopping(request->control->vm) && !control_is_gone(request->client->fd);
}

bool command_has_memory(struct request *request)
{
	const struct state_memory_watch watch = { is_wanted, request };
	struct control *control = request->control;
	struct state_error error = { "" };

	if (!control->fill || control->fill_up(control->fill, &watch, &error))
		return true;
	command_fail(request, "%s", error.text);
	return false;
}

static bool mark(const struct request *request, uint64_t *count, struct state_error *error)
{
	return request->control->mark(request->control->machine, count, error);
}

static bool go_back(const struct request *request, uint64_t *count, struct state_error *error)
{
	return request->control->to_mark(request->control->machine, request->is_same ? MARK_THE_SAME : MARK_ANOTHER, count, error);
}

/* To the mark, or from it: the machine stands, and what is asked for is done. */
static void at_mark(struct request *request, bool (*work)(const struct request *request, uint64_t *count, struct state_error *error), const char *counted)
{
	const struct state_memory_watch watch = { is_wanted, request };
	struct control *control = request->control;
	struct state_error error = { "" };
	uint64_t count = 0;

	if (!control->mark) {
		command_fail(request, "this machine is not one to be marked (keel run --markable)");
	} else if (!command_has_memory(request)) {
		return;
	} else if (!control->hold(control->machine, VM_HOLD_MARK, HOLD_MARK_MS, &watch, &error)) {
		command_fail(request, "%s", error.text);
	} else {
		if (work(request, &count, &error))
			json_object_object_add(request->answer, counted, json_object_new_uint64(count));
		else
			command_fail(request, "%s", error.text);
		control->let_go(control->machine, VM_HOLD_MARK);
	}
}

static void do_mark(struct request *request)
{
	at_mark(request, mark, "bytes");
}

static void do_reset(struct request *request)
{
	struct vm *vm = request->control->vm;

	if (request->to_mark)
		at_mark(request, go_back, "pages");
	else if (request->is_same)
		command_fail(request, "\"same\" goes with \"to_mark\"");
	else if (vm->reboots)
		vm_ask_reset(vm, STATUS_QUIT, "reset by a client of the control socket");
	else
		command_fail(request, "this machine does not start again at a reset (keel run --firmware NAME --reset reboot)");
}

static void do_nmi(struct request *request)
{
	const struct control *control = request->control;

	switch (pause_nmi(control->vm, control->vcpus, control->vcpu_count)) {
	case PAUSE_NMI_SENT:
		break;
	case PAUSE_NMI_MASKED:
		command_fail(request, "the guest lets no NMI in: the pin LINT1 is masked on each of its CPUs, or is no NMI; "
		     "try again when it has booted");
		break;
	case PAUSE_NMI_BUSY:
		command_fail(request, "%s", busy);
		break;
	default:
		command_fail(request, "the kernel refused the NMI: %s", strerror(errno));
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
		command_fail(request, "%s", control->stats->count || control->balloon ? "out of memory" :
		     "the host's kernel module has no statistics (KVM_GET_STATS_FD)");
		free(text);
		return;
	}
	/* It is JSON already. */
	json_object_set_serializer(stats, json_object_userdata_to_json_string, text, json_object_free_userdata);
	json_object_object_add(request->answer, "stats", stats);
}

static const char no_file[] = "no file was passed with the request (SCM_RIGHTS), as keel ctl does";

/* Return: false after command_fail(). */
static bool take_base(struct request *request, struct state_order *order, struct state_base *base)
{
	size_t length = strlen(request->base_name);

	order->is_tracked = request->is_tracked;
	if (!*request->base && !length)
		return true;
	order->base = base;
	*base = (struct state_base){ .name = "" };
	if (request->is_tracked)
		command_fail(request, "\"track\" is for a file that has all of the machine, \"base\" for one that has not");
	else if (!state_identity_parse(&base->identity, request->base))
		command_fail(request, "\"base\" is not what a file says of itself (file_id)");
	else if (!length || length >= sizeof(base->name))
		command_fail(request, "\"base_name\" must be a path of 1 to %zu bytes", sizeof(base->name) - 1);
	else
		memcpy(base->name, request->base_name, length);
	for (size_t i = 0; i < length && !*request->error; i++)
		if (request->base_name[i] < ' ' || request->base_name[i] > '~')
			command_fail(request, "\"base_name\" must be of printable ASCII characters: the file would not have it otherwise");
	return !*request->error;
}

static void tell_saved(struct request *request, const struct state_order *order)
{
	char text[STATE_IDENTITY_TEXT];

	state_identity_text(&order->saved, text);
	json_object_object_add(request->answer, "file_id", json_object_new_string(text));
	json_object_object_add(request->answer, "pages", json_object_new_uint64(order->pages));
}

/* Into the file that came with the request: this process can open none. */
static void do_save(struct request *request)
{
	const struct state_memory_watch watch = { is_wanted, request };
	struct control *control = request->control;
	struct state_error error = { "" };
	struct state_order order = { 0 };
	struct state_base base;

	if (!request->client->file_count) {
		command_fail(request, "%s", no_file);
	} else if (!take_base(request, &order, &base) || !command_has_memory(request)) {
		return;
	} else if (!control->hold(control->machine, VM_HOLD_SAVE, HOLD_MS, &watch, &error)) {
		command_fail(request, "%s", error.text);
	} else {
		if (control->save(control->machine, request->client->files[request->client->file_count - 1], &order, &watch, &error))
			tell_saved(request, &order);
		else
			command_fail(request, "%s", error.text);
		control->let_go(control->machine, VM_HOLD_SAVE);
	}
}

static bool is_listening(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) && value;
}

_Static_assert(CONTROL_NETS == NET_DEVICES_MAX, "a network for each device");

/*
 * What came with the request, in this order: its serial port's file, the socket that it listens at, the file that it tells its end, its
 * networks. All but the first may be missing. Return: false if these are too few or too many.
 */
static bool take_order(const struct request *request, struct fork_order *order)
{
	const struct control_client *client = request->client;
	unsigned int behind = request->has_report + request->net_count, next;

	if (client->file_count < behind + 1 || client->file_count > behind + 2)
		return false;
	next = client->file_count - behind;
	*order = (struct fork_order){ .output = client->files[0], .listener = next == 2 ? client->files[1] : -1, .report = -1, .client = client->fd };
	if (request->has_report)
		order->report = client->files[next++];
	for (order->net_count = 0; order->net_count < request->net_count; order->net_count++)
		order->nets[order->net_count] = client->files[next++];
	order->name = request->name;
	order->is_paused = request->is_paused;
	return true;
}

static void do_fork(struct request *request)
{
	struct control *control = request->control;
	struct fork_answer answer;
	struct fork_order order;

	if (!control->fork) {
		command_fail(request, "this machine is not one to be forked (keel run --forkable)");
	} else if (!request->client->file_count) {
		command_fail(request, "%s", no_file);
	} else if (!take_order(request, &order)) {
		command_fail(request, "%u files were passed: one or two, one more with \"report\", and as many more as \"nets\" says", request->client->file_count);
	} else if (order.listener >= 0 && !is_listening(order.listener)) {
		command_fail(request, "the second file that was passed is no socket that listens");
	} else if (!command_has_memory(request)) {
		return;
	} else if (control->fork(control->machine, &order, &answer)) {
		json_object_object_add(request->answer, "pid", json_object_new_int(answer.pid));
	} else {
		command_fail(request, "%s", answer.error);
	}
}

static void do_balloon(struct request *request)
{
	struct control *control = request->control;
	const char *wrong = memory_options_check_balloon(control->memory, request->size);

	if (!control->balloon)
		command_fail(request, "the machine has no balloon: keel run --balloon");
	else if (wrong)
		command_fail(request, "%s", wrong);
	else
		virtio_balloon_ask(control->balloon, request->size);
}

static void do_memory(struct request *request)
{
	struct control *control = request->control;
	uint64_t wanted;
	const char *wrong = control->mem ? memory_options_check_size(control->memory, control->mem->device.vm->memory.pluggable, request->size, &wanted) :
			    "the machine has no memory that can be plugged: keel run --memory SIZE,max=SIZE";

	if (wrong)
		command_fail(request, "%s", wrong);
	else
		virtio_mem_ask(control->mem, wanted);
}

static void do_quit(struct request *request)
{
	request->control->is_quitting = true;
}

const struct command_row command_rows[] = {
	{ "status", do_status, 0 },
	{ "pause", do_pause, COMMAND_STAYS },
	{ "resume", do_resume, COMMAND_STAYS },
	{ "power-button", do_power_button, COMMAND_STAYS },
	{ "reset", do_reset, COMMAND_TO_MARK | COMMAND_SAME | COMMAND_ALONE },
	{ "nmi", do_nmi, COMMAND_STAYS },
	{ "stats", do_stats, 0 },
	{ "balloon", do_balloon, COMMAND_SIZE | COMMAND_STAYS },
	{ "memory", do_memory, COMMAND_SIZE | COMMAND_STAYS },
	{ "save", do_save, COMMAND_TRACK | COMMAND_BASE | COMMAND_ALONE },
	{ "mark", do_mark, COMMAND_ALONE },
	{ "fork", do_fork, COMMAND_NAME | COMMAND_PAUSED | COMMAND_REPORT | COMMAND_NETS | COMMAND_ALONE },
	{ "migrate", command_migrate, COMMAND_ALONE },
	{ "migrate-status", command_migrate_status, 0 },
	{ "migrate-cancel", command_migrate_cancel, 0 },
	{ "migrate-take-back", command_migrate_take_back, 0 },
	{ "quit", do_quit, 0 },
	{ NULL, NULL, 0 },
};
