// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: KVM_SET_CPUID, and what follows from a guest's leaves.
 *
 * The launcher chooses among what is offered, or beyond it at its own risk: isolation never depends on CPUID, since what a
 * guest may set in control registers and MSRs is masked by what the host offers as well.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "cpuid.h"

#define MAX_ENTRIES	256

/* ---- what follows from a guest's leaves ---- */

static u32 guest_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, function, index);

	if (!e)
		return 0;
	return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
}

/* Registers that the rules below look at. */
struct features {
	u32 f1c, f1d, f7b, f7c, f7d, fd1, x1d, x8b, x21;
};

/* Of a guest; NULL: of all that is offered. */
static u32 feature_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	return vcpu ? guest_reg(vcpu, function, index, reg) : cpuid_offer(function, index, reg);
}

static struct features features_of(struct vcpu *vcpu)
{
	return (struct features){
		.f1c = feature_reg(vcpu, 1, 0, ECX),
		.f1d = feature_reg(vcpu, 1, 0, EDX),
		.f7b = feature_reg(vcpu, 7, 0, EBX),
		.f7c = feature_reg(vcpu, 7, 0, ECX),
		.f7d = feature_reg(vcpu, 7, 0, EDX),
		.fd1 = feature_reg(vcpu, 0xd, 1, EAX),
		.x1d = feature_reg(vcpu, 0x80000001, 0, EDX),
		.x8b = feature_reg(vcpu, 0x80000008, 0, EBX),
		.x21 = feature_reg(vcpu, 0x80000021, 0, EAX),
	};
}

static u64 cr4_bits(const struct features *f)
{
	u64 cr4 = X86_CR4_PVI | X86_CR4_VME | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		  X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	if (f->f1c & F(XSAVE))
		cr4 |= X86_CR4_OSXSAVE;
	if (f->f1c & F(PCID))
		cr4 |= X86_CR4_PCIDE;
	if (f->f7b & F(FSGSBASE))
		cr4 |= X86_CR4_FSGSBASE;
	if (f->f7b & F(SMEP))
		cr4 |= X86_CR4_SMEP;
	if (f->f7b & F(SMAP))
		cr4 |= X86_CR4_SMAP;
	if (f->f7c & F(UMIP))
		cr4 |= X86_CR4_UMIP;
	if (f->f7c & F(LA57))
		cr4 |= X86_CR4_LA57;
	if (f->f7c & F(PKU))
		cr4 |= X86_CR4_PKE;
	return cr4;
}

static u64 efer_bits(const struct features *f)
{
	u64 efer = 0;

	if (f->x1d & F(SYSCALL))
		efer |= EFER_SCE;
	if (f->x1d & F(LM))
		efer |= EFER_LME | EFER_LMA;
	if (f->x1d & F(NX))
		efer |= EFER_NX;
	if (f->x1d & F(FXSR_OPT))
		efer |= EFER_FFXSR;
	if (f->x21 & BIT(8))
		efer |= BIT_ULL(21);		/* automatic IBRS */
	return efer;
}

static bool is_amd_vendor(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 0, 0);
	u32 name[3];

	if (!e)
		return false;
	name[0] = e->ebx;
	name[1] = e->edx;
	name[2] = e->ecx;
	return !memcmp(name, "AuthenticAMD", 12) || !memcmp(name, "HygonGenuine", 12);
}

struct flag_row {
	u32 flag;
	u32 present;
};

static u32 guest_flags(struct vcpu *vcpu, const struct features *f)
{
	const struct flag_row rows[] = {
		{ GUEST_HAS_X2APIC,	f->f1c & F(X2APIC) },
		{ GUEST_HAS_TSC_DEADLINE, f->f1c & F(TSC_DEADLINE_TIMER) },
		{ GUEST_HAS_XSAVE,	f->f1c & F(XSAVE) },
		{ GUEST_HAS_MTRR,	f->f1d & F(MTRR) },
		{ GUEST_HAS_TSC_ADJUST,	f->f7b & F(TSC_ADJUST) },
		{ GUEST_HAS_INVPCID,	f->f7b & F(INVPCID) },
		{ GUEST_HAS_FSRM,	f->f7d & F(FSRM) },
		{ GUEST_HAS_ARCH_CAPS,	f->f7d & F(ARCH_CAPABILITIES) },
		{ GUEST_HAS_SPEC_CTRL,	(f->f7d & (F(SPEC_CTRL) | F(INTEL_STIBP) | F(SPEC_CTRL_SSBD))) ||
					(f->x8b & (F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_SSBD))) },
		{ GUEST_HAS_IBPB,	(f->f7d & F(SPEC_CTRL)) || (f->x8b & F(AMD_IBPB)) },
		{ GUEST_HAS_XSAVES,	f->fd1 & F(XSAVES) },
		{ GUEST_HAS_LONG_MODE,	f->x1d & F(LM) },
		{ GUEST_HAS_NX,		f->x1d & F(NX) },
		{ GUEST_HAS_GBPAGES,	f->x1d & F(GBPAGES) },
		{ GUEST_HAS_SYSCALL,	f->x1d & F(SYSCALL) },
		{ GUEST_HAS_RDTSCP,	(f->x1d & F(RDTSCP)) || (f->f7c & F(RDPID)) },
	};
	u32 flags = is_amd_vendor(vcpu) ? GUEST_IS_AMD : 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].present)
			flags |= rows[i].flag;
	return flags;
}

