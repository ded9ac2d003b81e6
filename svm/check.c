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

#define CR4_CET		(1ull << 23)
/* S_CET: shadow stacks on, WRSS allowed; the rest is Intel's or reserved */
#define S_CET_DEFINED	3ull

#define IOPM_BYTES	0x3000
#define MSRPM_BYTES	0x2000
/* bits 11:0 of a map's address are ignored */
#define MAP_ADDRESS	(~0xfffull)

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
	if (s->cr4 & ~env->cr4)
		return report(v, "CR4", s->cr4, "bits that this CPU has not must be zero");
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
	if ((s->efer & (EFER_LMA | EFER_LME)) && !env->long_mode)
		return report(v, "EFER", s->efer, "LMA and LME must be clear without long mode");
	if (s->efer & ~env->efer)
		return report(v, "EFER", s->efer, "bits that this CPU has not must be zero");
	if (both && !(s->cr4 & X86_CR4_PAE))
		return report(v, "CR4", s->cr4, "PAE must be set with EFER.LME and CR0.PG");
	if (both && !(s->cr0 & X86_CR0_PE))
		return report(v, "CR0", s->cr0, "PE must be set with EFER.LME and CR0.PG");
	if (both && (s->cs.attrib & SVM_SELECTOR_L_MASK) && (s->cs.attrib & SVM_SELECTOR_DB_MASK))
		return report(v, "CS.attrib", s->cs.attrib, "L and D must not both be set in long mode");
	return false;
}

/* Shadow stacks. U_CET is not in the VMCB: its rule about virtual-8086 mode cannot be checked here. */
static bool check_cet(const struct vmcb_save_area *s, const struct svm_check_env *env, struct svm_violation *v)
{
	if ((s->cr4 & CR4_CET) && !(s->cr0 & X86_CR0_WP))
		return report(v, "CR0", s->cr0, "WP must be set with CR4.CET");
	if ((env->cr4 & CR4_CET) && (s->s_cet & ~S_CET_DEFINED))
		return report(v, "S_CET", s->s_cet, "reserved bits must be zero");
	return false;
}

static bool check_maps(const struct vmcb_control_area *c, const struct svm_check_env *env, struct svm_violation *v)
{
	u64 limit = env->maxphyaddr < 64 ? 1ull << env->maxphyaddr : ~0ull;

	if (!(c->intercepts[INTERCEPT_WORD4] & (1u << (INTERCEPT_VMRUN % 32))))
		return report(v, "intercepts[4]", c->intercepts[INTERCEPT_WORD4], "VMRUN must be intercepted");
	if ((c->iopm_base_pa & MAP_ADDRESS) > limit - IOPM_BYTES)
		return report(v, "IOPM_BASE_PA", c->iopm_base_pa, "the map must lie below the physical address limit");
	if ((c->msrpm_base_pa & MAP_ADDRESS) > limit - MSRPM_BYTES)
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

/*
 * What TYPE 3 may carry: #DE #DB #BP #OF #BR #UD #NM #DF #TS #NP #SS #GP #PF #MF #AC #MC #XF #CP #HV #VC #SX. Vector 2 is the NMI's,
 * 9 is of coprocessors that no CPU with SVM has, the others are reserved.
 */
#define IS_EXCEPTION	0x702f7dfbu
#define CP_VECTOR	21
/* Those with an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
#define HAS_ERROR_CODE	(1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << CP_VECTOR | \
			 1u << 29 | 1u << 30)

/* The first two rules are the manual's; the last two describe events that cannot be, named when nothing else is wrong. */
static bool check_event(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v)
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
	if (vector > 31 || !(IS_EXCEPTION & (1u << vector)) || (vector == CP_VECTOR && !(env->cr4 & CR4_CET)))
		return report(v, "EVENTINJ", info, "the vector is no exception of this CPU");
	if ((info & SVM_EVTINJ_VALID_ERR) && !(HAS_ERROR_CODE & (1u << vector)))
		return report(v, "EVENTINJ", info, "this exception has no error code");
	if (vector == 5 && (vmcb->save.efer & EFER_LMA) && (vmcb->save.cs.attrib & SVM_SELECTOR_L_MASK))
		return report(v, "EVENTINJ", info, "#BR does not exist in 64-bit mode");
	return false;
}

/* Bases and RIP may hold anything (VMRUN makes bases canonical), so may TLB_CONTROL: the manual calls values reserved, not refused. */
bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v)
{
	return check_long_mode(&vmcb->save, env, v) ||
	       check_control_registers(&vmcb->save, env, v) ||
	       check_cet(&vmcb->save, env, v) ||
	       check_maps(&vmcb->control, env, v) ||
	       check_nested(vmcb, env, v) ||
	       check_event(vmcb, env, v);
}
