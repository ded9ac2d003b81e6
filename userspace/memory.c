// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: ordinary anonymous memory of this process, huge pages of the host's pool, or a memfd that others can
 * map, so that huge pages, swap, KSM and cgroup limits apply by Linux's own means. Transparent huge pages are asked
 * for, unless pages shall be merged; core dumps leave it out.
 *
 * memory_at() is the only door from guest-physical to host addresses; every
 * device goes through it, and it never returns a pointer to less than asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "retry.h"

#define SMALL_PAGE	4096ULL
#define LARGE_PAGE	(2ULL << 20)
#define HUGE_PAGE	(1ULL << 30)

static void add_region(struct memory *memory, uint64_t base, uint64_t end)
{
	if (end > base)
		memory->regions[memory->count++] = (struct memory_region){ .base = base, .size = end - base };
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

void memory_layout(struct memory *memory, uint64_t size, uint64_t pluggable)
{
	*memory = (struct memory){ .size = size, .pluggable = pluggable, .low_end = size < MAP_GAP_START ? size : MAP_GAP_START };
	uint64_t high_end = MAP_GAP_END + (size - memory->low_end), base = round_up(high_end, HUGE_PAGE);

	add_region(memory, 0, MAP_VGA_START);
	add_region(memory, MAP_VGA_END, memory->low_end);
	add_region(memory, MAP_GAP_END, high_end);
	/* Kernels add memory in sections, which are smaller than that. */
	add_region(memory, base, base + pluggable);
}

/* Memory from 4 GB up follows what is below in the mapping, and behind that comes what can be plugged. */
static uint64_t offset_of(const struct memory *memory, unsigned int region)
{
	uint64_t base = memory->regions[region].base;

	if (memory->pluggable && region == memory->count - 1)
		return round_up(memory->size, MEMORY_BLOCK);
	return base < MAP_GAP_END ? base : base - MAP_GAP_END + memory->low_end;
}

int memory_create(struct memory *memory, uint64_t size, uint64_t pluggable)
{
	/* No more address space than the page sizes that fit can use. */
	uint64_t align = size < HUGE_PAGE ? LARGE_PAGE : HUGE_PAGE;
	uint64_t mapped = size + align;

	*memory = (struct memory){ .size = size };
	if (mapped < size || mapped > SIZE_MAX)
		return -ENOMEM;
	if (pluggable && (__builtin_add_overflow(mapped, MEMORY_BLOCK, &mapped) || __builtin_add_overflow(mapped, pluggable, &mapped)))
		return -ENOMEM;
	void *mapping = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	memory_layout(memory, size, pluggable);
	memory->mapping = mapping;
	memory->mapping_size = mapped;

	/* Advice: a host without these still runs the guest. */
	madvise(mapping, mapped, MADV_HUGEPAGE);
	madvise(mapping, mapped, MADV_DONTDUMP);

	uint8_t *host = (uint8_t *)(((uintptr_t)mapping + align - 1) & ~(align - 1));

	for (unsigned int i = 0; i < memory->count; i++)
		memory->regions[i].host = host + offset_of(memory, i);
	if (!pluggable)
		return 0;
	memory->plugged = calloc((pluggable / MEMORY_BLOCK + 63) / 64, sizeof(uint64_t));
	return memory->plugged ? 0 : -ENOMEM;
}

uint64_t memory_end(const struct memory *memory)
{
	const struct memory_region *last = &memory->regions[memory->count - 1];

	return last->base + last->size;
}

bool memory_is_plugged(const struct memory *memory, uint64_t gpa)
{
	const struct memory_region *last = &memory->regions[memory->count - 1];
	uint64_t block = (gpa - last->base) / MEMORY_BLOCK;

	if (!memory->pluggable || gpa < last->base)
		return true;
	return __atomic_load_n(&memory->plugged[block / 64], __ATOMIC_RELAXED) >> block % 64 & 1;
}

void memory_plug(const struct memory *memory, uint64_t block, bool is_plugged)
{
	uint64_t *word = &memory->plugged[block / 64], bit = 1ULL << block % 64;

	if (is_plugged)
		__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

/* Of huge pages there are whole ones alone: what was mapped to find a place for them goes. */
static void trim(struct memory *memory)
{
	uint8_t *first = memory->regions[0].host, *start = memory->mapping;
	uint64_t head = (uint64_t)(first - start), tail = memory->mapping_size - head - memory->size;

	if (head)
		munmap(start, head);
	if (tail)
		munmap(first + memory->size, tail);
	memory->mapping = first;
	memory->mapping_size = memory->size;
}

/* Huge pages are set aside here, all of them: a guest that touches them cannot fail. */
static bool map_over(struct memory *memory, int flags, int fd)
{
	int reserve = memory->backing & MEMORY_HUGETLB ? 0 : MAP_NORESERVE;

	return mmap(memory->mapping, memory->mapping_size, PROT_READ | PROT_WRITE, flags | reserve | MAP_FIXED, fd, 0) != MAP_FAILED;
}

static int share(struct memory *memory)
{
	unsigned int huge = memory->backing & MEMORY_HUGETLB ? MFD_HUGETLB | MAP_HUGE_2MB : 0;
	int fd = memfd_create("keel", MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);

	if (fd < 0)
		return -errno;
	memory->shared = fd;
	memory->is_shared = true;
	/* Nobody may cut it short under us. */
	if (ftruncate(fd, (off_t)memory->mapping_size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
	    !map_over(memory, MAP_SHARED, fd))
		return -errno;
	return 0;
}

int memory_back(struct memory *memory, unsigned int backing)
{
	bool is_huge = backing & MEMORY_HUGETLB;
	int ret = 0;

	memory->backing = backing;
	if (is_huge && memory->size % LARGE_PAGE)
		return -EINVAL;
	if (is_huge)
		trim(memory);
	if (backing & MEMORY_SHARED)
		ret = share(memory);
	else if (is_huge && !map_over(memory, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1))
		ret = -errno;
	if (ret)
		return ret;
	madvise(memory->mapping, memory->mapping_size, MADV_DONTDUMP);
	if (backing & MEMORY_MERGE) {
		/* Those that are alike are small. */
		madvise(memory->mapping, memory->mapping_size, MADV_NOHUGEPAGE);
		return madvise(memory->mapping, memory->mapping_size, MADV_MERGEABLE) ? -errno : 0;
	}
	if (!is_huge && madvise(memory->mapping, memory->mapping_size, MADV_HUGEPAGE) && backing & MEMORY_THP)
		return -errno;
	return 0;
}

int memory_give_back(const struct memory *memory, uint64_t gpa, uint64_t len)
{
	void *host = memory_at(memory, gpa, len);

	if (!host || (gpa | len) & (SMALL_PAGE - 1) || (gpa < MAP_ACPI + MAP_ACPI_MAX && gpa + len > MAP_ACPI))
		return -ERANGE;
	/* What comes afterwards would be there again. */
	if (memory->require && !memory->require(memory->require_argument, host, len))
		return -EIO;
	memory_note(memory, host, len);
	return madvise(host, len, memory->is_shared ? MADV_REMOVE : MADV_DONTNEED) ? -errno : 0;
}

uint64_t memory_pages(const struct memory *memory)
{
	const struct memory_region *last = &memory->regions[memory->count - 1];

	return (uint64_t)(last->host + last->size - memory->regions[0].host) / SMALL_PAGE;
}

void memory_note(const struct memory *memory, const void *host, uint64_t len)
{
	if (!memory->written || !len)
		return;

	uint64_t at = (uint64_t)((const uint8_t *)host - memory->regions[0].host);
	uint64_t first = at / SMALL_PAGE, last = (at + len - 1) / SMALL_PAGE;

	/* 64 pages at once: a guest may name many, again and again */
	for (uint64_t i = first / 64; i <= last / 64; i++) {
		uint64_t bits = ~0ULL, *word = &memory->written[i];

		if (i == first / 64)
			bits &= ~0ULL << first % 64;
		if (i == last / 64)
			bits &= ~0ULL >> (63 - last % 64);
		if (bits & ~__atomic_load_n(word, __ATOMIC_RELAXED))
			__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
	}
}

int memory_map(const struct memory *memory, unsigned int index, int vm, uint32_t flags)
{
	const struct memory_region *region = &memory->regions[index];
	struct kvm_userspace_memory_region slot = {
		.slot = index,
		.flags = flags,
		.guest_phys_addr = region->base,
		.memory_size = region->size,
		.userspace_addr = (uintptr_t)region->host,
	};

	return retry_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ? -errno : 0;
}

void memory_destroy(struct memory *memory)
{
	if (memory->is_shared)
		close(memory->shared);
	if (memory->mapping)
		munmap(memory->mapping, memory->mapping_size);
	free(memory->written);
	free(memory->plugged);
	*memory = (struct memory){ 0 };
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = memory->count; i-- > 0;) {
		const struct memory_region *region = &memory->regions[i];

		if (gpa < region->base)
			continue;
		uint64_t offset = gpa - region->base;

		if (!len || offset >= region->size || len > region->size - offset)
			return NULL;
		return region->host + offset;
	}
	return NULL;
}

uint64_t memory_address(const struct memory *memory, const void *host)
{
	const uint8_t *at = host;
	unsigned int i = memory->count - 1;

	/* In the order of their addresses in both spaces. */
	while (i && at < memory->regions[i].host)
		i--;
	return memory->regions[i].base + (uint64_t)(at - memory->regions[i].host);
}
