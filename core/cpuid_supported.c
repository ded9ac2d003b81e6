// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID, what guests may be offered (cpuid_offer.c) as a list of leaves.
 * What describes the CPU without being a feature, as names and caches, is the host's.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <keel/memory.h>
#include <keel/state.h>
#include <keel/vendor.h>
#include "cpuid.h"

#define MAX_BASIC	0x1fu
#define MAX_EXTENDED	0x80000021u

struct leaf_list {
	struct kvm_cpuid_entry2 *entries;
	u32 count;
	u32 room;
	bool full;
};

static struct kvm_cpuid_entry2 *add_raw(struct leaf_list *list, u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e;

	if (list->count >= list->room) {
		list->full = true;
		return NULL;
	}
	e = &list->entries[list->count++];
	*e = (struct kvm_cpuid_entry2){
		.function = function, .index = index, .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	return e;
}

/* A leaf as the host has it. */
static struct kvm_cpuid_entry2 *add_host(struct leaf_list *list, u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, function, index, indexed);
	u32 r[NR_REGS];

	if (!e)
		return NULL;
	cpuid_host(function, index, r);
	e->eax = r[EAX];
	e->ebx = r[EBX];
	e->ecx = r[ECX];
	e->edx = r[EDX];
	return e;
}

/* A leaf of features alone. */
static struct kvm_cpuid_entry2 *add_offer(struct leaf_list *list, u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, function, index, indexed);

	if (!e)
		return NULL;
	e->eax = cpuid_offer(function, index, EAX);
	e->ebx = cpuid_offer(function, index, EBX);
	e->ecx = cpuid_offer(function, index, ECX);
	e->edx = cpuid_offer(function, index, EDX);
	return e;
}

/* Cache and topology leaves: one entry an index, up to the one whose type field (EAX[4:0]) says the end. */
static void add_caches(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;
	u32 i;

	for (i = 0; i < 16; i++) {
		e = add_host(list, function, i, true);
		if (!e || !(e->eax & 0x1f))
			return;
	}
}

static void add_features(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_host(list, 1, 0, false);

	if (!e)
		return;
	/* APIC id and logical processors are the launcher's */
	e->ebx &= 0xff00;
	e->ecx = cpuid_offer(1, 0, ECX);
	e->edx = cpuid_offer(1, 0, EDX);
}

static void add_leaf7(struct leaf_list *list)
{
	u32 i, last = cpuid_offer(7, 2, EDX) ? 2 : cpuid_offer(7, 1, EAX) || cpuid_offer(7, 1, EDX);

	for (i = 0; i <= last; i++) {
		struct kvm_cpuid_entry2 *e = add_offer(list, 7, i, true);

		if (e && !i)
			e->eax = last;
	}
}

static void add_xsave(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, 0xd, 0, true);
	u32 i;

	if (!e || !(cpuid_offer(1, 0, ECX) & F(XSAVE)))
		return;
	e->eax = cpuid_host_xcr0;
	e->edx = cpuid_host_xcr0 >> 32;
	e->ebx = e->ecx = cpuid_xsave_size(cpuid_host_xcr0);

	e = add_offer(list, 0xd, 1, true);
	if (!e)
		return;
	if (e->eax & (F(XSAVES) | F(XSAVEC)))
		e->ebx = cpuid_xsave_size_compacted(cpuid_host_xcr0);
	for (i = 2; i < CPUID_XSAVE_FEATURES; i++) {
		if (!(cpuid_host_xcr0 & BIT_ULL(i)))
			continue;
		e = add_host(list, 0xd, i, true);
		if (!e)
			return;
		e->edx = 0;
	}
}

static void add_basic(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;

	switch (function) {
	case 0:
		e = add_host(list, 0, 0, false);
		if (e)
			e->eax = min(e->eax, MAX_BASIC);
		return;
	case 1:
		add_features(list);
		return;
	case 2:					/* cache descriptors */
		add_host(list, 2, 0, false);
		return;
	case 4:
		add_caches(list, 4);
		return;
	case 6:
		e = add_raw(list, 6, 0, false);
		if (e)
			e->eax = BIT(2);	/* the APIC timer never stops */
		return;
	case 7:
		add_leaf7(list);
		return;
	case 0xb:
	case 0x1f:				/* topology: the launcher's */
		add_raw(list, function, 0, true);
		return;
	case 0xd:
		add_xsave(list);
		return;
	/* no MWAIT (5), no PMU (0xa), no QoS (0xf, 0x10), no SGX (0x12), no PT (0x14), no frequency (0x15, 0x16) ... */
	default:
		add_raw(list, function, 0, false);
	}
}

