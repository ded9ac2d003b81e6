// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model as CPUID's leaves. A level's are built from nothing, so that what is not named here cannot differ between hosts; but
 * for what the CPU itself fixes, which state_cpu.c compares: where components are in an XSAVE area.
 *
 * The family is 15, as of QEMU's kvm64: Linux goes by family and vendor, and by no family alone that is above 4.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_model.h"
#include "memory.h"
#include "util.h"

#define SIGNATURE_NEUTRAL	0x00000f61u	/* family 15, model 6, stepping 1 */
#define LINE_OF_64_BYTES	(8u << 8)	/* leaf 1, EBX: what CLFLUSH flushes */
#define LEAF6_APIC_TIMER	(1u << 2)	/* never stops */
#define LINEAR_BITS		48u
#define CMP_LEGACY		(1u << 1)	/* several CPUs are cores, not threads */
#define MAX_BASIC		0xdu
#define MAX_EXTENDED		0x80000008u
#define MORE_EXTENDED		0x80000021u	/* of which no level has a feature, but one can be added */
#define XSAVE_LEGACY		576u
#define COMPONENTS		63u
#define CACHE_ENTRIES		12u
#define LEVEL_ENTRIES		(20 + COMPONENTS + CACHE_ENTRIES)	/* at most */

/* All that Keel's module does for guests; a kernel that does more is no other host. */
static const char paravirtual[] =
	"kvmclock,kvm_nopiodelay,kvmclock2,kvm_steal_time,kvm_pv_eoi,kvm_pv_unhalt,kvm_pv_tlb_flush,kvm_pv_ipi,kvm_pv_sched_yield,"
	"kvmclock_stable_bit";

/* Room for @count entries, none of them used. */
static struct kvm_cpuid2 *new_table(uint32_t count)
{
	return calloc(1, sizeof(struct kvm_cpuid2) + count * sizeof(struct kvm_cpuid_entry2));
}

static struct kvm_cpuid_entry2 *add(struct kvm_cpuid2 *table, uint32_t function)
{
	struct kvm_cpuid_entry2 *entry = &table->entries[table->nent++];

	entry->function = function;
	return entry;
}

static struct kvm_cpuid_entry2 *add_indexed(struct kvm_cpuid2 *table, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *entry = add(table, function);

	entry->index = index;
	entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return entry;
}

/* EBX, EDX, ECX, as a vendor's name is. */
static void put_vendor(struct kvm_cpuid_entry2 *entry, const char name[12])
{
	memcpy(&entry->ebx, name, 4);
	memcpy(&entry->edx, name + 4, 4);
	memcpy(&entry->ecx, name + 8, 4);
}

/* Who the CPU is; of the host's the caches, too, whose leaves differ between the vendors. */
static void add_identity(struct kvm_cpuid2 *table, const struct cpu_model *model, const struct kvm_cpuid2 *supported)
{
	struct kvm_cpuid_entry2 *vendor = add(table, 0), *signature = add(table, 1);
	const struct kvm_cpuid_entry2 *host;

	vendor->eax = MAX_BASIC;
	put_vendor(vendor, CPU_VENDOR_NEUTRAL);
	signature->eax = SIGNATURE_NEUTRAL;
	signature->ebx = LINE_OF_64_BYTES;
	if (!model->has_host_vendor)
		return;
	host = cpuid_find(supported->entries, supported->nent, 0, 0);
	if (host) {
		*vendor = *host;
		vendor->eax = MAX_BASIC;
	}
	host = cpuid_find(supported->entries, supported->nent, 1, 0);
	if (host)
		signature->eax = host->eax;
}

static void add_name(struct kvm_cpuid2 *table, const char *name)
{
	union {
		char text[48];
		uint32_t words[12];
	} brand = { { 0 } };

	snprintf(brand.text, sizeof(brand.text), "Keel %s", name);
	for (unsigned int i = 0; i < 3; i++) {
		struct kvm_cpuid_entry2 *entry = add(table, 0x80000002 + i);

		entry->eax = brand.words[4 * i];
		entry->ebx = brand.words[4 * i + 1];
		entry->ecx = brand.words[4 * i + 2];
		entry->edx = brand.words[4 * i + 3];
	}
}

