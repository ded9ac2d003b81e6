// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way back. The module has the vCPUs, the interrupt controllers and the clocks (KEEL_MARK_VM, KEEL_RESET_VM). Here is the rest: memory, of which a
 * copy is kept, and the devices, whose state is taken and given as for a saved machine (state.h). What a snapshot of a disk was
 * written is kept by overlay.h.
 *
 * Memory is put back where it was written since: the kernel's dirty log tells of the guest, memory_note() of this process. Both are
 * gathered in one bitmap before anything is changed, and it keeps them until they are used.
 *
 * vCPUs stand at the gate meanwhile, devices are held, and no interrupt is sent: the kernel's controllers have those of the mark.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <uapi/linux/keel.h>

#include "dirty.h"
#include "machine.h"
#include "mark.h"
#include "state.h"
#include "util.h"

struct mark {
	bool is_set;
	uint64_t shift;			/* power.shift, as the clocks go on */
	uint8_t *memory;		/* as it was, from the first region on; NULL: none yet */
	uint64_t *log;			/* room for the dirty log of one region */
	struct state_image image;	/* without vCPUs and chips */
};

int mark_prepare(struct machine *machine, const struct options *options)
{
	struct memory *memory = &machine->vm.memory;
	int most = options->is_markable ? vm_has(&machine->vm, KEEL_CAP_RESET_VM) : 0;

	if (!options->is_markable)
		return 0;
	if (!most)
		return status_fail(STATUS_CREATE, "--markable: this node puts no machine back; Keel's does, of a module of this version, with nested paging");
	if (options->cpus > (unsigned int)most)
		return status_fail(STATUS_CREATE, "--markable: --cpus %u: at most %d", options->cpus, most);
	machine->mark = calloc(1, sizeof(*machine->mark));
	memory->written = calloc(dirty_words(memory), sizeof(uint64_t));
	if (machine->mark)
		machine->mark->log = calloc(dirty_words(memory), sizeof(uint64_t));
	if (!machine->mark || !machine->mark->log || !memory->written)
		return status_fail(STATUS_HOST, "out of memory");
	int ret = dirty_watch(&machine->vm, true);

	return ret ? status_fail(STATUS_CREATE, "--markable: no log of the guest's writes: %s", strerror(-ret)) : 0;
}

/* ---- memory ---- */

/* Pages of zeros take nothing. Return: a mapping; NULL with @error. */
static uint8_t *copy_memory(const struct memory *memory, uint64_t *bytes, struct state_error *error)
{
	uint64_t size = memory_pages(memory) * DIRTY_PAGE;
	uint8_t *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (copy == MAP_FAILED) {
		state_refuse(error, "the host gives no room for a copy of the guest's memory: %s", strerror(errno));
		return NULL;
	}
	madvise(copy, size, MADV_DONTDUMP);
	*bytes = 0;
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct memory_region *region = &memory->regions[i];
		uint8_t *to = copy + (region->host - memory->regions[0].host);

		for (uint64_t at = 0; at < region->size; at += DIRTY_PAGE) {
			/* Not so much as read, which would take memory of a file. */
			if (!memory_is_plugged(memory, region->base + at) || memory_is_zero(region->host + at, DIRTY_PAGE))
				continue;
			memcpy(to + at, region->host + at, DIRTY_PAGE);
			*bytes += DIRTY_PAGE;
		}
	}
	return copy;
}

static void drop_copy(const struct memory *memory, uint8_t *copy)
{
	if (copy)
		munmap(copy, memory_pages(memory) * DIRTY_PAGE);
}

/* Is page @at from the first one's byte on in a block that the guest had not plugged at the mark? That is the host's once it is so again. */
static bool was_unplugged(const struct memory *memory, const struct mark *mark, uint64_t at)
{
	uint64_t first = memory_pages(memory) * DIRTY_PAGE - memory->pluggable, block = (at - first) / MEMORY_BLOCK;

	return memory->pluggable && at >= first && !(mark->image.mem.plugged[block / 8] >> block % 8 & 1);
}

static uint64_t put_memory_back(const struct memory *memory, const struct mark *mark)
{
	uint8_t *to = memory->regions[0].host;
	uint64_t pages = 0;

	for (uint64_t word = 0; word < dirty_words(memory); word++) {
		for (uint64_t left = memory->written[word]; left; left &= left - 1) {
			uint64_t at = (word * DIRTY_WORD_BITS + (uint64_t)__builtin_ctzll(left)) * DIRTY_PAGE;

			if (was_unplugged(memory, mark, at))
				continue;
			memcpy(to + at, mark->memory + at, DIRTY_PAGE);
			pages++;
		}
		memory->written[word] = 0;
	}
	return pages;
}

