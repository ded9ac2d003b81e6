// SPDX-License-Identifier: GPL-2.0-only
/*
 * May a saved vCPU run here? What its guest was told it uses, and it asks once: at boot.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "cpu_feature.h"
#include "state_format.h"
#include "state_vcpu.h"

#define LIST_MAX	150	/* bytes of names: the line goes to the other side, too */
#define COMPONENTS	63u
#define MSR_ARCH_CAPABILITIES	0x10a

static const struct kvm_cpuid_entry2 *leaf_of(const struct state_vcpu *state, uint32_t function, uint32_t index)
{
	return cpuid_find(state->cpuid, state->cpuid_count, function, index);
}

static const struct kvm_cpuid_entry2 *leaf_here(const struct kvm_cpuid2 *supported, uint32_t function, uint32_t index)
{
	return cpuid_find(supported->entries, supported->nent, function, index);
}

/* ---- vendors ---- */

enum kin { KIN_OTHER, KIN_INTEL, KIN_AMD };

static enum kin kin_of(const char name[13])
{
	if (!strcmp(name, "GenuineIntel"))
		return KIN_INTEL;
	return !strcmp(name, "AuthenticAMD") || !strcmp(name, "HygonGenuine") ? KIN_AMD : KIN_OTHER;
}

static void vendor_of(const struct kvm_cpuid_entry2 *entry, char name[13])
{
	memcpy(name, &entry->ebx, 4);
	memcpy(name + 4, &entry->edx, 4);
	memcpy(name + 8, &entry->ecx, 4);
	name[12] = 0;
}

/* By the name a kernel has chosen how its programs call it, and which faults of the CPU it guards against. */
static bool check_vendor(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, struct state_error *error)
{
	const struct kvm_cpuid_entry2 *saved = leaf_of(state, 0, 0), *here = leaf_here(supported, 0, 0);
	char told[13], is[13];

	if (!saved || !here)
		return true;
	vendor_of(saved, told);
	vendor_of(here, is);
	if (kin_of(told) == KIN_OTHER || kin_of(is) == KIN_OTHER || kin_of(told) == kin_of(is))
		return true;
	return state_refuse(error, "this host's vendor is %s, and the guest has been told of %s: it needs a --cpu-model that both have",
			    is, told);
}

/* ---- features ---- */

static bool check_features(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, struct state_error *error)
{
	const struct cpu_features told = cpu_features_read(state->cpuid, state->cpuid_count);
	const struct cpu_features here = cpu_features_read(supported->entries, supported->nent);
	const struct cpu_features lacks = cpu_features_lacks(&told, &here);
	char list[LIST_MAX];

	if (cpu_features_is_empty(&lacks))
		return true;
	cpu_features_list(&lacks, list, sizeof(list));
	return state_refuse(error, "this host lacks features that the guest has been told of: %s", list);
}

/*
 * What the CPU is free of, or does at a barrier, by bits of IA32_ARCH_CAPABILITIES. What tells of a weakness (RSBA, RRSBA) is no
 * loss.
 */
static const struct {
	unsigned int bit;
	const char *name;
} capabilities[] = {
	{ 0, "rdcl_no" }, { 1, "ibrs_all" }, { 3, "skip_l1dfl_vmentry" }, { 4, "ssb_no" }, { 5, "mds_no" }, { 6, "pschange_mc_no" },
	{ 7, "tsx_ctrl" }, { 8, "taa_no" }, { 13, "sbdr_ssdp_no" }, { 14, "fbsdp_no" }, { 15, "psdp_no" }, { 17, "fb_clear" },
	{ 20, "bhi_no" }, { 24, "pbrsb_no" }, { 26, "gds_no" }, { 27, "rfds_no" }, { 28, "rfds_clear" }, { 62, "its_no" },
};

static bool check_capabilities(const struct state_vcpu *state, uint64_t here, struct state_error *error)
{
	const struct cpu_features told = cpu_features_read(state->cpuid, state->cpuid_count);
	uint64_t lacks = 0;
	char list[LIST_MAX] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < state->msr_count && cpu_features_has(&told, "arch_capabilities"); i++)
		if (state->msrs[i].index == MSR_ARCH_CAPABILITIES)
			lacks = state->msrs[i].value & ~here;
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (lacks >> capabilities[i].bit & 1 && used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", capabilities[i].name);
	return !used || state_refuse(error, "this host's CPU has not what IA32_ARCH_CAPABILITIES has told the guest: %s", list);
}

/* ---- sizes ---- */

/* A page table entry with more would be one with reserved bits to the CPU. */
static bool check_address_bits(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, struct state_error *error)
{
	const struct kvm_cpuid_entry2 *saved = leaf_of(state, 0x80000008, 0), *here = leaf_here(supported, 0x80000008, 0);

	if (!saved || !here || (saved->eax & 0xff) <= (here->eax & 0xff))
		return true;
	return state_refuse(error, "this host has physical addresses of %u bits, and the guest has been told of %u",
			    here->eax & 0xff, saved->eax & 0xff);
}

/* The guest has areas of this layout in its memory, and Intel's and AMD's CPUs have more than one. */
static bool check_xsave(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, struct state_error *error)
{
	const struct kvm_cpuid_entry2 *mask = leaf_of(state, 0xd, 0), *more = leaf_of(state, 0xd, 1);
	uint64_t used = mask ? mask->eax | (uint64_t)mask->edx << 32 : 0;
	static const struct kvm_cpuid_entry2 none;

	if (more)
		used |= more->ecx;
	for (unsigned int i = 2; i < COMPONENTS; i++) {
		const struct kvm_cpuid_entry2 *saved = used >> i & 1 ? leaf_of(state, 0xd, i) : NULL;
		const struct kvm_cpuid_entry2 *here = leaf_here(supported, 0xd, i);

		if (!saved || !saved->eax)
			continue;
		here = here ? here : &none;
		if (saved->eax != here->eax || saved->ebx != here->ebx || saved->ecx != here->ecx)
			return state_refuse(error, "this host's XSAVE area has %u bytes at %u for component %u, and the guest has been told of "
					    "%u at %u", here->eax, here->ebx, i, saved->eax, saved->ebx);
	}
	return true;
}

bool state_cpu_check(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, uint64_t arch_capabilities,
		     struct state_error *error)
{
	return check_vendor(state, supported, error) && check_features(state, supported, error) &&
	       check_capabilities(state, arch_capabilities, error) && check_address_bits(state, supported, error) &&
	       check_xsave(state, supported, error);
}
