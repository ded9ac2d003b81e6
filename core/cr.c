// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers, EFER, XCR0 and debug registers as the guest writes them: the architecture's checks, then the value.
 *
 * Every setter returns 0, or 1 when the instruction must end in #GP(0) with nothing changed. The rules are those of the SDM's "Control
 * Registers" and the APM's "System-Control Registers"; what a CPU may not set follows from its CPUID (vcpu_cpuid).
 */
#include <linux/nospec.h>
#include <linux/types.h>
#include <asm/fpu/xcr.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <keel/access.h>
#include <keel/exit_fast.h>
#include <keel/guest_access.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/pdpte.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>

/* Changes of these invalidate all translations of the vCPU. */
#define CR0_TLB_BITS	(X86_CR0_PG | X86_CR0_WP | X86_CR0_PE)
#define CR4_TLB_BITS	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | \
			 X86_CR4_LA57 | X86_CR4_PKE)

/*
 * Where a CPU has no such registers, bit 5 is let pass: QEMU's TCG sets it as if it were an accessed bit. Where it has them, its own address width
 * counts as well: a guest's CPUID may promise more.
 */
static u64 pdpte_reserved(const struct vcpu *vcpu)
{
	if (!keel_vendor->pdpte)
		return vcpu->cpuid.reserved_gpa | 0x1c6;
	return vcpu->cpuid.reserved_gpa | GENMASK_ULL(63, boot_cpu_data.x86_phys_bits) | 0x1e6;
}

u64 keel_pdpte_reserved(const struct vcpu *vcpu)
{
	return vcpu->shadow || keel_vendor->pdpte ? pdpte_reserved(vcpu) : 0;
}

/* SDM, "PDPTE Registers": a load of CR3 with PAE paging checks the reserved bits of the four entries. False: #GP. */
static bool read_pdptes(struct vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	u64 reserved = pdpte_reserved(vcpu);
	int i;

	if (keel_read_guest(vcpu->vm, cr3 & 0xffffffe0, pdpte, 4 * sizeof(*pdpte)))
		return false;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & reserved))
			return false;
	return true;
}

#define TSS_16		1	/* type of a descriptor; a busy one has bit 1 as well */

/*
 * With a 16-bit TSS in TR Intel's CPUs do not enter long mode, and no VM entry goes on in it (SDM, "Initializing IA-32e Mode", "Checks on Guest
 * Segment Registers"). AMD's CPUs, which have no PDPTE registers, have no such rule.
 */
static bool bars_long_mode(const struct segment *tr)
{
	return keel_vendor->pdpte && (tr->ar & SEG_P) && !(tr->ar & SEG_UNUSABLE) && (tr->ar & SEG_TYPE & ~2u) == TSS_16;
}

/*
 * With the registers written. The CPU is given the entries that were looked at: another vCPU may change memory before the next VM entry, which refuses
 * reserved bits. Shadow tables are not walked through the guest's entries.
 */
static void put_pdptes(struct vcpu *vcpu, const u64 pdpte[4])
{
	if (!vcpu->shadow)
		keel_put_pdptes(vcpu, pdpte);
}

/* Turning paging on with EFER.LME enters long mode; off leaves it. */
static int switch_long_mode(struct vcpu *vcpu, u64 val, u64 *efer)
{
	if (val & X86_CR0_PG) {
		if (!(*efer & EFER_LME))
			return 0;
		if (!(vcpu_cr4(vcpu) & X86_CR4_PAE) || (vcpu_seg(vcpu, SEG_CS)->ar & SEG_L) || bars_long_mode(vcpu_seg(vcpu, SEG_TR)))
			return 1;
		*efer |= EFER_LMA;
		return 0;
	}
	if (*efer & EFER_LMA) {
		if (vcpu_is_64bit_code(vcpu) || (vcpu_cr4(vcpu) & X86_CR4_PCIDE))
			return 1;
		*efer &= ~(u64)EFER_LMA;
	}
	return 0;
}