/* ---- the mark ---- */

static bool prepare_disks(struct machine *machine, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->disk_count; i++) {
		int ret = overlay_prepare_mark(&machine->disks[i].overlay);

		if (ret)
			return state_refuse(error, "the host gives no room for what --disk %s was written: %s", machine->disks[i].path, strerror(-ret));
	}
	return true;
}

static bool ask(const struct vm *vm, unsigned long command, struct state_error *error)
{
	struct keel_reset_vm how = { 0 };

	return !ioctl(vm->fd, command, &how) || state_refuse(error, "the kernel module refuses: %s", strerror(errno));
}

/* All is held. The module's mark is the last that may fail. */
static bool set(struct machine *machine, struct mark *new, uint64_t *bytes, struct state_error *error)
{
	struct mark *mark = machine->mark;
	struct memory *memory = &machine->vm.memory;

	if (!prepare_disks(machine, error) || !state_devices_take(machine, &new->image, error))
		return false;
	new->memory = copy_memory(memory, bytes, error);
	if (!new->memory || !dirty_gather(&machine->vm, mark->log, error) || !ask(&machine->vm, KEEL_MARK_VM, error)) {
		drop_copy(memory, new->memory);
		return false;
	}
	memset(memory->written, 0, dirty_words(memory) * sizeof(uint64_t));
	for (unsigned int i = 0; i < machine->disk_count; i++)
		overlay_mark(&machine->disks[i].overlay);
	drop_copy(memory, mark->memory);
	mark->memory = new->memory;
	mark->image = new->image;
	mark->shift = machine->power.shift;
	mark->is_set = true;
	return true;
}

bool mark_set(struct machine *machine, uint64_t *bytes, struct state_error *error)
{
	struct mark *new = calloc(1, sizeof(*new));
	bool is_set;

	if (!new)
		return state_refuse(error, "out of memory");
	state_hold(machine);
	is_set = set(machine, new, bytes, error);
	state_release(machine);
	free(new);
	return is_set;
}

/* All is held, and the kernel's part is what it was. */
static bool put_back(struct machine *machine, uint64_t *pages, struct state_error *error)
{
	const struct mark *mark = machine->mark;

	*pages = put_memory_back(&machine->vm.memory, mark);
	for (unsigned int i = 0; i < machine->disk_count; i++)
		overlay_return(&machine->disks[i].overlay);
	if (!state_devices_put(machine, &mark->image, error))
		return false;
	machine->power.shift = mark->shift;
	pthread_cond_signal(&machine->rtc.changed);
	serial_go_on(&machine->serial);
	return true;
}

bool mark_return(struct machine *machine, enum mark_identity identity, uint64_t *pages, struct state_error *error)
{
	struct vm *vm = &machine->vm;
	struct mark *mark = machine->mark;
	bool is_back;
	int ret;

	if (!mark->is_set)
		return state_refuse(error, "the machine has no mark: mark it first");
	state_hold(machine);
	is_back = dirty_gather(vm, mark->log, error) && ask(vm, KEEL_RESET_VM, error);
	if (is_back) {
		vm_mute(vm);
		is_back = put_back(machine, pages, error);
		vm_unmute(vm, mark->image.board.lines);
		if (!is_back)
			vm_stop(vm, STATUS_HOST, "the machine could not be put back as a whole: %s", error->text);
	}
	state_release(machine);
	if (!is_back || identity == MARK_THE_SAME)
		return is_back;
	ret = generation_change(&machine->generation);
	if (ret)
		vm_stop(vm, STATUS_HOST, "no random number for the machine's generation ID: %s", strerror(-ret));
	return !ret || state_refuse(error, "no random number: %s", strerror(-ret));
}

void mark_forget(struct machine *machine)
{
	struct memory *memory = &machine->vm.memory;

	if (!machine->mark)
		return;
	for (unsigned int i = 0; i < machine->disk_count; i++)
		overlay_forget_mark(&machine->disks[i].overlay);
	drop_copy(memory, machine->mark->memory);
	machine->mark->memory = NULL;
	machine->mark->is_set = false;
}

void mark_free(struct machine *machine)
{
	mark_forget(machine);
	if (machine->mark)
		free(machine->mark->log);
	free(machine->mark);
	machine->mark = NULL;
}
