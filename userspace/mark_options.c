// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a machine cannot have that is to go back to a mark. Known before it starts, so that nobody learns of it when he wants to go back.
 */
#include "mark.h"
#include "memory.h"
#include "options.h"
#include "status.h"

static int refuse(const char *why)
{
	return status_fail(STATUS_USAGE, "--markable: %s", why);
}

int mark_options_check(const struct options *options)
{
	if (!options->is_markable)
		return 0;
	if (!options->control && !options->name)
		return refuse("needs --control or --name, where 'keel ctl' asks for it");
	if (options->net_count)
		return refuse("not together with --net: nobody takes back what was sent");
	if (options->share_count)
		return refuse("not together with --share: virtiofsd does not go back, nor do the files");
	if (options->vfio_count)
		return refuse("not together with --vfio: a device of the host does not go back");
	if (options->firmware)
		return refuse("not together with --firmware, whose state is not among what is put back");
	if (options->watchdog)
		return refuse("not together with --watchdog, whose time would be over");
	if (options->memory_backing & MEMORY_SHARED)
		return refuse("not together with --memory-backing shared: to look whether a page is zero takes a page of the host then");
	for (unsigned int i = 0; i < options->disk_count; i++)
		if (options->disks[i].use == VIRTIO_BLK_WRITTEN)
			return status_fail(STATUS_USAGE, "--markable: --disk %s can be written, and nobody takes that back; it can be had with ,ro or ,snapshot",
					   options->disks[i].path);
	return 0;
}