static int set_cr0(struct vcpu *vcpu, u64 val)
{
	u64 old = vcpu_cr0(vcpu), efer = vcpu_efer(vcpu), pdpte[4] = { };
	bool loads;
	int ret;

	if (val >> 32)
		return 1;
	val = (val & CR0_DEFINED) | X86_CR0_ET;
	if ((val & X86_CR0_NW) && !(val & X86_CR0_CD))
		return 1;
	if ((val & X86_CR0_PG) && !(val & X86_CR0_PE))
		return 1;
	if (!(val & X86_CR0_WP) && (vcpu_cr4(vcpu) & X86_CR4_CET))
		return 1;

	if ((old ^ val) & X86_CR0_PG) {
		ret = switch_long_mode(vcpu, val, &efer);
		if (ret)
			return ret;
	}
	loads = is_pae_paging(val, vcpu_cr4(vcpu), efer) && ((old ^ val) & CR0_LOADS_PDPTES);
	if (loads && !read_pdptes(vcpu, vcpu_cr3(vcpu), pdpte))
		return 1;

	if (efer != vcpu->regs.efer) {
		vcpu->regs.efer = efer;
		vcpu_dirty(vcpu, RG_EFER);
	}
	vcpu->regs.cr0 = val;
	vcpu_dirty(vcpu, RG_CR0);
	if (loads)
		put_pdptes(vcpu, pdpte);
	/* with shadow paging the flush also loads the PDPTEs */
	if (((old ^ val) & CR0_TLB_BITS) || loads)
		keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	return 0;
}

static int set_cr3(struct vcpu *vcpu, u64 val)
{
	bool no_flush = false, loads = false;
	u64 pdpte[4] = { };

	if (vcpu_is_long_mode(vcpu)) {
		if (vcpu_cr4(vcpu) & X86_CR4_PCIDE) {
			no_flush = val & X86_CR3_PCID_NOFLUSH;
			val &= ~X86_CR3_PCID_NOFLUSH;
		}
		if (val & vcpu->cpuid.reserved_gpa)
			return 1;
	} else {
		val = (u32)val;
		loads = is_pae_paging(vcpu_cr0(vcpu), vcpu_cr4(vcpu), vcpu_efer(vcpu));
		if (loads && !read_pdptes(vcpu, val, pdpte))
			return 1;
	}
	vcpu->regs.cr3 = val;
	vcpu_dirty(vcpu, RG_CR3);
	if (loads)
		put_pdptes(vcpu, pdpte);
	if (!no_flush || vcpu->shadow)
		keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	return 0;
}

/* In 64-bit code, where the value has all its bits. What is refused, or has more to do than to load a root, takes the way that may sleep. */
int keel_fast_mov_to_cr3(struct vcpu *vcpu, unsigned int reg, unsigned int len)
{
	u64 val = vcpu_gpr(vcpu, reg);

	if (unlikely(!vcpu_is_64bit_code(vcpu)))
		return RUN_SLOW;
	if (vcpu_cr4(vcpu) & X86_CR4_PCIDE)
		val &= ~X86_CR3_PCID_NOFLUSH;
	if (unlikely(val & vcpu->cpuid.reserved_gpa) || !keel_shadow_quick_load(vcpu, val))
		return RUN_SLOW;
	/* CR3 goes in as part of the root */
	vcpu->regs.cr3 = val;
	return vcpu_advance(vcpu, len);
}

int keel_fast_invlpg(struct vcpu *vcpu, gva_t gva, unsigned int len)
{
	return keel_shadow_quick_invlpg(vcpu, gva) ? vcpu_advance(vcpu, len) : RUN_SLOW;
}

static int set_cr4(struct vcpu *vcpu, u64 val)
{
	u64 old = vcpu_cr4(vcpu), cr0 = vcpu_cr0(vcpu), efer = vcpu_efer(vcpu), pdpte[4] = { };
	bool loads = is_pae_paging(cr0, val, efer) && ((old ^ val) & CR4_LOADS_PDPTES);

	if (val & ~vcpu->cpuid.allowed[SET_CR4])
		return 1;
	if (efer & EFER_LMA) {
		if (!(val & X86_CR4_PAE) || ((old ^ val) & X86_CR4_LA57))
			return 1;
	} else if ((val & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE)) {
		return 1;
	}
	if ((val & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE) && (vcpu_cr3(vcpu) & X86_CR3_PCID_MASK))
		return 1;
	if ((val & X86_CR4_CET) && !(cr0 & X86_CR0_WP))
		return 1;

	if (loads && !read_pdptes(vcpu, vcpu_cr3(vcpu), pdpte))
		return 1;

	vcpu->regs.cr4 = val;
	vcpu_dirty(vcpu, RG_CR4);
	if (loads)
		put_pdptes(vcpu, pdpte);
	if ((old ^ val) & CR4_TLB_BITS)
		keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	if ((old ^ val) & (X86_CR4_OSXSAVE | X86_CR4_PKE))
		keel_cpuid_update_runtime(vcpu);
	return 0;
}

