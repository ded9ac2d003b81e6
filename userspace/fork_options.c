// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a machine cannot have that is to be forked. Known before it starts, so that nobody learns of it when he wants the child.
 */
#include "fork_options.h"
#include "memory.h"
#include "nbd_address.h"
#include "options.h"
#include "status.h"

static int refuse(const char *why)
{
	return status_fail(STATUS_USAGE, "--forkable: %s", why);
}

int fork_options_check(const struct options *options)
{
	if (!options->is_forkable)
		return 0;
	if (!options->control && !options->name)
		return refuse("needs --control or --name, where 'keel ctl' asks for it");
	for (unsigned int i = 0; i < options->net_count; i++)
		if (options->nets[i].kind != NET_USER)
			return refuse("not together with --net tap or vhost-user: children would have the same address on the same network; --net user can be had");
	if (options->share_count)
		return refuse("not together with --share: virtiofsd serves one machine, and has the memory of that one");
	if (options->vfio_count)
		return refuse("not together with --vfio: a device of the host cannot be in two machines");
	if (options->firmware_vars)
		return refuse("not together with --firmware-vars, which children would all write; without it --firmware ovmf can be had");
	if (options->memory_backing & (MEMORY_SHARED | MEMORY_HUGETLB))
		return refuse("not together with --memory-backing shared or hugetlb, which the host does not copy on write; thp and merge can be had");
	for (unsigned int i = 0; i < options->disk_count; i++) {
		if (nbd_address_is_one(options->disks[i].path))
			return status_fail(STATUS_USAGE, "--forkable: --disk %s is had through one connection, which children would share; a file that is "
					   "read can be had", options->disks[i].path);
		if (options->disks[i].use == VIRTIO_BLK_WRITTEN)
			return status_fail(STATUS_USAGE, "--forkable: --disk %s can be written, and children would all write to it; it can be had with ,ro or ,snapshot",
					   options->disks[i].path);
	}
	return 0;
}
