// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of what cpu_model.c has chosen, that is rewritten which depends on the
 * machine's shape: APIC identifiers, processor counts, cache sharing. Leaf
 * layouts: Intel SDM, "CPUID - CPU
 * Identification"; AMD APM volume 3, "Obtaining Processor Information Via the
 * CPUID Instruction".
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu_feature.h"
#include "cpuid.h"
#include "vm.h"

#define ENTRIES_FIRST	64u
#define ENTRIES_MAX	4096u

#define LEAF1_ECX_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_MTRR		(1u << 12)
#define LEAF1_EDX_HTT		(1u << 28)

#define MSR_ARCH_CAPABILITIES	0x10a

#define LEVEL_THREAD	1u
#define LEVEL_CORE	2u

struct kvm_cpuid2 *cpuid_get_supported(const struct vm *vm)
{
	for (uint32_t count = ENTRIES_FIRST; count <= ENTRIES_MAX; count *= 2) {
		struct kvm_cpuid2 *table =
			calloc(1, sizeof(*table) + count * sizeof(table->entries[0]));

		if (!table)
			return NULL;
		table->nent = count;
		if (!ioctl(vm->node, KVM_GET_SUPPORTED_CPUID, table))
			return table;

		int error = errno;

		free(table);
		errno = error;
		if (error != E2BIG)
			return NULL;
	}
	return NULL;
}

/* Bits an identifier below @count takes. */
static unsigned int id_bits(unsigned int count)
{
	unsigned int bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

static void set_field(uint32_t *reg, unsigned int shift, unsigned int width, uint32_t value)
{
	uint32_t mask = ((1u << width) - 1) << shift;

	*reg = (*reg & ~mask) | (value << shift & mask);
}

static void set_leaf_1(struct kvm_cpuid_entry2 *entry, unsigned int index, unsigned int count)
{
	set_field(&entry->ebx, 24, 8, index);
	uint32_t ids = 1u << id_bits(count);

	/* The field ends at 255. */
	set_field(&entry->ebx, 16, 8, ids > 255 ? 255 : ids);
	entry->ecx |= LEAF1_ECX_HYPERVISOR;
	if (count > 1)
		entry->edx |= LEAF1_EDX_HTT;
	else
		entry->edx &= ~LEAF1_EDX_HTT;
}

/* Leaves 4 and 0x8000001d: a cache; bits 7:5 hold its level. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *entry, unsigned int count)
{
	uint32_t level = entry->eax >> 5 & 7;

	set_field(&entry->eax, 14, 12, level >= 3 ? (1u << id_bits(count)) - 1 : 0);
	if (entry->function == 4)
		set_field(&entry->eax, 26, 6, (1u << id_bits(count)) - 1);
}

/* Leaves 0xb and 0x1f: subleaf 0 the threads of a core, 1 the cores. */
static void set_levels(struct kvm_cpuid_entry2 *entry, unsigned int index, unsigned int count)
{
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = entry->index & 0xff;
	entry->edx = index;
	if (entry->index == 0) {
		entry->ebx = 1;
		entry->ecx |= LEVEL_THREAD << 8;
	} else if (entry->index == 1) {
		entry->eax = id_bits(count);
		entry->ebx = count;
		entry->ecx |= LEVEL_CORE << 8;
	}
}

static void set_amd_size(struct kvm_cpuid_entry2 *entry, unsigned int count)
{
	set_field(&entry->ecx, 0, 8, count - 1);
	set_field(&entry->ecx, 12, 4, id_bits(count));
}

static void set_amd_identifiers(struct kvm_cpuid_entry2 *entry, unsigned int index)
{
	entry->eax = index;
	entry->ebx = index & 0xff;	/* core number; one thread in it */
	entry->ecx = 0;			/* node 0 of one */
}

void cpuid_set_topology(struct kvm_cpuid2 *table, unsigned int index, unsigned int count)
{
	for (uint32_t i = 0; i < table->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];

		switch (entry->function) {
		case 1:
			set_leaf_1(entry, index, count);
			break;
		case 4:
		case 0x8000001d:
			if (entry->eax & 0x1f)
				set_cache_sharing(entry, count);
			break;
		case 0xb:
		case 0x1f:
			set_levels(entry, index, count);
			break;
		case 0x80000008:
			set_amd_size(entry, count);
			break;
		case 0x8000001e:
			set_amd_identifiers(entry, index);
			break;
		default:
			break;
		}
	}
}

static struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *table, uint32_t function)
{
	return cpuid_find(table->entries, table->nent, function, 0);
}

void cpuid_set_deadline_timer(struct kvm_cpuid2 *table)
{
	struct kvm_cpuid_entry2 *entry = find(table, 1);

	if (entry)
		entry->ecx |= LEAF1_ECX_DEADLINE;
}

bool cpuid_has_mtrr(const struct kvm_cpuid2 *table)
{
	const struct kvm_cpuid_entry2 *entry = find(table, 1);

	return entry && entry->edx & LEAF1_EDX_MTRR;
}

unsigned int cpuid_address_bits(const struct vm *vm)
{
	struct kvm_cpuid2 *table = cpuid_get_supported(vm);
	const struct kvm_cpuid_entry2 *entry = table ? find(table, 0x80000008) : NULL;
	unsigned int bits = entry ? entry->eax & 0xff : 0;

	free(table);
	return bits;
}

uint64_t cpuid_arch_capabilities(const struct vm *vm)
{
	/* The head ends in a flexible array: room for its one entry follows. */
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .head.nmsrs = 1 };

	msrs.head.entries[0].index = MSR_ARCH_CAPABILITIES;
	return ioctl(vm->node, KVM_GET_MSRS, &msrs) == 1 ? msrs.head.entries[0].data : 0;
}