u64 keel_get_cr8(struct vcpu *vcpu)
{
	return vcpu->lapic ? keel_lapic_get_tpr(vcpu) : vcpu->cr8;
}

int keel_set_cr8(struct vcpu *vcpu, u64 val)
{
	if (val & ~0xfull)
		return 1;
	if (vcpu->lapic)
		keel_lapic_set_tpr(vcpu, val);
	else
		vcpu->cr8 = val;
	vcpu_dirty(vcpu, RG_TPR);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

u64 keel_get_cr(struct vcpu *vcpu, unsigned int n)
{
	switch (n) {
	case 0:
		return vcpu_cr0(vcpu);
	case 2:
		vcpu_need(vcpu, RG_CR2);
		return vcpu->regs.cr2;
	case 3:
		return vcpu_cr3(vcpu);
	case 4:
		return vcpu_cr4(vcpu);
	default:
		return keel_get_cr8(vcpu);
	}
}

int keel_set_cr(struct vcpu *vcpu, unsigned int n, u64 val)
{
	switch (n) {
	case 0:
		return set_cr0(vcpu, val);
	case 2:
		vcpu->regs.cr2 = val;
		vcpu_dirty(vcpu, RG_CR2);
		return 0;
	case 3:
		return set_cr3(vcpu, val);
	case 4:
		return set_cr4(vcpu, val);
	default:
		return keel_set_cr8(vcpu, val);
	}
}

int keel_set_efer(struct vcpu *vcpu, u64 val, u64 allowed)
{
	u64 old = vcpu_efer(vcpu);

	if (val & ~allowed & ~(u64)EFER_LMA)
		return 1;
	if (((old ^ val) & EFER_LME) && vcpu_is_paging(vcpu))
		return 1;
	val = (val & ~(u64)EFER_LMA) | (old & EFER_LMA);
	vcpu->regs.efer = val;
	vcpu_dirty(vcpu, RG_EFER);
	if ((old ^ val) & EFER_NX)
		keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	return 0;
}

/* SDM, "Extended Control Registers (Including XCR0)" */
static bool xcr0_consistent(u64 val)
{
	if (!(val & XFEATURE_MASK_FP))
		return false;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return false;
	if (!(val & XFEATURE_MASK_BNDREGS) != !(val & XFEATURE_MASK_BNDCSR))
		return false;
	if (val & XFEATURE_MASK_AVX512)
		return (val & XFEATURE_MASK_YMM) && (val & XFEATURE_MASK_AVX512) == XFEATURE_MASK_AVX512;
	return true;
}

int keel_set_xcr(struct vcpu *vcpu, u32 index, u64 val)
{
	if (index != XCR_XFEATURE_ENABLED_MASK || !xcr0_consistent(val) || (val & ~vcpu->cpuid.xcr0_allowed))
		return 1;
	vcpu->xstate.xcr0 = val;
	keel_cpuid_update_runtime(vcpu);
	return 0;
}

#define DR6_WRITABLE	(DR_TRAP_BITS | DR6_BD | DR_STEP | DR_SWITCH)
#define DR7_ZEROS	0xd000ull	/* bits 12, 14, 15 */

int keel_set_dr(struct vcpu *vcpu, unsigned int n, u64 val)
{
	vcpu_need(vcpu, RG_DR);
	switch (n) {
	case 0 ... 3:
		vcpu->regs.dr[array_index_nospec(n, 4)] = val;
		break;
	case 4:
	case 6:
		if (val >> 32)
			return 1;
		vcpu->regs.dr6 = (val & DR6_WRITABLE) | DR6_FIXED;
		break;
	default:
		if (val >> 32)
			return 1;
		vcpu->regs.dr7 = (val & ~DR7_ZEROS) | DR7_FIXED;
		break;
	}
	vcpu_dirty(vcpu, RG_DR);
	return 0;
}

u64 keel_get_dr(struct vcpu *vcpu, unsigned int n)
{
	vcpu_need(vcpu, RG_DR);
	if (n < 4)
		return vcpu->regs.dr[array_index_nospec(n, 4)];
	return n == 4 || n == 6 ? vcpu->regs.dr6 : vcpu->regs.dr7;
}
