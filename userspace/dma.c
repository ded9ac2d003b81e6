// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keel dma`. The judgement is the module's (KEEL_GET_DMA); here are the words for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "dma.h"
#include "options.h"
#include "status.h"

#define ROOM_FIRST	64u
#define ROOM_MAX	65536u

/* ---- words ---- */

static const struct {
	const char *word;	/* in JSON */
	const char *is;		/* what the device reaches, for people */
} reaches[] = {
	[KEEL_DMA_NO_IOMMU] = { "no-iommu", "no IOMMU" },
	[KEEL_DMA_IDENTITY] = { "identity", "identity domain" },
	[KEEL_DMA_TRANSLATED] = { "translated", "what its driver maps" },
	[KEEL_DMA_ASSIGNED] = { "assigned", "what its user has mapped" },
	[KEEL_DMA_BLOCKED] = { "blocked", "nothing" },
	[KEEL_DMA_IOMMU] = { "iommu", "its own tables: it is an IOMMU" },
	[KEEL_DMA_UNKNOWN] = { "unknown", "unknown kind of domain" },
};

static const char *const exposures[] = {
	[KEEL_DMA_CONFINED] = "confined",
	[KEEL_DMA_LATENT] = "latent",
	[KEEL_DMA_EXPOSED] = "exposed",
};

/* A module newer than this program may know more. */
static uint32_t reach_of(const struct keel_dma_device *d)
{
	return d->reach < ARRAY_SIZE(reaches) ? d->reach : KEEL_DMA_UNKNOWN;
}

static uint32_t exposure_of(const struct keel_dma_device *d)
{
	return d->exposure < ARRAY_SIZE(exposures) ? d->exposure : KEEL_DMA_EXPOSED;
}

static bool reach_is_free(const struct keel_dma_device *d)
{
	const uint32_t reach = reach_of(d);

	return reach == KEEL_DMA_NO_IOMMU || reach == KEEL_DMA_IDENTITY || reach == KEEL_DMA_UNKNOWN;
}

/* A driver's name, fit for a line and for JSON. */
static const char *driver_of(const struct keel_dma_device *d, char name[sizeof(d->driver) + 1])
{
	memcpy(name, d->driver, sizeof(d->driver));
	name[sizeof(d->driver)] = 0;
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	return name;
}

/* ---- for people ---- */

static void print_reach(FILE *out, const struct keel_dma_device *d)
{
	const char *is = reach_is_free(d) ? reaches[reach_of(d)].is : "external, and its ATS is on";

	switch (exposure_of(d)) {
	case KEEL_DMA_EXPOSED:
		fprintf(out, "ALL MEMORY: %s", is);
		break;
	case KEEL_DMA_LATENT:
		fprintf(out, "all memory once it masters the bus: %s", is);
		break;
	default:
		fputs(d->flags & KEEL_DMA_BRIDGE ? "a bridge: only hands on" : reaches[reach_of(d)].is, out);
	}
	if (d->direct_regions)
		fprintf(out, "; and %llu KB in any case", (unsigned long long)d->direct_bytes >> 10);
	if (d->flags & KEEL_DMA_ATS_ON)
		fputs("; ATS on", out);
	if (d->flags & KEEL_DMA_EXTERNAL)
		fputs("; external", out);
	if (d->flags & KEEL_DMA_ABSENT)
		fputs("; does not answer", out);
}

static void print_row(FILE *out, const struct keel_dma_device *d)
{
	char name[sizeof(d->driver) + 1], group[16] = "-";

	if (d->group >= 0)
		snprintf(group, sizeof(group), "%d", d->group);
	driver_of(d, name);
	if (d->flags & KEEL_DMA_BUSY)
		strcpy(name, "?");
	fprintf(out, "%04x:%02x:%02x.%u  %04x   %04x:%04x  %5s  %-16s %-6s  ", d->segment, d->bus, d->devfn >> 3,
		d->devfn & 7u, d->class >> 8, d->vendor, d->device, group, *name ? name : "-",
		d->flags & KEEL_DMA_MASTER ? "on" : "off");
	print_reach(out, d);
	fputc('\n', out);
}

/* Which remedies the list calls for. */
static void print_remedies(FILE *out, const struct keel_dma_list *list)
{
	bool needs_iommu = false, needs_nopt = false;

	for (uint32_t i = 0; i < list->nr; i++) {
		const struct keel_dma_device *d = &list->devices[i];

		if (exposure_of(d) == KEEL_DMA_CONFINED)
			continue;
		needs_iommu |= reach_of(d) == KEEL_DMA_NO_IOMMU;
		needs_nopt |= reach_of(d) == KEEL_DMA_IDENTITY;
	}
	if (needs_iommu)
		fputs("For an IOMMU: turn it on in the firmware (VT-d, AMD-Vi), and boot an Intel host with intel_iommu=on.\n", out);
	if (needs_nopt)
		fputs("For domains other than identity: boot with iommu=nopt, or without iommu=pt.\n", out);
}

