// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what a running guest is answered, and the exit by which it asks.
 *
 * The launcher's leaves are kept in its order; the guest's CPUID is a look-up.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "cpuid.h"

#define LEAVES_INDEXED	48

static bool entry_matches(const struct kvm_cpuid_entry2 *e, u32 function, u32 index)
{
	return e->function == function && (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
}

void cpuid_index_entries(struct vcpu_cpuid *cpuid)
{
	int i;

	cpuid->last = NULL;
	memset(cpuid->first, 0, sizeof(cpuid->first));
	for (i = min(cpuid->nent, 255) - 1; i >= 0; i--) {
		u32 function = cpuid->entries[i].function;
		u32 class = function >> 30, leaf = function & GENMASK(29, 0);

		if (class < ARRAY_SIZE(cpuid->first) && leaf < LEAVES_INDEXED)
			cpuid->first[class][leaf] = i + 1;
	}
}

/**
 * keel_cpuid_find() - the launcher's entry for a leaf
 * @vcpu: whose
 * @function: EAX
 * @index: ECX, ignored for leaves that have no index
 *
 * Return: the entry, NULL if there is none. Interrupts may be off.
 */
struct kvm_cpuid_entry2 *keel_cpuid_find(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	u32 class = function >> 30, leaf = function & GENMASK(29, 0);
	int i = 0;

	if (likely(class < ARRAY_SIZE(cpuid->first) && leaf < LEAVES_INDEXED)) {
		/* a class too many is still in the same struct, with what the launcher has set */
		i = cpuid->first[class][array_index_nospec(leaf, LEAVES_INDEXED)];
		if (i)
			i--;
		else if (cpuid->nent < 255)
			return NULL;
	}
	for (; i < cpuid->nent; i++)
		if (entry_matches(&cpuid->entries[i], function, index))
			return &cpuid->entries[i];
	return NULL;
}

/*
 * Beyond the highest leaf of its class AMD answers with zeros, Intel with its highest basic leaf ("CPUID - CPU Identification").
 */
static const struct kvm_cpuid_entry2 *beyond(struct vcpu *vcpu, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *basic = keel_cpuid_find(vcpu, 0, 0);
	struct kvm_cpuid_entry2 *class;

	if (!basic || (vcpu->cpuid.flags & GUEST_IS_AMD))
		return NULL;
	if (function >= KVM_CPUID_SIGNATURE && function <= 0x4fffffff)
		class = keel_cpuid_find(vcpu, function & 0xffffff00, 0);
	else if (function >= 0xc0000000)
		class = keel_cpuid_find(vcpu, 0xc0000000, 0);
	else
		class = keel_cpuid_find(vcpu, function & 0x80000000, 0);
	if (class && function <= class->eax)
		return NULL;
	return keel_cpuid_find(vcpu, basic->eax, index);
}

/* Topology leaves past their last index still name the APIC id and echo the index. */
static struct kvm_cpuid_entry2 beyond_topology(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *first = NULL;

	if (function == 0xb || function == 0x1f)
		first = keel_cpuid_find(vcpu, function, 1);
	return first ? (struct kvm_cpuid_entry2){ .ecx = index & 0xff, .edx = first->edx } : (struct kvm_cpuid_entry2){ };
}

/**
 * keel_cpuid_query() - answer the guest's CPUID
 * @vcpu: whose
 * @function: its EAX
 * @index: its ECX
 *
 * Interrupts may be off. Return: the registers.
 */
struct kvm_cpuid_entry2 keel_cpuid_query(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, function, index);

	if (unlikely(!e))
		e = beyond(vcpu, function, index);
	return likely(e) ? *e : beyond_topology(vcpu, function, index);
}

static __always_inline void set_cpuid(u64 *gpr, const struct kvm_cpuid_entry2 *e)
{
	gpr[GPR_RAX] = e->eax;
	gpr[GPR_RBX] = e->ebx;
	gpr[GPR_RCX] = e->ecx;
	gpr[GPR_RDX] = e->edx;
}

static __always_inline u64 cpuid_asked(const u64 *gpr)
{
	return (u32)gpr[GPR_RAX] | gpr[GPR_RCX] << 32;
}

/* Not what was asked for last, or CPUID faulting, which the guest turns on in MISC_FEATURES_ENABLES: #GP outside ring 0. */
static noinline int cpuid_anew(struct vcpu *vcpu, unsigned int len)
{
	const struct kvm_cpuid_entry2 *e;
	u64 *gpr = vcpu->regs.gpr;

	if (vcpu->msrs.misc_features && vcpu_cpl(vcpu) > 0)
		return keel_do_gp(vcpu);
	e = keel_cpuid_find(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);
	vcpu->cpuid.last = e;
	vcpu->cpuid.last_asked = cpuid_asked(gpr);
	if (e) {
		set_cpuid(gpr, e);
	} else {
		struct kvm_cpuid_entry2 beyond = keel_cpuid_query(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);

		set_cpuid(gpr, &beyond);
	}
	return vcpu_advance(vcpu, len);
}

int keel_do_cpuid(struct vcpu *vcpu, unsigned int len)
{
	const struct kvm_cpuid_entry2 *e = vcpu->cpuid.last;
	u64 *gpr = vcpu->regs.gpr;

	if (unlikely(!e) || unlikely(vcpu->cpuid.last_asked != cpuid_asked(gpr)) || unlikely(vcpu->msrs.misc_features))
		return cpuid_anew(vcpu, len);
	set_cpuid(gpr, e);
	return vcpu_advance_valid(vcpu, len);
}
