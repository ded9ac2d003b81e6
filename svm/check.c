// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VMRUN refuses a VMCB: the rules of the APM, "Canonicalization and Consistency Checks", "Event Injection" and "VMRUN and
 * Nested Paging", applied to a snapshot. Pure; needs nothing of the kernel but types and the VMCB's layout, so that it
 * also builds in user space.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/svm.h>
#include <keel/groups.h>
#include "check.h"

#define HIGH32(x)	((x) >> 32)

#define CR4_CET		(1ull << 23)
/* S_CET: shadow stacks on, WRSS allowed; the rest is Intel's or reserved */
#define S_CET_DEFINED	3ull

#define IOPM_BYTES	0x3000
#define MSRPM_BYTES	0x2000
/* bits 11:0 of a map's address are ignored */
#define MAP_ADDRESS	(~0xfffull)

/* Fields of the VMCB, with the group of registers that an ioctl sets them by; 0 for what Keel alone writes. */
#define F_CR0		"CR0", RG_CR0
#define F_CR3		"CR3", RG_CR3
#define F_CR4		"CR4", RG_CR4
#define F_EFER		"EFER", RG_EFER
#define F_DR6		"DR6", RG_DR
#define F_DR7		"DR7", RG_DR
#define F_CS		"CS.attrib", RG_SEG
#define F_S_CET		"S_CET", 0
#define F_INTERCEPTS	"intercepts[4]", 0
#define F_IOPM		"IOPM_BASE_PA", 0
#define F_MSRPM		"MSRPM_BASE_PA", 0
#define F_ASID		"ASID", 0
#define F_N_CR3		"N_CR3", 0
#define F_G_PAT		"G_PAT", RG_PAT
#define F_EVENTINJ	"EVENTINJ", RG_EVENT

struct check {
	const struct vmcb *vmcb;
	const struct svm_check_env *env;
	struct violation *v;
	const char *section;
	u32 kind;
};

static bool check_control_registers(const struct check *c)
{
	const struct vmcb_save_area *s = &c->vmcb->save;
	u64 cr3_mbz = c->env->maxphyaddr < 64 ? ~0ull << c->env->maxphyaddr : 0;

	RULE(!(s->cr0 & X86_CR0_CD) && (s->cr0 & X86_CR0_NW), F_CR0, s->cr0, "NW must be clear while CD is clear");
	RULE(HIGH32(s->cr0), F_CR0, s->cr0, "bits 63:32 must be zero");
	RULE((s->efer & EFER_LMA) && (s->cr3 & cr3_mbz), F_CR3, s->cr3, "bits above the physical address width must be zero");
	RULE(s->cr4 & ~c->env->cr4, F_CR4, s->cr4, "bits that this CPU has not must be zero");
	RULE(HIGH32(s->dr6), F_DR6, s->dr6, "bits 63:32 must be zero");
	RULE(HIGH32(s->dr7), F_DR7, s->dr7, "bits 63:32 must be zero");
	return false;
}

static bool check_long_mode(const struct check *c)
{
	const struct vmcb_save_area *s = &c->vmcb->save;
	bool both = (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG);

	RULE(!(s->efer & EFER_SVME), F_EFER, s->efer, "SVME must be set");
	RULE((s->efer & (EFER_LMA | EFER_LME)) && !c->env->long_mode, F_EFER, s->efer,
	     "LMA and LME must be clear without long mode");
	RULE(s->efer & ~c->env->efer, F_EFER, s->efer, "bits that this CPU has not must be zero");
	RULE(both && !(s->cr4 & X86_CR4_PAE), F_CR4, s->cr4, "PAE must be set with EFER.LME and CR0.PG");
	RULE(both && !(s->cr0 & X86_CR0_PE), F_CR0, s->cr0, "PE must be set with EFER.LME and CR0.PG");
	RULE(both && (s->cs.attrib & SVM_SELECTOR_L_MASK) && (s->cs.attrib & SVM_SELECTOR_DB_MASK), F_CS, s->cs.attrib,
	     "L and D must not both be set in long mode");
	return false;
}