void dma_print_table(FILE *out, const struct keel_dma_list *list)
{
	unsigned int counts[ARRAY_SIZE(exposures)] = { 0 };

	fputs("DEVICE        CLASS  IDENTITY   GROUP  DRIVER           MASTER  REACHES\n", out);
	for (uint32_t i = 0; i < list->nr; i++) {
		print_row(out, &list->devices[i]);
		counts[exposure_of(&list->devices[i])]++;
	}
	fprintf(out, "%u of %u devices reach all memory now, %u more once they master the bus.\n", counts[KEEL_DMA_EXPOSED],
		list->nr, counts[KEEL_DMA_LATENT]);
	if (list->exclusion_nodes)
		fprintf(out, "%u northbridges have a Device Exclusion Vector, which Keel does not use yet.\n", list->exclusion_nodes);
	print_remedies(out, list);
}

/* ---- for programs ---- */

static const struct {
	uint32_t bit;
	const char *word;
} flags[] = {
	{ KEEL_DMA_MASTER, "bus_master" },
	{ KEEL_DMA_ATS_CAPABLE, "ats_capable" },
	{ KEEL_DMA_ATS_ON, "ats_on" },
	{ KEEL_DMA_EXTERNAL, "external" },
	{ KEEL_DMA_BRIDGE, "bridge" },
	{ KEEL_DMA_ABSENT, "absent" },
};

static void print_json_device(FILE *out, const struct keel_dma_device *d)
{
	char name[sizeof(d->driver) + 1];

	fprintf(out, "{\"device\": \"%04x:%02x:%02x.%u\", \"vendor\": \"%04x\", \"id\": \"%04x\", \"class\": \"%06x\", ",
		d->segment, d->bus, d->devfn >> 3, d->devfn & 7u, d->vendor, d->device, d->class);
	if (d->group >= 0)
		fprintf(out, "\"group\": %d, ", d->group);
	else
		fputs("\"group\": null, ", out);
	if (*driver_of(d, name))
		fprintf(out, "\"driver\": \"%s\", ", name);
	else
		fputs("\"driver\": null, ", out);
	fprintf(out, "\"reach\": \"%s\", \"exposure\": \"%s\", ", reaches[reach_of(d)].word, exposures[exposure_of(d)]);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		fprintf(out, "\"%s\": %s, ", flags[i].word, d->flags & flags[i].bit ? "true" : "false");
	fprintf(out, "\"direct_regions\": %u, \"direct_bytes\": %llu}", d->direct_regions, (unsigned long long)d->direct_bytes);
}

void dma_print_json(FILE *out, const struct keel_dma_list *list)
{
	fprintf(out, "{\"exclusion_nodes\": %u, \"devices\": [", list->exclusion_nodes);
	for (uint32_t i = 0; i < list->nr; i++) {
		if (i)
			fputs(", ", out);
		print_json_device(out, &list->devices[i]);
	}
	fputs("]}\n", out);
}

/* ---- asking ---- */

/* The list, allocated; NULL with errno set. Devices may come while it is read. */
static struct keel_dma_list *list_read(int fd)
{
	struct keel_dma_list *list = NULL;

	for (uint32_t room = ROOM_FIRST; room <= ROOM_MAX; room *= 2) {
		free(list);
		list = calloc(1, sizeof(*list) + room * sizeof(list->devices[0]));
		if (!list)
			return NULL;
		list->nr = room;
		if (!ioctl(fd, KEEL_GET_DMA, list))
			return list;
		if (errno != E2BIG)
			break;
	}
	int saved = errno;

	free(list);
	errno = saved;
	return NULL;
}

int dma_show(const struct options *options)
{
	int fd = open(options->device, O_RDWR | O_CLOEXEC);
	struct keel_dma_list *list;

	if (fd < 0)
		return status_fail(STATUS_DEVICE, "cannot open %s: %s", options->device, strerror(errno));
	if (ioctl(fd, KVM_CHECK_EXTENSION, KEEL_CAP_DMA) <= 0) {
		close(fd);
		return status_fail(STATUS_DEVICE, "%s does not tell which device reaches which memory; Keel's node does, "
				   "of a module of this version", options->device);
	}
	list = list_read(fd);
	close(fd);
	if (!list)
		return status_fail(STATUS_HOST, "KEEL_GET_DMA: %s", strerror(errno));
	if (options->json)
		dma_print_json(stdout, list);
	else
		dma_print_table(stdout, list);
	free(list);
	return 0;
}