static void add_hypervisor(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, KVM_CPUID_SIGNATURE, 0, false);
	u32 signature[3];

	if (!e)
		return;
	memcpy(signature, KVM_SIGNATURE, sizeof(signature));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = signature[0];
	e->ecx = signature[1];
	e->edx = signature[2];
	e = add_raw(list, KVM_CPUID_FEATURES, 0, false);
	if (e)
		e->eax = CPUID_PV_FEATURES;
}

/* Sizes: the guest's physical width is the CPU's own, or what it says for guests, as far as the second level reaches. */
static void add_sizes(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_host(list, 0x80000008, 0, false);
	u32 virt, phys, guest;

	if (!e)
		return;
	phys = e->eax & 0xff;
	virt = max((e->eax >> 8) & 0xff, 48u);
	guest = (e->eax >> 16) & 0xff;
	e->eax = min(guest ?: phys, keel_memory_gpa_bits()) | virt << 8;
	e->ebx = cpuid_offer(0x80000008, 0, EBX);
	e->ecx = 0;
	e->edx = 0;
}

/* The CPU's last one, or that of features which the kernel alone knows. */
static u32 max_extended(void)
{
	if (cpuid_offer(0x80000021, 0, EAX) || cpuid_offer(0x80000021, 0, ECX))
		return MAX_EXTENDED;
	return min(cpuid_eax(0x80000000), MAX_EXTENDED);
}

static void add_extended(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;

	switch (function) {
	case 0x80000000:
		e = add_host(list, function, 0, false);
		if (e)
			e->eax = max_extended();
		return;
	case 0x80000001:
		e = add_host(list, function, 0, false);
		if (!e)
			return;
		e->ecx = cpuid_offer(function, 0, ECX);
		e->edx = cpuid_offer(function, 0, EDX);
		return;
	case 0x80000002 ... 0x80000006:		/* name, caches */
	case 0x80000019:			/* TLBs of 1G pages */
		add_host(list, function, 0, false);
		return;
	case 0x80000007:
	case 0x80000021:
		add_offer(list, function, 0, false);
		return;
	case 0x80000008:
		add_sizes(list);
		return;
	case 0x8000001a:			/* width of the vector units */
		e = add_host(list, function, 0, false);
		if (e)
			e->eax &= GENMASK(2, 0);
		return;
	case 0x8000001d:
		if (cpuid_offer(0x80000001, 0, ECX) & F(TOPOEXT))
			add_caches(list, function);
		else
			add_raw(list, function, 0, true);
		return;
	default:				/* SVM, IBS, LWP, topology, SEV, QoS */
		add_raw(list, function, 0, false);
	}
}

/* What guests cannot be given here: virtualization of their own, and instructions that would raise #UD. */
static void hide(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx &= ~BIT(X86_FEATURE_VMX & 31);
		break;
	case 7:
		if (!e->index && !keel_caps.invpcid)
			e->ebx &= ~BIT(X86_FEATURE_INVPCID & 31);
		if (!e->index && !keel_caps.rdtscp)
			e->ecx &= ~BIT(X86_FEATURE_RDPID & 31);
		break;
	case 0x80000001:
		e->ecx &= ~BIT(X86_FEATURE_SVM & 31);
		if (!keel_caps.rdtscp)
			e->edx &= ~BIT(X86_FEATURE_RDTSCP & 31);
		break;
	case 0x8000000a:	/* SVM's */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	}
}

/**
 * keel_cpuid_supported() - KVM_GET_SUPPORTED_CPUID
 * @entries: room for *@nent
 * @nent: in: room; out: entries filled
 *
 * Return: 0, or -E2BIG with *@nent as it was.
 */
int keel_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent)
{
	struct leaf_list list = { .entries = entries, .room = *nent };
	u32 function, max;

	max = min(cpuid_eax(0), MAX_BASIC);
	for (function = 0; function <= max; function++)
		add_basic(&list, function);
	add_hypervisor(&list);
	max = max_extended();
	for (function = 0x80000000; function <= max; function++)
		add_extended(&list, function);
	if (list.full)
		return -E2BIG;

	for (function = 0; function < list.count; function++)
		hide(&entries[function]);
	*nent = list.count;
	return 0;
}

/**
 * keel_cpuid_emulated() - KVM_GET_EMULATED_CPUID: features that the emulator brings to any CPU
 * @entries: room for *@nent
 * @nent: in: room; out: entries filled
 *
 * None depends on it: what the emulator knows beyond the CPU would need #UD to be intercepted. Leaf 0 says so.
 * Return: 0, or -E2BIG with *@nent as it was.
 */
int keel_cpuid_emulated(struct kvm_cpuid_entry2 *entries, u32 *nent)
{
	struct leaf_list list = { .entries = entries, .room = *nent };

	add_raw(&list, 0, 0, false);
	if (list.full)
		return -E2BIG;
	*nent = list.count;
	return 0;
}
