// SPDX-License-Identifier: GPL-2.0-only
/*
 * A balloon's figures in words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "virtio_balloon.h"

static const char *const names[BALLOON_TAGS] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "swap_in",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "swap_out",
	[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
	[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "free_memory",
	[VIRTIO_BALLOON_S_MEMTOT] = "total_memory",
	[VIRTIO_BALLOON_S_AVAIL] = "available_memory",
	[VIRTIO_BALLOON_S_CACHES] = "disk_caches",
	[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "hugetlb_allocations",
	[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "hugetlb_failures",
	[10] = "oom_kills",		/* VIRTIO_BALLOON_S_OOM_KILL and so on, in newer headers; scans and reclaims are bytes */
	[11] = "allocation_stalls",
	[12] = "async_scans",
	[13] = "direct_scans",
	[14] = "async_reclaims",
	[15] = "direct_reclaims",
};

static unsigned long long age_ms(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)((now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000);
}

static void print_number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\": %llu, ", name, (unsigned long long)value);
}

char *virtio_balloon_json(const struct balloon_view *view)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputc('{', out);
	print_number(out, "target", view->target);
	print_number(out, "actual", view->actual);
	print_number(out, "inflated", view->inflated);
	print_number(out, "deflated", view->deflated);
	print_number(out, "reported", view->reported);
	fputs("\"guest\": ", out);
	if (view->guest.has) {
		fputc('{', out);
		for (unsigned int i = 0; i < BALLOON_TAGS; i++)
			if (view->guest.has & 1u << i)
				print_number(out, names[i], view->guest.values[i]);
		fprintf(out, "\"age_ms\": %llu}", age_ms(&view->guest.told));
	} else {
		fputs("null", out);
	}
	fputc('}', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
