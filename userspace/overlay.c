// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sector is in the image or here, whole: nothing is read to be written.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "overlay.h"

#define WORD_BITS	64u

static uint64_t bits_size(uint64_t size)
{
	return (size / OVERLAY_SECTOR + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
}

static void *map(uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at != MAP_FAILED)
		madvise(at, size, MADV_DONTDUMP);
	return at;
}

int overlay_create(struct overlay *overlay, uint64_t size)
{
	void *data = map(size), *written = data == MAP_FAILED ? MAP_FAILED : map(bits_size(size));
	int error = errno;

	*overlay = (struct overlay){ .size = 0 };
	if (written != MAP_FAILED) {
		*overlay = (struct overlay){ size, data, written };
		return 0;
	}
	if (data != MAP_FAILED)
		munmap(data, size);
	return -error;
}

void overlay_destroy(struct overlay *overlay)
{
	if (!overlay->size)
		return;
	munmap(overlay->data, overlay->size);
	munmap(overlay->written, bits_size(overlay->size));
	*overlay = (struct overlay){ .size = 0 };
}

static bool is_written_at(const struct overlay *overlay, uint64_t sector)
{
	return overlay->written[sector / WORD_BITS] >> sector % WORD_BITS & 1;
}

uint64_t overlay_write(struct overlay *overlay, const struct iovec *parts, unsigned int number, uint64_t at)
{
	uint64_t first = at / OVERLAY_SECTOR, start = at;

	for (unsigned int i = 0; i < number; i++) {
		memcpy(overlay->data + at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	for (uint64_t sector = first; sector < at / OVERLAY_SECTOR; sector++)
		overlay->written[sector / WORD_BITS] |= 1ULL << sector % WORD_BITS;
	return at - start;
}

uint64_t overlay_run(const struct overlay *overlay, uint64_t at, uint64_t count, bool *is_written)
{
	uint64_t sector = at / OVERLAY_SECTOR, end = sector + count / OVERLAY_SECTOR;

	*is_written = is_written_at(overlay, sector);
	do
		sector++;
	while (sector < end && is_written_at(overlay, sector) == *is_written);
	return sector * OVERLAY_SECTOR - at;
}

void overlay_read(const struct overlay *overlay, const struct iovec *parts, uint64_t at, uint64_t count)
{
	for (unsigned int i = 0; count; i++) {
		uint64_t part = parts[i].iov_len < count ? parts[i].iov_len : count;

		memcpy(parts[i].iov_base, overlay->data + at, part);
		at += part;
		count -= part;
	}
}
