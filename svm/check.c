// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VMRUN refuses a VMCB: the rules of the APM, "Canonicalization and Consistency Checks", "Event Injection" and "VMRUN and
 * Nested Paging", applied to a snapshot. Pure; needs nothing of the kernel but types and the VMCB's layout, so that it
 * also builds in user space.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/svm.h>
#include "check.h"

#define HIGH32(x)	((x) >> 32)

/* Defined bits; everything above is MBZ. */
#define CR4_DEFINED	0x03f7ffffull	/* up to UINTR; 19 (KL) is Intel's */
#define EFER_DEFINED	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_SVME | EFER_LMSLE | EFER_FFXSR | \
			 1ull << 15 | 1ull << 17 | 1ull << 18 | 1ull << 20 | 1ull << 21)

#define IOPM_BYTES	0x3000
#define MSRPM_BYTES	0x2000

static bool report(struct svm_violation *v, const char *field, u64 value, const char *rule)
{
	v->field = field;
	v->value = value;
	v->rule = rule;
	return true;
}

static bool check_control_registers(const struct vmcb_save_area *s, const struct svm_check_env *env,
				    struct svm_violation *v)
{
	u64 cr3_mbz = env->maxphyaddr < 64 ? ~0ull << env->maxphyaddr : 0;

	if (!(s->cr0 & X86_CR0_CD) && (s->cr0 & X86_CR0_NW))
		return report(v, "CR0", s->cr0, "NW must be clear while CD is clear");
	if (HIGH32(s->cr0))
		return report(v, "CR0", s->cr0, "bits 63:32 must be zero");
	if ((s->efer & EFER_LMA) && (s->cr3 & cr3_mbz))
		return report(v, "CR3", s->cr3, "bits above the physical address width must be zero");
	if (s->cr4 & ~CR4_DEFINED)
		return report(v, "CR4", s->cr4, "reserved bits must be zero");
	if (HIGH32(s->dr6))
		return report(v, "DR6", s->dr6, "bits 63:32 must be zero");
	if (HIGH32(s->dr7))
		return report(v, "DR7", s->dr7, "bits 63:32 must be zero");
	return false;
}

static bool check_long_mode(const struct vmcb_save_area *s, const struct svm_check_env *env, struct svm_violation *v)
{
	bool both = (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG);

	if (!(s->efer & EFER_SVME))
		return report(v, "EFER", s->efer, "SVME must be set");
	if (s->efer & ~EFER_DEFINED)
		return report(v, "EFER", s->efer, "reserved bits must be zero");
	if ((s->efer & (EFER_LMA | EFER_LME)) && !env->long_mode)
		return report(v, "EFER", s->efer, "LMA and LME must be clear without long mode");
	if (both && !(s->cr4 & X86_CR4_PAE))
		return report(v, "CR4", s->cr4, "PAE must be set with EFER.LME and CR0.PG");
	if (both && !(s->cr0 & X86_CR0_PE))
		return report(v, "CR0", s->cr0, "PE must be set with EFER.LME and CR0.PG");
	if (both && (s->cs.attrib & SVM_SELECTOR_L_MASK) && (s->cs.attrib & SVM_SELECTOR_DB_MASK))
		return report(v, "CS.attrib", s->cs.attrib, "L and D must not both be set in long mode");
	return false;
}

static bool check_maps(const struct vmcb_control_area *c, const struct svm_check_env *env, struct svm_violation *v)
{
	u64 limit = env->maxphyaddr < 64 ? 1ull << env->maxphyaddr : ~0ull;

	if (!(c->intercepts[INTERCEPT_WORD4] & (1u << (INTERCEPT_VMRUN % 32))))
		return report(v, "intercepts[4]", c->intercepts[INTERCEPT_WORD4], "VMRUN must be intercepted");
	if (c->iopm_base_pa > limit - IOPM_BYTES)
		return report(v, "IOPM_BASE_PA", c->iopm_base_pa, "the map must lie below the physical address limit");
	if (c->msrpm_base_pa > limit - MSRPM_BYTES)
		return report(v, "MSRPM_BASE_PA", c->msrpm_base_pa, "the map must lie below the physical address limit");
	if (!c->asid)
		return report(v, "ASID", 0, "must not be zero");
	if (c->asid >= env->nr_asids)
		return report(v, "ASID", c->asid, "must be below the number of ASIDs in CPUID");
	return false;
}

static bool pat_type_valid(u8 type)
{
	return type < 8 && type != 2 && type != 3;
}

static bool check_nested(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v)
{
	const struct vmcb_control_area *c = &vmcb->control;
	unsigned int i;

	if (!(c->nested_ctl & SVM_NESTED_CTL_NP_ENABLE))
		return false;
	if (env->maxphyaddr < 64 && c->nested_cr3 >> env->maxphyaddr)
		return report(v, "N_CR3", c->nested_cr3, "bits above the physical address width must be zero");
	for (i = 0; i < 8; i++)
		if (!pat_type_valid(vmcb->save.g_pat >> (i * 8)))
			return report(v, "G_PAT", vmcb->save.g_pat, "each byte must be a memory type");
	return false;
}

/* Exceptions with an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
#define HAS_ERROR_CODE	(1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 21 | \
			 1u << 29 | 1u << 30)

static bool check_event(const struct vmcb *vmcb, struct svm_violation *v)
{
	u32 info = vmcb->control.event_inj;
	u32 type = info & SVM_EVTINJ_TYPE_MASK;
	u8 vector = info & SVM_EVTINJ_VEC_MASK;

	if (!(info & SVM_EVTINJ_VALID))
		return false;
	if (type != SVM_EVTINJ_TYPE_INTR && type != SVM_EVTINJ_TYPE_NMI && type != SVM_EVTINJ_TYPE_EXEPT &&
	    type != SVM_EVTINJ_TYPE_SOFT)
		return report(v, "EVENTINJ", info, "the type is reserved");
	if (type != SVM_EVTINJ_TYPE_EXEPT)
		return false;
	if (vector == 2 || vector > 31)
		return report(v, "EVENTINJ", info, "an exception needs a vector of 0 to 31, and not the NMI's");
	if ((info & SVM_EVTINJ_VALID_ERR) && !(HAS_ERROR_CODE & (1u << vector)))
		return report(v, "EVENTINJ", info, "this exception has no error code");
	if (vector == 5 && (vmcb->save.efer & EFER_LMA) && (vmcb->save.cs.attrib & SVM_SELECTOR_L_MASK))
		return report(v, "EVENTINJ", info, "#BR does not exist in 64-bit mode");
	return false;
}

bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v)
{
	return check_long_mode(&vmcb->save, env, v) ||
	       check_control_registers(&vmcb->save, env, v) ||
	       check_maps(&vmcb->control, env, v) ||
	       check_nested(vmcb, env, v) ||
	       check_event(vmcb, v);
}