static u8 guest_maxphyaddr(struct vcpu *vcpu)
{
	u32 width = 36;

	if (guest_reg(vcpu, 0x80000000, 0, EAX) >= 0x80000008)
		width = guest_reg(vcpu, 0x80000008, 0, EAX) & 0xff;
	return clamp_t(u32, width, 32, 52);
}

void cpuid_policy_update(struct vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	struct features all = features_of(NULL), guest;

	cpuid->maxphyaddr = guest_maxphyaddr(vcpu);
	cpuid->reserved_gpa = GENMASK_ULL(63, cpuid->maxphyaddr);
	cpuid->cr4_allowed = cr4_bits(&all);
	cpuid->efer_allowed = efer_bits(&all);
	cpuid->xcr0_allowed = XFEATURE_MASK_FP;
	cpuid->xss_allowed = 0;
	cpuid->flags = 0;
	vcpu->pv.features = 0;
	if (!cpuid->nent)
		return;

	guest = features_of(vcpu);
	cpuid->cr4_allowed &= cr4_bits(&guest);
	cpuid->efer_allowed &= efer_bits(&guest);
	cpuid->flags = guest_flags(vcpu, &guest);
	if (guest.f1c & F(XSAVE))
		cpuid->xcr0_allowed = cpuid_host_xcr0 & (guest_reg(vcpu, 0xd, 0, EAX) |
						   (u64)guest_reg(vcpu, 0xd, 0, EDX) << 32);
	vcpu->pv.features = guest_reg(vcpu, KVM_CPUID_FEATURES, 0, EAX) & CPUID_PV_FEATURES;
}

/* ---- KVM_SET_CPUID ---- */

/* A guest that would use more address bits than Keel walks, or state that nobody saves. */
static int check_entries(const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	for (i = 0; i < nent; i++) {
		u32 virt = (entries[i].eax >> 8) & 0xff;

		if (entries[i].function == 0x80000008 && virt && virt != 48 && virt != 57)
			return -EINVAL;
	}
	return 0;
}

/* After the first KVM_RUN only the same once more: a launcher may repeat itself at hotplug. */
static bool same_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	if (vcpu->cpuid.nent != nent)
		return false;
	for (i = 0; i < nent; i++) {
		const struct kvm_cpuid_entry2 *a = &vcpu->cpuid.entries[i], *b = &entries[i];

		if (a->function != b->function || a->index != b->index || a->flags != b->flags ||
		    a->eax != b->eax || a->ebx != b->ebx || a->ecx != b->ecx || a->edx != b->edx)
			return false;
	}
	return true;
}

/* KVM does so too: no kick to wait for when HLT does not exit. */
static void adjust_pv(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, KVM_CPUID_FEATURES, 0);

	if (e && (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
		e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
}

static void install(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	vcpu->cpuid.entries = entries;
	vcpu->cpuid.nent = nent;
	cpuid_index_entries(&vcpu->cpuid);
	adjust_pv(vcpu);
	cpuid_policy_update(vcpu);
	keel_cpuid_update_runtime(vcpu);
}

/**
 * keel_cpuid_set() - give a vCPU its leaves
 * @vcpu: loaded, mutex held
 * @entries: kvmalloc'ed array; ours from now on, also on failure
 * @nent: how many, at most 256
 *
 * Return: 0; -EINVAL for a contradiction, or for a change after the vCPU has run.
 */
int keel_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct kvm_cpuid_entry2 *old = vcpu->cpuid.entries;
	u32 old_nent = vcpu->cpuid.nent;
	int ret = nent > MAX_ENTRIES ? -E2BIG : check_entries(entries, nent);

	if (ret) {
		kvfree(entries);
		return ret;
	}
	if (vcpu->launched_once) {
		/* compare with the runtime bits brought up to date in both */
		install(vcpu, entries, nent);
		vcpu->cpuid.entries = old;
		vcpu->cpuid.nent = old_nent;
		ret = same_entries(vcpu, entries, nent) ? 0 : -EINVAL;
		kvfree(entries);
		install(vcpu, old, old_nent);
		return ret;
	}
	install(vcpu, entries, nent);
	kvfree(old);
	keel_vendor->intercepts_changed(vcpu);
	return 0;
}

void keel_cpuid_destroy(struct vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.nent = 0;
}
