// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices the guest has.
 */
#include <stdlib.h>
#include <string.h>

#include "nbd_address.h"
#include "option_row.h"
#include "options.h"
#include "rate_options.h"
#include "status.h"

static const char *const rate_words[] = {
	[RATE_BYTES] = "bps",
	[RATE_BYTES_MAX] = "bps_max",
	[RATE_REQUESTS] = "iops",
	[RATE_REQUESTS_MAX] = "iops_max",
};

/* Take a limit off the end. Return: NULL, or what is wrong with it, with @word its name; *@length is as before if there is none. */
static const char *take_rate(struct disk_options *disk, const char *value, size_t *length, const char **word)
{
	const char *comma = memrchr(value, ',', *length);
	char text[32];

	for (enum rate_word i = 0; comma && i < ARRAY_SIZE(rate_words); i++) {
		size_t name = strlen(rate_words[i]), tail = (size_t)(value + *length - comma) - 1;

		if (tail <= name || strncmp(comma + 1, rate_words[i], name) || comma[1 + name] != '=')
			continue;
		*word = rate_words[i];
		*length -= tail + 1;
		if (tail - name > sizeof(text))
			return "has too long a number";
		memcpy(text, comma + 2 + name, tail - name - 1);
		text[tail - name - 1] = 0;
		return rate_options_set(&disk->rate, i, text);
	}
	return NULL;
}

/* What becomes of the image, the word before the limits. */
static void take_use(struct disk_options *disk, const char *value, size_t *length)
{
	static const struct {
		const char *suffix;
		enum virtio_blk_use use;
	} uses[] = {
		{ ",rw", VIRTIO_BLK_WRITTEN },
		{ ",ro", VIRTIO_BLK_READ },
		{ ",snapshot", VIRTIO_BLK_SNAPSHOT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		size_t tail = strlen(uses[i].suffix);

		if (*length >= tail && !memcmp(value + *length - tail, uses[i].suffix, tail)) {
			disk->use = uses[i].use;
			*length -= tail;
			return;
		}
	}
}

/* Take all words off the end of @value. Return: 0 with @length of the name, or STATUS_USAGE. */
static int take_words(struct disk_options *disk, const char *value, size_t *length)
{
	const char *wrong = NULL, *word;
	enum rate_word lone;
	size_t before;

	do {
		before = *length;
		wrong = take_rate(disk, value, length, &word);
	} while (!wrong && *length < before);
	if (wrong)
		return status_fail(STATUS_USAGE, "--disk %s: %s %s", value, word, wrong);
	if (!rate_options_are_whole(&disk->rate, &lone))
		return status_fail(STATUS_USAGE, "--disk %s: %s needs %s", value, rate_words[lone], rate_words[lone - 1]);
	take_use(disk, value, length);
	return *length ? 0 : status_fail(STATUS_USAGE, "--disk %s: no file named", value);
}

static int set_disk(struct options *options, const char *value)
{
	struct disk_options disk = { .use = VIRTIO_BLK_WRITTEN };
	size_t length = strlen(value);
	struct nbd_address address;
	const char *wrong;
	int ret = take_words(&disk, value, &length);

	if (ret)
		return ret;
	if (options->disk_count == OPTIONS_DISKS_MAX)
		return status_fail(STATUS_USAGE, "--disk %s: at most %d disks", value,
				   OPTIONS_DISKS_MAX);
	disk.path = strndup(value, length);
	if (!disk.path)
		return status_fail(STATUS_HOST, "out of memory");
	if (nbd_address_is_one(disk.path) && (wrong = nbd_address_parse(disk.path, &address))) {
		free(disk.path);
		return status_fail(STATUS_USAGE, "--disk %s: %s", value, wrong);
	}
	options->disks[options->disk_count++] = disk;
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
