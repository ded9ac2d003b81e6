// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices the guest has.
 */
#include <stdlib.h>
#include <string.h>

#include "nbd_address.h"
#include "option_row.h"
#include "options.h"
#include "status.h"

static int set_disk(struct options *options, const char *value)
{
	static const struct {
		const char *suffix;
		enum virtio_blk_use use;
	} uses[] = {
		{ ",rw", VIRTIO_BLK_WRITTEN },
		{ ",ro", VIRTIO_BLK_READ },
		{ ",snapshot", VIRTIO_BLK_SNAPSHOT },
	};
	enum virtio_blk_use use = VIRTIO_BLK_WRITTEN;
	size_t length = strlen(value);
	struct nbd_address address;
	const char *wrong;

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		size_t tail = strlen(uses[i].suffix);

		if (length >= tail && !strcmp(value + length - tail, uses[i].suffix)) {
			use = uses[i].use;
			length -= tail;
			break;
		}
	}
	if (!length)
		return status_fail(STATUS_USAGE, "--disk %s: no file named", value);
	if (options->disk_count == OPTIONS_DISKS_MAX)
		return status_fail(STATUS_USAGE, "--disk %s: at most %d disks", value,
				   OPTIONS_DISKS_MAX);
	char *path = strndup(value, length);

	if (!path)
		return status_fail(STATUS_HOST, "out of memory");
	if (nbd_address_is_one(path) && (wrong = nbd_address_parse(path, &address))) {
		free(path);
		return status_fail(STATUS_USAGE, "--disk %s: %s", value, wrong);
	}
	options->disks[options->disk_count++] = (struct disk_options){ path, use };
	return 0;
}

static int set_net(struct options *options, const char *value)
{
	if (options->net_count == NET_DEVICES_MAX)
		return status_fail(STATUS_USAGE, "--net %s: at most %d network devices", value, NET_DEVICES_MAX);
	return net_options_parse(&options->nets[options->net_count++], value);
}

static int set_share(struct options *options, const char *value)
{
	return share_options_add(options->shares, &options->share_count, value);
}

/* "0000:00:02.0" or "00:02.0" */
static int set_vfio(struct options *options, const char *value)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (options->vfio_count == VFIO_DEVICES_MAX)
		return status_fail(STATUS_USAGE, "--vfio %s: at most %d devices", value, VFIO_DEVICES_MAX);
	if (sscanf(value, "%6x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || value[end]) {
		domain = 0;
		end = 0;
		if (sscanf(value, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || value[end])
			end = 0;
	}
	if (!end || slot > 31 || function > 7 || strspn(value, "0123456789abcdefABCDEF:.") != strlen(value))
		return status_fail(STATUS_USAGE, "--vfio %s: not a PCI address, as 0000:00:02.0 (lspci -D lists them)", value);

	char *to = options->vfio[options->vfio_count];

	snprintf(to, VFIO_ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	for (unsigned int i = 0; i < options->vfio_count; i++)
		if (!strcmp(options->vfio[i], to))
			return status_fail(STATUS_USAGE, "--vfio %s: given twice", value);
	options->vfio_count++;
	return 0;
}

static int set_console(struct options *options, const char *value)
{
	options->virtio_console = !strcmp(value, "virtio");
	if (options->virtio_console || !strcmp(value, "serial"))
		return 0;
	return status_fail(STATUS_USAGE, "--console %s: must be serial or virtio", value);
}

static int set_watchdog(struct options *options, const char *value)
{
	(void)value;
	options->watchdog = true;
	return 0;
}

static int set_no_rng(struct options *options, const char *value)
{
	(void)value;
	options->rng = false;
	return 0;
}

static const struct option_row rows[] = {
	{ "disk", OF_RUN | OF_RESTORE, true, true, set_disk },
	{ "net", OF_RUN | OF_CTL, true, true, set_net },
	{ "share", OF_RUN, true, true, set_share },
	{ "vfio", OF_RUN, true, true, set_vfio },
	{ "console", OF_RUN, true, false, set_console },
	{ "watchdog", OF_RUN, false, true, set_watchdog },
	{ "no-rng", OF_RUN, false, true, set_no_rng },
};

const struct option_table device_option_table = { rows, ARRAY_SIZE(rows) };