/* Shadow stacks. U_CET is not in the VMCB: its rule about virtual-8086 mode cannot be checked here. */
static bool check_cet(const struct check *c)
{
	const struct vmcb_save_area *s = &c->vmcb->save;

	RULE((s->cr4 & CR4_CET) && !(s->cr0 & X86_CR0_WP), F_CR0, s->cr0, "WP must be set with CR4.CET");
	RULE((c->env->cr4 & CR4_CET) && (s->s_cet & ~S_CET_DEFINED), F_S_CET, s->s_cet, "reserved bits must be zero");
	return false;
}

static bool check_maps(const struct check *c)
{
	const struct vmcb_control_area *control = &c->vmcb->control;
	u64 limit = c->env->maxphyaddr < 64 ? 1ull << c->env->maxphyaddr : ~0ull;

	RULE(!(control->intercepts[INTERCEPT_WORD4] & (1u << (INTERCEPT_VMRUN % 32))), F_INTERCEPTS, control->intercepts[INTERCEPT_WORD4],
	     "VMRUN must be intercepted");
	RULE((control->iopm_base_pa & MAP_ADDRESS) > limit - IOPM_BYTES, F_IOPM, control->iopm_base_pa,
	     "the map must lie below the physical address limit");
	RULE((control->msrpm_base_pa & MAP_ADDRESS) > limit - MSRPM_BYTES, F_MSRPM, control->msrpm_base_pa,
	     "the map must lie below the physical address limit");
	RULE(!control->asid, F_ASID, 0, "must not be zero");
	RULE(control->asid >= c->env->nr_asids, F_ASID, control->asid, "must be below the number of ASIDs in CPUID");
	return false;
}

static bool check_nested(const struct check *c)
{
	const struct vmcb *vmcb = c->vmcb;
	u64 root = vmcb->control.nested_cr3;

	if (!(vmcb->control.nested_ctl & SVM_NESTED_CTL_NP_ENABLE))
		return false;
	RULE(c->env->maxphyaddr < 64 && root >> c->env->maxphyaddr, F_N_CR3, root,
	     "bits above the physical address width must be zero");
	RULE(is_pat_broken(vmcb->save.g_pat), F_G_PAT, vmcb->save.g_pat, "each byte must be a memory type");
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
static bool check_event(const struct check *c)
{
	const struct vmcb *vmcb = c->vmcb;
	u32 info = vmcb->control.event_inj;
	u32 type = info & SVM_EVTINJ_TYPE_MASK;
	u8 vector = info & SVM_EVTINJ_VEC_MASK;

	if (!(info & SVM_EVTINJ_VALID))
		return false;
	RULE(type != SVM_EVTINJ_TYPE_INTR && type != SVM_EVTINJ_TYPE_NMI && type != SVM_EVTINJ_TYPE_EXEPT &&
	     type != SVM_EVTINJ_TYPE_SOFT, F_EVENTINJ, info, "the type is reserved");
	if (type != SVM_EVTINJ_TYPE_EXEPT)
		return false;
	RULE(vector > 31 || !(IS_EXCEPTION & (1u << vector)) || (vector == CP_VECTOR && !(c->env->cr4 & CR4_CET)), F_EVENTINJ, info,
	     "the vector is no exception of this CPU");
	RULE((info & SVM_EVTINJ_VALID_ERR) && !(HAS_ERROR_CODE & (1u << vector)), F_EVENTINJ, info,
	     "this exception has no error code");
	RULE(vector == 5 && (vmcb->save.efer & EFER_LMA) && (vmcb->save.cs.attrib & SVM_SELECTOR_L_MASK), F_EVENTINJ, info,
	     "#BR does not exist in 64-bit mode");
	return false;
}

/* Bases and RIP may hold anything (VMRUN makes bases canonical), so may TLB_CONTROL: the manual calls values reserved, not refused. */
bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct violation *v)
{
	struct check c = { .vmcb = vmcb, .env = env, .v = v };

	c.section = "Canonicalization and Consistency Checks";
	if (check_long_mode(&c) || check_control_registers(&c) || check_cet(&c) || check_maps(&c))
		return true;
	c.section = "VMRUN and Nested Paging";
	if (check_nested(&c))
		return true;
	c.section = "Event Injection";
	return check_event(&c);
}
