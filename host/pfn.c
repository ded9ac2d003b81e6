// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a frame RAM or a device's? The host's count of second-level tables. And the one signal that changed its arguments.
 */
#include <linux/eventfd.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/vmstat.h>
#include <keel/host.h>
#include <keel/pgtable.h>
#include "keel_have.h"

void keel_host_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef KEEL_HAVE_EVENTFD_SIGNAL_COUNT
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

/* Memory of a device's that the host maps like its own, such as persistent memory (DAX); but not what lies on PCI. */
static bool is_device_memory(u64 pfn)
{
	struct dev_pagemap *map = get_dev_pagemap(pfn, NULL);
	bool is_memory;

	if (!map)
		return false;
	is_memory = map->type != MEMORY_DEVICE_PCI_P2PDMA;
	put_dev_pagemap(map);
	return is_memory;
}

bool keel_host_pfn_is_ram(u64 pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	if (page)
		return !PageReserved(page) || is_zero_pfn(pfn);
	return page_is_ram(pfn) || is_device_memory(pfn);
}

void keel_host_count_table(void *page, int n)
{
#ifdef KEEL_HAVE_SECONDARY_PAGETABLE
	mod_lruvec_page_state(virt_to_page(page), NR_SECONDARY_PAGETABLE, n);
#endif
}
