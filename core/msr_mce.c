// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine check: banks of plain storage, as many as the launcher asks for (KVM_X86_SETUP_MCE), allocated at the first write; and
 * the errors that it reports (KVM_X86_SET_MCE).
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <uapi/linux/kvm.h>
#include <keel/access.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "msr.h"

static unsigned int mce_count(const struct vcpu *vcpu)
{
	return vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK;
}

int msr_get_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL;

	if (i >= mce_count(vcpu) * 4)
		return MSR_UNKNOWN;
	i = array_index_nospec(i, mce_count(vcpu) * 4);
	/* CTL is all ones after reset */
	*val = vcpu->msrs.mce_banks ? vcpu->msrs.mce_banks[i] : (i & 3) ? 0 : ~0ull;
	return 0;
}

static bool mce_value_valid(struct vcpu *vcpu, unsigned int reg, u64 val, enum msr_from from)
{
	/* CTL: all or none, but for bits that some guests clear in bank 4 (10) and others (0) */
	if (reg == 0)
		return !val || (val | BIT_ULL(10) | BIT_ULL(0)) == ~0ull;
	/* STATUS: a guest clears it, or writes it where HWCR says so */
	if (reg == 1 && from == MSR_FROM_GUEST)
		return !val || (vcpu->msrs.hwcr & HWCR_MC_STATUS_WR);
	return true;
}

/* As after reset. */
static void reset_banks(u64 *banks)
{
	unsigned int i;

	memset(banks, 0, 4 * MCE_BANKS_MAX * sizeof(u64));
	for (i = 0; i < MCE_BANKS_MAX; i++)
		banks[4 * i] = ~0ull;
}

static int alloc_banks(struct vcpu *vcpu)
{
	if (vcpu->msrs.mce_banks)
		return 0;
	/* room for all that a later KVM_X86_SETUP_MCE may ask for */
	vcpu->msrs.mce_banks = kcalloc(4 * MCE_BANKS_MAX, sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!vcpu->msrs.mce_banks)
		return -ENOMEM;
	reset_banks(vcpu->msrs.mce_banks);
	return 0;
}

int msr_set_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL, n = mce_count(vcpu) * 4;

	if (i >= n)
		return MSR_UNKNOWN;
	if (!mce_value_valid(vcpu, i & 3, val, from))
		return MSR_INVALID;
	if (alloc_banks(vcpu))
		return -ENOMEM;
	vcpu->msrs.mce_banks[array_index_nospec(i, n)] = val;
	return 0;
}

int msr_set_mcg_ctl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val && !(vcpu->msrs.mcg_cap & MCG_CTL_P))
		return MSR_INVALID;
	if (val && val != ~0ull)
		return MSR_INVALID;
	vcpu->msrs.mcg_ctl = val;
	return 0;
}

/* ---- KVM_X86_SET_MCE ---- */

struct mce_bank {
	u64 ctl, status, addr, misc;
};

static void bank_store(struct mce_bank *bank, const struct kvm_x86_mce *mce)
{
	u64 over = bank->status & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank->status = mce->status | over;
	bank->addr = mce->addr;
	bank->misc = mce->misc;
}

static void report_uncorrected(struct vcpu *vcpu, struct mce_bank *bank, const struct kvm_x86_mce *mce)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if ((m->mcg_cap & MCG_CTL_P && m->mcg_ctl != ~0ull) || bank->ctl != ~0ull)
		return;
	vcpu_need(vcpu, RG_CR4);
	if (m->mcg_status & MCG_STATUS_MCIP || !(vcpu->regs.cr4 & X86_CR4_MCE)) {
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return;
	}
	bank_store(bank, mce);
	m->mcg_status = mce->mcg_status;
	keel_queue_exception(vcpu, X86_TRAP_MC);
}

/**
 * keel_report_mce() - the launcher reports an error of the machine (KVM_X86_SET_MCE)
 * @vcpu: loaded, its mutex held
 * @mce: status with VAL set, a bank that is there
 *
 * An uncorrected error is a machine check, and the shutdown of a vCPU that cannot take one: another is in progress, or CR4.MCE is
 * clear. A corrected one goes into the bank, unless an uncorrected is there (SDM, "Machine-Check Architecture", "Overwrite Rules").
 *
 * May sleep. Return: 0, -EINVAL, -ENOMEM.
 */
int keel_report_mce(struct vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	struct mce_bank *bank;

	if (mce->bank >= mce_count(vcpu) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	if (alloc_banks(vcpu))
		return -ENOMEM;
	bank = (struct mce_bank *)vcpu->msrs.mce_banks + array_index_nospec(mce->bank, MCE_BANKS_MAX);
	if (mce->status & MCI_STATUS_UC)
		report_uncorrected(vcpu, bank, mce);
	else if ((bank->status & (MCI_STATUS_VAL | MCI_STATUS_UC)) == (MCI_STATUS_VAL | MCI_STATUS_UC))
		bank->status |= MCI_STATUS_OVER;
	else
		bank_store(bank, mce);
	return 0;
}

int keel_msr_make_room(struct vcpu *to, const struct vcpu *from)
{
	return from->msrs.mce_banks ? alloc_banks(to) : 0;
}

void keel_msr_copy(struct vcpu *to, const struct vcpu *from)
{
	u64 *banks = to->msrs.mce_banks;

	to->msrs = from->msrs;
	to->msrs.mce_banks = banks;
	if (!banks)
		return;
	if (from->msrs.mce_banks)
		memcpy(banks, from->msrs.mce_banks, 4 * MCE_BANKS_MAX * sizeof(u64));
	else
		reset_banks(banks);
}
