// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two names can be one file, by links or by device nodes: what is compared is
 * the file, not its name.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "disk_lock.h"
#include "files.h"
#include "nbd_address.h"
#include "options.h"
#include "status.h"

static bool is_same(const char *one, const char *other)
{
	struct stat a, b;

	/* What a server has has no file here, so by its name. */
	if (nbd_address_is_one(one) || nbd_address_is_one(other))
		return !strcmp(one, other);
	if (stat(one, &a) || stat(other, &b))
		return false;
	if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode))
		return a.st_rdev == b.st_rdev;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int refuse_report(const char *report, const char *path, const char *option)
{
	if (!path || !is_same(report, path))
		return 0;
	return status_fail(STATUS_USAGE,
			   "--status-json %s: is the file of %s %s too and would replace it; "
			   "name another", report, option, path);
}

static int check_report(const struct options *options)
{
	int ret = refuse_report(options->status_json, options->kernel, "--kernel");

	if (!ret)
		ret = refuse_report(options->status_json, options->initrd, "--initrd");
	if (!ret)
		ret = refuse_report(options->status_json, options->firmware, "--firmware");
	if (!ret)
		ret = refuse_report(options->status_json, options->config, "--config");
	if (!ret)
		ret = refuse_report(options->status_json, options->firmware_vars, "--firmware-vars");
	if (!ret && options->file_count)
		ret = refuse_report(options->status_json, options->files[0], "restore");
	for (unsigned int i = 0; !ret && i < options->disk_count; i++)
		ret = refuse_report(options->status_json, options->disks[i].path, "--disk");
	if (!ret && disk_is_used(options->status_json))
		ret = status_fail(STATUS_USAGE, "--status-json %s: is a disk of a machine that runs, and would be lost; name another",
				  options->status_json);
	return ret;
}

int files_check(const struct options *options)
{
	int ret = options->status_json ? check_report(options) : 0;

	for (unsigned int i = 0; !ret && i < options->disk_count; i++) {
		const struct disk_options *disk = &options->disks[i];

		for (unsigned int j = 0; !ret && j < i; j++) {
			const struct disk_options *other = &options->disks[j];

			if (disk->use != VIRTIO_BLK_WRITTEN && other->use != VIRTIO_BLK_WRITTEN)
				continue;
			if (is_same(disk->path, other->path))
				ret = status_fail(STATUS_DISK,
						  "--disk %s: the same file as --disk %s; it can "
						  "be there twice only if both have ,ro or ,snapshot",
						  disk->path, other->path);
		}
	}
	return ret;
}
