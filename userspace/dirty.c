// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel has a log a slot, which begins with a region's first page; here is one bitmap for all regions.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dirty.h"
#include "state_format.h"
#include "vm.h"

int dirty_watch(const struct vm *vm, bool is_watched)
{
	int first = 0;

	/* What is not to be logged any more costs the guest, so one slot that stays so is no reason for the others to. */
	for (unsigned int i = 0; i < vm->memory.count && !(first && is_watched); i++) {
		int ret = memory_map(&vm->memory, i, vm->fd, is_watched ? KVM_MEM_LOG_DIRTY_PAGES : 0);

		first = first ? first : ret;
	}
	return first;
}

bool dirty_gather(const struct vm *vm, uint64_t *log, struct state_error *error)
{
	const struct memory *memory = &vm->memory;

	for (unsigned int i = 0; i < memory->count; i++) {
		const struct memory_region *region = &memory->regions[i];
		struct kvm_dirty_log request = { .slot = i, .dirty_bitmap = log };
		uint64_t first = (uint64_t)(region->host - memory->regions[0].host) / DIRTY_PAGE / DIRTY_WORD_BITS;
		uint64_t count = (region->size / DIRTY_PAGE + DIRTY_WORD_BITS - 1) / DIRTY_WORD_BITS;

		if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &request) < 0)
			return state_refuse(error, "cannot read the log of the guest's writes: %s", strerror(errno));
		for (uint64_t word = 0; word < count; word++)
			if (log[word])
				__atomic_fetch_or(&memory->written[first + word], log[word], __ATOMIC_RELAXED);
	}
	return true;
}

uint64_t dirty_take(const struct vm *vm, uint64_t *taken)
{
	uint64_t count = 0;

	for (uint64_t word = 0; word < dirty_words(&vm->memory); word++) {
		taken[word] = __atomic_exchange_n(&vm->memory.written[word], 0, __ATOMIC_RELAXED);
		count += (uint64_t)__builtin_popcountll(taken[word]);
	}
	return count;
}
