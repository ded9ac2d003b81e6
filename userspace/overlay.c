// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sector is in the image or here, whole: nothing is read to be written.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "overlay.h"

#define WORD_BITS	64u
#define PAGE		4096u
#define PART_WORDS	(OVERLAY_PART / OVERLAY_SECTOR / WORD_BITS)

_Static_assert(PAGE / OVERLAY_SECTOR == 8, "a byte of the bits is a page");

static uint64_t bits_size(uint64_t size)
{
	return (size / OVERLAY_SECTOR + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
}

static uint64_t part_bits_size(uint64_t size)
{
	return (size / OVERLAY_PART / WORD_BITS + 1) * sizeof(uint64_t);
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
		*overlay = (struct overlay){ .size = size, .data = data, .written = written };
		return 0;
	}
	if (data != MAP_FAILED)
		munmap(data, size);
	return -error;
}

/* As far as it is there. */
static void unmap_mark(const struct overlay_mark *mark, uint64_t size)
{
	if (mark->data != MAP_FAILED)
		munmap(mark->data, size);
	if (mark->written != MAP_FAILED)
		munmap(mark->written, bits_size(size));
	if (mark->changed != MAP_FAILED)
		munmap(mark->changed, bits_size(size));
	if (mark->spare != MAP_FAILED)
		munmap(mark->spare, part_bits_size(size));
}

void overlay_destroy(struct overlay *overlay)
{
	if (!overlay->size)
		return;
	munmap(overlay->data, overlay->size);
	munmap(overlay->written, bits_size(overlay->size));
	if (overlay->mark.data)
		unmap_mark(&overlay->mark, overlay->size);
	*overlay = (struct overlay){ .size = 0 };
}

static bool is_written_at(const struct overlay *overlay, uint64_t sector)
{
	return overlay->written[sector / WORD_BITS] >> sector % WORD_BITS & 1;
}

/* ---- marks ---- */

int overlay_prepare_mark(struct overlay *overlay)
{
	uint64_t bits = bits_size(overlay->size);
	struct overlay_mark mark = { .first = 1 };
	int error;

	if (!overlay->size || overlay->mark.data)
		return 0;
	mark.data = map(overlay->size);
	mark.written = map(bits);
	mark.changed = map(bits);
	mark.spare = map(part_bits_size(overlay->size));
	error = errno;
	if (mark.data != MAP_FAILED && mark.written != MAP_FAILED && mark.changed != MAP_FAILED && mark.spare != MAP_FAILED) {
		overlay->mark = mark;
		return 0;
	}
	unmap_mark(&mark, overlay->size);
	return -error;
}

static void forget(struct overlay_mark *mark)
{
	/* What is zero stays untouched: it has no memory yet, and a disk may be large. */
	for (uint64_t word = mark->first; word <= mark->last; word++)
		if (mark->changed[word])
			mark->changed[word] = 0;
	mark->first = 1;
	mark->last = 0;
}

void overlay_mark(struct overlay *overlay)
{
	if (!overlay->size)
		return;
	forget(&overlay->mark);
	overlay->mark.is_set = true;
}

void overlay_forget_mark(struct overlay *overlay)
{
	if (overlay->mark.is_set)
		forget(&overlay->mark);
	overlay->mark.is_set = false;
}

/* The sector is about to be written: keep what it was, the first time. */
static void keep(struct overlay *overlay, uint64_t sector)
{
	struct overlay_mark *mark = &overlay->mark;
	uint64_t word = sector / WORD_BITS, bit = 1ULL << sector % WORD_BITS, at = sector * OVERLAY_SECTOR;

	if (mark->changed[word] & bit)
		return;
	mark->changed[word] |= bit;
	mark->written[word] = (mark->written[word] & ~bit) | (overlay->written[word] & bit);
	if (overlay->written[word] & bit)
		memcpy(mark->data + at, overlay->data + at, OVERLAY_SECTOR);
	if (mark->first > mark->last)
		mark->first = mark->last = word;
	else if (word < mark->first)
		mark->first = word;
	else if (word > mark->last)
		mark->last = word;
}

/* Sectors of @word of the bits are not written any more. */
static void note_spare(struct overlay_mark *mark, uint64_t word)
{
	uint64_t part = word / PART_WORDS, bit = 1ULL << part % WORD_BITS;

	mark->spare_count += !(mark->spare[part / WORD_BITS] & bit);
	mark->spare[part / WORD_BITS] |= bit;
}

/* Pages without a sector that is written. */
static void give_part_back(const struct overlay *overlay, uint64_t part)
{
	const uint8_t *written = (const uint8_t *)overlay->written;
	uint64_t page = part * (OVERLAY_PART / PAGE), end = page + OVERLAY_PART / PAGE, last = (overlay->size + PAGE - 1) / PAGE;

	end = end < last ? end : last;
	while (page < end) {
		uint64_t first = page;

		while (page < end && !written[page])
			page++;
		if (page > first)
			madvise(overlay->data + first * PAGE, (page - first) * PAGE, MADV_DONTNEED);
		page += page < end;
	}
}

static void give_back(struct overlay *overlay)
{
	struct overlay_mark *mark = &overlay->mark;

	for (uint64_t word = 0; mark->spare_count && word < part_bits_size(overlay->size) / sizeof(uint64_t); word++) {
		for (uint64_t left = mark->spare[word]; left; left &= left - 1, mark->spare_count--)
			give_part_back(overlay, word * WORD_BITS + (uint64_t)__builtin_ctzll(left));
		if (mark->spare[word])
			mark->spare[word] = 0;
	}
}

void overlay_return(struct overlay *overlay)
{
	struct overlay_mark *mark = &overlay->mark;

	for (uint64_t word = mark->first; mark->is_set && word <= mark->last; word++) {
		uint64_t changed = mark->changed[word];

		if (!changed)
			continue;
		overlay->written[word] = (overlay->written[word] & ~changed) | (mark->written[word] & changed);
		if (changed & ~mark->written[word])
			note_spare(mark, word);
		for (uint64_t left = changed & mark->written[word]; left; left &= left - 1) {
			uint64_t at = (word * WORD_BITS + (uint64_t)__builtin_ctzll(left)) * OVERLAY_SECTOR;

			memcpy(overlay->data + at, mark->data + at, OVERLAY_SECTOR);
		}
	}
	if (mark->is_set)
		forget(mark);
	if (mark->spare_count > OVERLAY_SPARE_MAX)
		give_back(overlay);
}

uint64_t overlay_write(struct overlay *overlay, const struct iovec *parts, unsigned int number, uint64_t at)
{
	uint64_t first = at / OVERLAY_SECTOR, start = at, end = at;

	for (unsigned int i = 0; i < number; i++)
		end += parts[i].iov_len;
	for (uint64_t sector = first; overlay->mark.is_set && sector < end / OVERLAY_SECTOR; sector++)
		keep(overlay, sector);
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