static void add_paravirtual(struct kvm_cpuid2 *table, const struct cpu_model *model, const struct kvm_cpuid2 *supported,
			    struct cpu_features *set)
{
	struct cpu_features kernels = { { 0 } }, others, host = cpu_features_read(supported->entries, supported->nent);
	const struct kvm_cpuid_entry2 *signature = cpuid_find(supported->entries, supported->nent, 0x40000000, 0);

	cpu_features_add_list(&kernels, paravirtual);
	others = cpu_features_lacks(&kernels, &host);
	kernels = cpu_features_lacks(&kernels, &others);
	kernels = cpu_features_lacks(&kernels, &model->removed);
	cpu_features_join(set, &kernels);
	if (!signature)
		return;
	*add(table, 0x40000000) = *signature;
	add(table, 0x40000001);
}

/* Where memory ends, with what can be plugged. */
static unsigned int address_bits_for(const struct cpu_board *board)
{
	unsigned int bits = 32;
	struct memory memory;

	memory_layout(&memory, board->memory, board->pluggable);
	while (bits < 52 && memory_end(&memory) > 1ULL << bits)
		bits++;
	return bits;
}

/* The extent of the components of @mask in the standard format, as the host has them. */
static uint32_t xsave_size(const struct kvm_cpuid2 *supported, uint64_t mask)
{
	uint32_t size = XSAVE_LEGACY;

	for (unsigned int i = 2; i < COMPONENTS; i++) {
		const struct kvm_cpuid_entry2 *part = cpuid_find(supported->entries, supported->nent, 0xd, i);

		if (mask >> i & 1 && part && part->ebx + part->eax > size)
			size = part->ebx + part->eax;
	}
	return size;
}

static void set_xsave(struct kvm_cpuid_entry2 *entry, const struct kvm_cpuid2 *supported, uint64_t xcr0)
{
	entry->eax = (uint32_t)xcr0;
	entry->edx = (uint32_t)(xcr0 >> 32);
	entry->ebx = entry->ecx = xsave_size(supported, xcr0);	/* EBX follows XCR0 later on */
}

static void add_xsave(struct kvm_cpuid2 *table, const struct kvm_cpuid2 *supported, const struct cpu_features *set)
{
	uint64_t known, xcr0 = cpu_features_xcr0(set, &known);

	if (!xcr0)
		return;
	set_xsave(add_indexed(table, 0xd, 0), supported, xcr0);
	add_indexed(table, 0xd, 1);
	for (unsigned int i = 2; i < COMPONENTS; i++) {
		const struct kvm_cpuid_entry2 *part = cpuid_find(supported->entries, supported->nent, 0xd, i);

		if (xcr0 >> i & 1 && part)
			*add(table, 0xd) = *part;
	}
}

static void add_leaf_7(struct kvm_cpuid2 *table, const struct cpu_features *set)
{
	uint32_t last = cpu_features_use(set, 7, 2) ? 2 : cpu_features_use(set, 7, 1) ? 1 : 0;

	for (uint32_t i = 0; i <= last; i++)
		add_indexed(table, 7, i)->eax = i ? 0 : last;
}

static void add_caches(struct kvm_cpuid2 *table, const struct kvm_cpuid2 *supported)
{
	static const uint32_t leaves[] = { 2, 4, 0x80000005, 0x80000006 };
	unsigned int left = CACHE_ENTRIES;

	for (uint32_t i = 0; i < supported->nent; i++)
		for (size_t j = 0; j < ARRAY_SIZE(leaves); j++)
			if (supported->entries[i].function == leaves[j] && left && left--)
				table->entries[table->nent++] = supported->entries[i];
}

