/* SPDX-License-Identifier: GPL-2.0-only */
/* Directed cases where somebody could wait for ever, or be told that there is no memory where others were only faster. */
#include <linux/mm.h>
#include "shadow_bits.h"
#include "shadow_world.h"

/* Other CPUs take what is ready for new tables, whenever that is complete. */
static void others_take_all(void)
{
	struct shadow *s = w.s;

	if (s->nr_reserve < SHADOW_RESERVE)
		return;
	while (s->nr_reserve) {
		struct shadow_page *page = s->reserve[--s->nr_reserve];

		pgtable_free_pages(page->table);
		shadow_page_free(page);
	}
}

/* No root can be made as long as others are faster: that is no lack of memory, and no reason to go on with the old one. */
void case_others_are_faster(void)
{
	struct cpu *cpu = &w.cpu[0];
	gpa_t old;
	int ret;

	world_start(1, 1);
	guest_start(cpu, SHADOW_LONG4);
	old = cpu->v.regs.cr3;
	cpu->v.regs.cr3 = root_of(SHADOW_LONG4, 1);
	WORLD_CHECK("case", cpu->v.regs.cr3 != old, "one root");
	w.meanwhile = others_take_all;
	w.watched = cpu;
	ret = shadow_load(&cpu->v, w.s, &cpu->sv);
	w.watched = NULL;
	WORLD_CHECK("case", ret == -EAGAIN, "shadow_load() returned %d, wanted %d", ret, -EAGAIN);
	WORLD_CHECK("case", !shadow_root_is_good(&cpu->v, &cpu->sv), "a root out of nothing");
	w.meanwhile = NULL;
	cpu_load(cpu);
	audit();
	world_end();
}
