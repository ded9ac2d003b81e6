/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots and the launcher's pages change, as ept/memslot.c, dirty.c and notifier.c have it. */
#include "shadow_world.h"

void world_finish(struct pt_update *up)
{
	shadow_finish(w.s, up);
	pgtable_free_pages(up->dead);
	up->dead = NULL;
}

void world_unmap(gfn_t gfn, gfn_t end)
{
	struct pt_update up = {};

	shadow_unmap(w.s, gfn, end, &up);
	world_finish(&up);
}

void world_take(unsigned int first, unsigned int n)
{
	unsigned int i;

	if (w.is_large[first / 512]) {
		first &= ~511u;
		n = 512;
	}
	/* the notifier comes first */
	for (i = 0; i < NR_SLOTS; i++) {
		unsigned int from = max(first, layout[i].host), to = min(first + n, layout[i].host + (unsigned int)layout[i].npages);

		if (w.has_slot[i] && from < to)
			world_unmap(layout[i].base + (from - layout[i].host), layout[i].base + (to - layout[i].host));
	}
	for (i = first; i < first + n; i++) {
		w.host[i].present = false;
		w.host[i].pfn = 0;
	}
}

void world_resize(unsigned int block, bool is_large)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (w.host[block * 512 + i].is_fixed)
			return;
	world_take(block * 512, 512);
	w.is_large[block] = is_large;
}

static void publish(void)
{
	unsigned int i;

	w.slots->generation++;
	w.slots->count = 0;
	for (i = 0; i < NR_SLOTS; i++)
		if (w.has_slot[i])
			w.slots->slot[w.slots->count++] = &w.slot[i];
}

void world_remove_slot(unsigned int i)
{
	struct pt_update up = {};

	w.has_slot[i] = false;
	publish();
	shadow_forget(w.s, layout[i].base, layout[i].base + layout[i].npages, &up);
	world_finish(&up);
}

void world_add_slot(unsigned int i)
{
	w.slot[i] = (struct memslot){
		.base = layout[i].base, .npages = layout[i].npages, .flags = layout[i].flags,
		.hva = (hva_t)(w.ram + layout[i].host * PAGE_SIZE), .id = i,
	};
	w.has_slot[i] = true;
	publish();
}

void world_set_logging(unsigned int i, bool on)
{
	struct pt_update up = {};
	gfn_t base = layout[i].base, end = base + layout[i].npages;

	if (!w.has_slot[i] || (layout[i].flags & KVM_MEM_READONLY) || on == !!w.slot[i].dirty)
		return;
	memset(w.dirty[i], 0, sizeof(w.dirty[i]));
	w.slot[i].dirty = on ? w.dirty[i] : NULL;
	publish();
	if (on)
		shadow_protect(w.s, base, end, &up);
	else
		shadow_unmap(w.s, base, end, &up);
	world_finish(&up);
}

void world_get_log(unsigned int i)
{
	struct pt_update up = {};
	unsigned int word;

	if (!w.has_slot[i] || !w.slot[i].dirty)
		return;
	for (word = 0; word < (layout[i].npages + 63) / 64; word++) {
		u64 mask = w.dirty[i][word];

		w.dirty[i][word] = 0;
		shadow_protect_mask(w.s, layout[i].base + word * 64, mask, &up);
	}
	world_finish(&up);
}