static struct kvm_cpuid2 *level_cpuid(const struct cpu_model *model, const struct kvm_cpuid2 *supported,
				      const struct cpu_board *board, struct cpu_features *set)
{
	struct kvm_cpuid2 *table = new_table(LEVEL_ENTRIES);
	unsigned int bits = address_bits_for(board);
	bool has_more;

	if (!table)
		return NULL;
	add_identity(table, model, supported);
	add(table, 6)->eax = LEAF6_APIC_TIMER;
	add_leaf_7(table, set);
	add_indexed(table, 0xb, 0);
	add_indexed(table, 0xb, 1);
	add_xsave(table, supported, set);
	add_paravirtual(table, model, supported, set);
	has_more = cpu_features_use(set, MORE_EXTENDED, 0);
	add(table, 0x80000000)->eax = has_more ? MORE_EXTENDED : MAX_EXTENDED;
	add(table, 0x80000001)->ecx = board->cpus > 1 && !model->has_host_vendor ? CMP_LEGACY : 0;
	add_name(table, cpu_model_name(model->level));
	add(table, 0x80000007);
	if (bits < cpu_model_address_bits(model->level))
		bits = cpu_model_address_bits(model->level);
	add(table, 0x80000008)->eax = bits | LINEAR_BITS << 8;
	if (has_more)
		add(table, MORE_EXTENDED);
	if (model->has_host_vendor)
		add_caches(table, supported);
	return table;
}

/* What the host has, but for components of XSAVE that belong to no feature that is left. */
static void narrow_xsave(struct kvm_cpuid2 *table, const struct kvm_cpuid2 *supported, const struct cpu_features *set)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(table->entries, table->nent, 0xd, 0);
	struct kvm_cpuid_entry2 *more = cpuid_find(table->entries, table->nent, 0xd, 1);
	uint64_t known, wanted = cpu_features_xcr0(set, &known), xcr0;

	if (!entry)
		return;
	xcr0 = (entry->eax | (uint64_t)entry->edx << 32) & (wanted ? wanted | ~known : 0);
	set_xsave(entry, supported, xcr0);
	if (!xcr0)
		entry->ebx = entry->ecx = 0;
	if (more && !cpu_features_has(set, "xsaves"))
		more->ecx = more->edx = 0;
	for (unsigned int i = 2; i < COMPONENTS; i++) {
		entry = cpuid_find(table->entries, table->nent, 0xd, i);
		if (entry && !((xcr0 | (more ? more->ecx : 0)) >> i & 1))
			entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
	}
}

static struct kvm_cpuid2 *host_cpuid(const struct cpu_model *model, const struct kvm_cpuid2 *supported, const struct cpu_features *set)
{
	size_t size = sizeof(*supported) + supported->nent * sizeof(supported->entries[0]);
	struct kvm_cpuid2 *table = new_table(supported->nent);

	if (table)
		memcpy(table, supported, size);
	if (table && !cpu_features_is_empty(&model->removed))
		narrow_xsave(table, supported, set);
	return table;
}

static bool check_addresses(const struct kvm_cpuid2 *table, const struct kvm_cpuid2 *supported, char *why, size_t size)
{
	const struct kvm_cpuid_entry2 *wanted = cpuid_find(table->entries, table->nent, 0x80000008, 0);
	const struct kvm_cpuid_entry2 *host = cpuid_find(supported->entries, supported->nent, 0x80000008, 0);

	if (!wanted || !host || (wanted->eax & 0xff) <= (host->eax & 0xff))
		return true;
	snprintf(why, size, "this host has physical addresses of %u bits, and the model with so much memory of %u", host->eax & 0xff,
		 wanted->eax & 0xff);
	return false;
}

struct kvm_cpuid2 *cpu_model_cpuid(const struct cpu_model *model, const struct kvm_cpuid2 *supported,
				   const struct cpu_board *board, char *why, size_t size)
{
	const struct cpu_features host = cpu_features_read(supported->entries, supported->nent);
	struct cpu_features set = cpu_model_features(model, &host), lacks = cpu_features_lacks(&set, &host);
	struct kvm_cpuid2 *table;

	if (!cpu_features_is_empty(&lacks)) {
		char list[CPU_MODEL_LACKS_MAX];

		cpu_features_list(&lacks, list, sizeof(list));
		snprintf(why, size, "this host lacks %s", list);
		return NULL;
	}
	if (!cpu_model_check(model, &set, why, size))
		return NULL;
	table = model->level ? level_cpuid(model, supported, board, &set) : host_cpuid(model, supported, &set);
	if (!table) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	cpu_features_write(&set, table->entries, table->nent);
	if (check_addresses(table, supported, why, size))
		return table;
	free(table);
	return NULL;
}
