// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and events of a vCPU as KVM's structures: pairs of get and set, each the other's inverse.
 *
 * A setter checks first and changes afterwards, so that -EINVAL leaves the vCPU as it was. Hardware can hold what it lets through,
 * but for what KVM lets pass as well: a CR3 as wide as a guest's CPUID that promises more than the host has, and
 * exceptions that do not exist. An entry with one of these fails, and the backend says why.
 */
#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <uapi/linux/kvm.h>
#include <keel/access.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/pdpte.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "cpuid.h"

#define RFLAGS_DEFINED	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_TF | \
			 X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF | \
			 X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP | X86_EFLAGS_ID)

/* What the setters write, for vcpu_dirty() and for the message when an entry finds it wrong. */
#define REGS_GROUPS	(RG_RSP | RG_RIP | RG_RFLAGS)
#define SREGS_GROUPS	(RG_SEG | RG_DT | RG_CR0 | RG_CR2 | RG_CR3 | RG_CR4 | RG_EFER)
#define EVENTS_GROUPS	(RG_EVENT | RG_SHADOW)

/*
 * The backend looks anew at what the vCPU was in the midst of: a shadow beside another RFLAGS.TF, or a HLT that the guest executes by itself and
 * that ends with this.
 */
static void state_set(struct vcpu *vcpu, u32 groups)
{
	/* first: with another RIP it would be taken to be over */
	vcpu_need(vcpu, RG_SHADOW);
	vcpu_dirty(vcpu, groups | RG_SHADOW);
}

/* ---- general registers ---- */

/* General registers in the order of struct kvm_regs, which begins with them. */
static const u8 user_gprs[NR_GPRS] = {
	GPR_RAX, GPR_RBX, GPR_RCX, GPR_RDX, GPR_RSI, GPR_RDI, GPR_RSP, GPR_RBP,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
};
static_assert(offsetof(struct kvm_regs, rip) == NR_GPRS * sizeof(u64));

int keel_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	__u64 *user = (__u64 *)regs;
	unsigned int i;

	vcpu_need(vcpu, REGS_GROUPS);
	for (i = 0; i < NR_GPRS; i++)
		user[i] = vcpu->regs.gpr[user_gprs[i]];
	regs->rip = vcpu->regs.rip;
	regs->rflags = vcpu->regs.rflags;
	return 0;
}

int keel_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	const __u64 *user = (const __u64 *)regs;
	unsigned int i;

	/* an instruction half done for user space is over only if the launcher went elsewhere, and so is what MOV SS has put off */
	if (vcpu_rip(vcpu) != regs->rip) {
		emu_forget(&vcpu->emu);
		vcpu->io.watch_hits = 0;
	}
	for (i = 0; i < NR_GPRS; i++)
		vcpu->regs.gpr[user_gprs[i]] = user[i];
	vcpu->regs.rip = regs->rip;
	vcpu->regs.rflags = (regs->rflags & RFLAGS_DEFINED) | X86_EFLAGS_FIXED;
	state_set(vcpu, REGS_GROUPS);
	keel_origin_note(vcpu, BY_SET_REGS, REGS_GROUPS);
	/* a queued exception belongs to the instruction that is left */
	vcpu->events.exception.valid = false;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* ---- segments and control registers ---- */

static void segment_out(struct kvm_segment *out, const struct segment *seg)
{
	out->base = seg->base;
	out->limit = seg->limit;
	out->selector = seg->selector;
	out->type = seg->ar & SEG_TYPE;
	out->s = !!(seg->ar & SEG_S);
	out->dpl = seg_dpl(seg);
	out->present = !!(seg->ar & SEG_P);
	out->avl = !!(seg->ar & SEG_AVL);
	out->l = !!(seg->ar & SEG_L);
	out->db = !!(seg->ar & SEG_DB);
	out->g = !!(seg->ar & SEG_G);
	out->unusable = !!(seg->ar & SEG_UNUSABLE);
	out->padding = 0;
}

static void segment_in(struct segment *seg, const struct kvm_segment *in)
{
	seg->base = in->base;
	seg->limit = in->limit;
	seg->selector = in->selector;
	seg->ar = in->type & SEG_TYPE;
	seg->ar |= in->s & 1 ? SEG_S : 0;
	seg->ar |= (in->dpl & 3) << SEG_DPL_SHIFT;
	seg->ar |= in->present & 1 ? SEG_P : 0;
	seg->ar |= in->avl & 1 ? SEG_AVL : 0;
	seg->ar |= in->l & 1 ? SEG_L : 0;
	seg->ar |= in->db & 1 ? SEG_DB : 0;
	seg->ar |= in->g & 1 ? SEG_G : 0;
	seg->ar |= in->unusable & 1 ? SEG_UNUSABLE : 0;
}

/* Segments in the order of struct kvm_sregs, which begins with them. */
static const u8 user_segs[NR_SEGS] = { SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS, SEG_TR, SEG_LDTR };
static_assert(offsetof(struct kvm_sregs2, gdt) == NR_SEGS * sizeof(struct kvm_segment));

/* struct kvm_sregs2 begins like struct kvm_sregs, up to and including apic_base. */
static_assert(offsetof(struct kvm_sregs, apic_base) == offsetof(struct kvm_sregs2, apic_base));
static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) == offsetof(struct kvm_sregs2, flags));

static void sregs_out(struct vcpu *vcpu, struct kvm_sregs2 *s)
{
	struct vcpu_regs *r = &vcpu->regs;
	struct kvm_segment *user = (struct kvm_segment *)s;
	unsigned int i;

	vcpu_need(vcpu, SREGS_GROUPS);
	for (i = 0; i < NR_SEGS; i++)
		segment_out(&user[i], &r->seg[user_segs[i]]);
	s->gdt = (struct kvm_dtable){ .base = r->gdt.base, .limit = r->gdt.limit };
	s->idt = (struct kvm_dtable){ .base = r->idt.base, .limit = r->idt.limit };
	s->cr0 = r->cr0;
	s->cr2 = r->cr2;
	s->cr3 = r->cr3;
	s->cr4 = r->cr4;
	s->cr8 = keel_get_cr8(vcpu);
	s->efer = r->efer;
	s->apic_base = vcpu->apic.base;
}

/* Why registers were refused, in words. Return: -EINVAL, for the caller to return. */
static int refuse(struct vcpu *vcpu, const char *field, u64 value, const char *rule)
{
	keel_explain(vcpu->vm, vcpu->id, "special registers refused: %s = %#llx: %s", field, value, rule);
	return -EINVAL;
}

static int check_cr0(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	if ((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE))
		return refuse(vcpu, "CR0", s->cr0, "PG needs PE");
	if ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD))
		return refuse(vcpu, "CR0", s->cr0, "NW must be clear while CD is clear");
	if (s->cr0 >> 32)
		return refuse(vcpu, "CR0", s->cr0, "bits 63:32 must be zero");
	return 0;
}

static int check_long_mode(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	if (!(s->cr4 & X86_CR4_PAE))
		return refuse(vcpu, "CR4", s->cr4, "PAE must be set with EFER.LME and CR0.PG");
	if (!(s->efer & EFER_LMA))
		return refuse(vcpu, "EFER", s->efer, "LMA must be set with LME and CR0.PG");
	if (s->cr3 & vcpu->cpuid.reserved_gpa)
		return refuse(vcpu, "CR3", s->cr3, "bits above the guest's physical address width must be zero");
	if ((s->cs.l & 1) && (s->cs.db & 1))
		return refuse(vcpu, "CS", s->cs.selector, "L and D must not both be set in long mode");
	return 0;
}

static int check_legacy_mode(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	if (s->efer & EFER_LMA)
		return refuse(vcpu, "EFER", s->efer, "LMA must be clear without LME and CR0.PG");
	if (s->cs.l & 1)
		return refuse(vcpu, "CS", s->cs.selector, "L must be clear outside long mode");
	if (s->cr4 & X86_CR4_PCIDE)
		return refuse(vcpu, "CR4", s->cr4, "PCIDE must be clear outside long mode");
	return 0;
}

/* SDM, "Checks on Guest Control Registers, Debug Registers, and MSRs"; APM, "Canonicalization and Consistency Checks" */
static int check_sregs(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	int ret = check_cr0(vcpu, s);

	if (ret)
		return ret;
	/* by what the host offers, whatever the guest's CPUID says, as on KVM */
	if (s->efer & ~cpuid_offered_bits[SET_EFER])
		return refuse(vcpu, "EFER", s->efer, "bits that this host has not must be zero");
	if (s->cr4 & ~vcpu->cpuid.allowed[SET_CR4])
		return refuse(vcpu, "CR4", s->cr4, "bits that host and guest CPUID do not both have must be zero");
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG))
		return check_long_mode(vcpu, s);
	return check_legacy_mode(vcpu, s);
}

/*
 * The four entries that a launcher gives for PAE paging. With reserved bits no load of CR3 would have taken them, and no VM entry does. Where AMD's
 * CPUs read them from memory at each walk, they are not looked at.
 */
static int check_pdptes(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	u64 reserved = keel_pdpte_reserved(vcpu);
	unsigned int i;

	if (!is_pae_paging(s->cr0, s->cr4, s->efer))
		return refuse(vcpu, "flags", s->flags, "PDPTRS_VALID needs PAE paging outside long mode");
	for (i = 0; i < ARRAY_SIZE(s->pdptrs); i++) {
		if ((s->pdptrs[i] & 1) && (s->pdptrs[i] & reserved))
			return refuse(vcpu, "PDPTE", s->pdptrs[i], "reserved bits must be zero");
	}
	return 0;
}

static void segments_in(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	const struct kvm_segment *user = (const struct kvm_segment *)s;
	unsigned int i;

	for (i = 0; i < NR_SEGS; i++)
		segment_in(&vcpu->regs.seg[user_segs[i]], &user[i]);
	vcpu->regs.gdt = (struct desc_table){ .base = s->gdt.base, .limit = s->gdt.limit };
	vcpu->regs.idt = (struct desc_table){ .base = s->idt.base, .limit = s->idt.limit };
}

/* Launchers that reset the boot processor by its registers alone do not wake it. */
static void wake_if_reset(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	if (vcpu->id == vcpu->vm->bsp_id && vcpu_rip(vcpu) == 0xfff0 && s->cs.selector == 0xf000 &&
	    s->cs.base == 0xffff0000 && !(s->cr0 & X86_CR0_PE))
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

static int sregs_in(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	struct vcpu_regs *r = &vcpu->regs;
	int ret = check_sregs(vcpu, s);

	if (ret)
		return ret;
	if (keel_apic_base_set(vcpu, s->apic_base, true))
		return refuse(vcpu, "APIC_BASE", s->apic_base, "reserved bits must be zero, and x2APIC needs EN");
	segments_in(vcpu, s);
	r->cr0 = (s->cr0 & CR0_DEFINED) | X86_CR0_ET;
	r->cr2 = s->cr2;
	r->cr3 = s->cr3;
	r->cr4 = s->cr4;
	r->efer = s->efer;
	state_set(vcpu, SREGS_GROUPS);
	keel_set_cr8(vcpu, s->cr8);		/* no effect if reserved bits are set, as on KVM */
	keel_cpuid_update_runtime(vcpu);
	keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	wake_if_reset(vcpu, s);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* The interrupt on its way into the guest, -1 for none. */
static int interrupt_in_flight(const struct vcpu_events *ev)
{
	if (ev->injected.valid && ev->injected.type == EVENT_INTR)
		return ev->injected.vector;
	if (ev->held.valid)
		return ev->held.vector;
	return ev->user_irq;
}

/*
 * What interrupt_in_flight() has told comes back: it takes that one's place, beside an exception or NMI on the way. It goes in as soon as
 * the guest takes interrupts: at once, if it was on its way itself.
 */
static void interrupt_in(struct vcpu_events *ev, u8 vector)
{
	if (ev->injected.type == EVENT_INTR)
		ev->injected.valid = false;
	ev->user_irq = -1;
	ev->held = (struct event){ .valid = true, .type = EVENT_INTR, .vector = vector };
}

int keel_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	int vector = interrupt_in_flight(&vcpu->events);
	struct kvm_sregs2 s = { };

	sregs_out(vcpu, &s);
	memcpy(sregs, &s, offsetof(struct kvm_sregs, interrupt_bitmap));
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	if (vector >= 0)
		sregs->interrupt_bitmap[vector / 64] |= BIT_ULL(vector % 64);
	return 0;
}

int keel_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct kvm_sregs2 s = { };
	unsigned int i;
	int ret;

	memcpy(&s, sregs, offsetof(struct kvm_sregs, interrupt_bitmap));
	ret = sregs_in(vcpu, &s);
	if (ret)
		return ret;
	keel_origin_note(vcpu, BY_SET_SREGS, SREGS_GROUPS);
	for (i = 0; i < ARRAY_SIZE(sregs->interrupt_bitmap); i++) {
		u64 bits = sregs->interrupt_bitmap[i];

		if (!bits)
			continue;
		interrupt_in(&vcpu->events, i * 64 + __ffs64(bits));
		keel_origin_note(vcpu, BY_SET_SREGS, RG_EVENT);
		break;
	}
	return 0;
}

int keel_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	sregs_out(vcpu, sregs);
	if (is_pae_paging(sregs->cr0, sregs->cr4, sregs->efer) && !keel_read_pdptes(vcpu, sregs->pdptrs))
		sregs->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return 0;
}

/* Without PDPTRS_VALID the four PDPTEs are taken from guest memory, as by a MOV to CR3. */
int keel_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	bool has_pdptes = sregs->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	int ret;

	if (sregs->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return refuse(vcpu, "flags", sregs->flags, "unknown bits must be zero");
	ret = has_pdptes ? check_pdptes(vcpu, sregs) : 0;
	if (!ret)
		ret = sregs_in(vcpu, sregs);
	if (ret)
		return ret;
	if (has_pdptes)
		keel_put_pdptes(vcpu, sregs->pdptrs);
	keel_origin_note(vcpu, BY_SET_SREGS2, SREGS_GROUPS);
	return 0;
}

/* ---- FPU and extended state ---- */

int keel_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	return keel_host_fpu_get_fpu(&vcpu->fpu, fpu);
}

int keel_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu)
{
	return keel_host_fpu_set_fpu(&vcpu->fpu, fpu);
}

int keel_get_xsave(struct vcpu *vcpu, void *buf, unsigned int size)
{
	keel_host_fpu_get_xsave(&vcpu->fpu, buf, size, vcpu->cpuid.xcr0_allowed, vcpu->xstate.pkru);
	return 0;
}

int keel_set_xsave(struct vcpu *vcpu, const void *buf)
{
	return keel_host_fpu_set_xsave(&vcpu->fpu, buf, keel_host_fpu_supported_xcr0(), &vcpu->xstate.pkru);
}

int keel_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].value = vcpu->xstate.xcr0;
	return 0;
}

int keel_set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		u64 val = xcrs->xcrs[i].value;

		if (xcrs->xcrs[i].xcr != 0)
			continue;
		/* the present value goes back in also where the guest's CPUID offers no XSAVE */
		return val != vcpu->xstate.xcr0 && keel_set_xcr(vcpu, 0, val) ? -EINVAL : 0;
	}
	return 0;
}

/* ---- debug registers ---- */

int keel_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg)
{
	vcpu_need(vcpu, RG_DR);
	memset(dbg, 0, sizeof(*dbg));
	memcpy(dbg->db, vcpu->regs.dr, sizeof(dbg->db));
	dbg->dr6 = vcpu->regs.dr6;
	dbg->dr7 = vcpu->regs.dr7;
	return 0;
}

int keel_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *dbg)
{
	if (dbg->flags || dbg->dr6 >> 32 || dbg->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->regs.dr, dbg->db, sizeof(vcpu->regs.dr));
	vcpu->regs.dr6 = dbg->dr6;
	vcpu->regs.dr7 = dbg->dr7;
	vcpu_dirty(vcpu, RG_DR);
	keel_origin_note(vcpu, BY_SET_DEBUGREGS, RG_DR);
	return 0;
}

/* ---- events ---- */

static void exception_out(struct vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct vcpu_events *ev = &vcpu->events;
	const struct event *e = &ev->exception;

	if (!vcpu->vm->exception_payload)
		keel_apply_payload(vcpu);
	if (!e->valid && ev->injected.valid && ev->injected.type == EVENT_EXCEPTION) {
		e = &ev->injected;
		out->exception.injected = 1;
	} else if (e->valid) {
		out->exception.pending = 1;
		/* one bit for both, for launchers that do not know the difference */
		out->exception.injected = !vcpu->vm->exception_payload;
		out->exception_has_payload = ev->has_payload;
		out->exception_payload = ev->payload;
	} else {
		return;
	}
	out->exception.nr = e->vector;
	out->exception.has_error_code = e->has_error;
	out->exception.error_code = e->error;
}

int keel_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct vcpu_events *ev = &vcpu->events;
	int vector = interrupt_in_flight(ev);

	memset(out, 0, sizeof(*out));
	vcpu_need(vcpu, RG_SHADOW);
	exception_out(vcpu, out);
	if (vector >= 0) {
		out->interrupt.injected = 1;
		out->interrupt.nr = vector;
	}
	out->interrupt.shadow = ev->shadow;
	out->nmi.injected = ev->injected.valid && ev->injected.type == EVENT_NMI;
	out->nmi.pending = atomic_read(&ev->nmi_pending);
	out->nmi.masked = ev->nmi_masked;
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->exception_payload)
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		out->triple_fault.pending = vcpu_test_request(vcpu, REQ_TRIPLE_FAULT);
	}
	return 0;
}

#define EVENTS_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SHADOW | \
			 KVM_VCPUEVENT_VALID_SMM | KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

static bool events_valid(struct vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	bool pending = (in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && in->exception.pending;

	if (in->flags & ~EVENTS_FLAGS)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !vcpu->vm->exception_payload)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vcpu->vm->triple_fault_event)
		return false;
	if ((in->exception.injected || pending) && (in->exception.nr > 31 || in->exception.nr == X86_TRAP_NMI))
		return false;
	/* there is no system management mode to be in */
	return !(in->flags & KVM_VCPUEVENT_VALID_SMM) || (!in->smi.smm && !in->smi.pending);
}

/*
 * One event was on its way into the guest; which one it is follows the order in which hardware reports it. An interrupt may wait behind
 * it.
 */
static void injected_in(struct vcpu_events *ev, const struct kvm_vcpu_events *in, const struct event *exception)
{
	ev->injected.valid = false;
	ev->held.valid = false;
	if (exception->valid)
		ev->injected = *exception;
	else if (in->nmi.injected)
		ev->injected = (struct event){ .valid = true, .type = EVENT_NMI, .vector = X86_TRAP_NMI };
	else if (in->interrupt.injected && in->interrupt.soft)
		ev->injected = (struct event){ .valid = true, .type = EVENT_SOFT_INTR, .vector = in->interrupt.nr };
	if (in->interrupt.injected && !in->interrupt.soft)
		interrupt_in(ev, in->interrupt.nr);
}

int keel_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct vcpu_events *ev = &vcpu->events;
	bool with_payload = in->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	struct event exception = {
		.type = EVENT_EXCEPTION,
		.vector = in->exception.nr,
		.has_error = in->exception.has_error_code,
		.error = in->exception.error_code,
	};

	if (!events_valid(vcpu, in))
		return -EINVAL;
	/* the guest may have ended the NMI by an IRET that made no exit */
	vcpu_need(vcpu, RG_SHADOW);
	exception.valid = with_payload && in->exception.pending;
	ev->exception = exception;
	ev->has_payload = exception.valid && in->exception_has_payload;
	ev->payload = in->exception_payload;
	exception.valid = in->exception.injected && !exception.valid;
	ev->user_irq = -1;
	injected_in(ev, in, &exception);
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		ev->shadow = in->interrupt.shadow & (SHADOW_STI | SHADOW_MOVSS);
	vcpu_dirty(vcpu, RG_SHADOW);
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		atomic_set(&ev->nmi_pending, min_t(int, in->nmi.pending, 2));
	if (in->nmi.masked && !ev->nmi_masked)
		keel_nmi_mask(vcpu);
	else if (!in->nmi.masked && ev->nmi_masked)
		keel_nmi_unblock(vcpu);
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (in->triple_fault.pending)
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		else
			clear_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	keel_origin_note(vcpu, BY_SET_VCPU_EVENTS, EVENTS_GROUPS);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

int keel_user_interrupt(struct vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq > 255)
		return -EINVAL;
	switch (vcpu->vm->irq_mode) {
	case IRQCHIP_KERNEL:
		return -ENXIO;
	case IRQCHIP_SPLIT:
		/* the acknowledge cycle of the launcher's 8259 has given it this vector; it cannot take another */
		if (vcpu->events.user_irq >= 0)
			return -EEXIST;
		break;
	case IRQCHIP_NONE:
		break;
	}
	vcpu->events.user_irq = irq->irq;
	keel_origin_note(vcpu, BY_INTERRUPT, RG_EVENT);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* ---- run state, translation ---- */

/*
 * An INIT or SIPI that the vCPU has not seen yet, because it does not run, is in no saved state but this one: it takes effect now.
 * Launchers know that and read the registers afterwards.
 */
int keel_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *mp)
{
	keel_lapic_accept_init_sipi(vcpu);
	mp->mp_state = vcpu->mp_state;
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && vcpu->pv.unhalt)
		mp->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

int keel_set_mp_state(struct vcpu *vcpu, const struct kvm_mp_state *mp)
{
	switch (mp->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_AP_RESET_HOLD:
		if (!vcpu->lapic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = mp->mp_state;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

int keel_translate(struct vcpu *vcpu, struct kvm_translation *tr)
{
	struct walk walk;
	int ret = keel_walk(vcpu, tr->linear_address, WALK_IMPLICIT | WALK_NO_AD, &walk);

	memset((void *)tr + sizeof(tr->linear_address), 0, sizeof(*tr) - sizeof(tr->linear_address));
	tr->physical_address = ret ? KEEL_INVALID_GPA : walk.gpa;
	tr->valid = !ret;
	tr->writeable = 1;
	return 0;
}

/* ---- registers in the shared page ---- */

void keel_sync_regs_out(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 wanted = READ_ONCE(run->kvm_valid_regs);

	if (wanted & KVM_SYNC_X86_REGS)
		keel_get_regs(vcpu, &run->s.regs.regs);
	if (wanted & KVM_SYNC_X86_SREGS)
		keel_get_sregs(vcpu, &run->s.regs.sregs);
	if (wanted & KVM_SYNC_X86_EVENTS)
		keel_get_events(vcpu, &run->s.regs.events);
}

static int sync_sregs_in(struct vcpu *vcpu)
{
	/* user space may write to the page meanwhile: check and use one copy */
	struct kvm_sregs sregs = vcpu->run->s.regs.sregs;

	barrier_data(&sregs);
	return keel_set_sregs(vcpu, &sregs);
}

static int sync_events_in(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = vcpu->run->s.regs.events;

	barrier_data(&events);
	return keel_set_events(vcpu, &events);
}

int keel_sync_regs_in(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);

	if (dirty & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		keel_set_regs(vcpu, &run->s.regs.regs);
		keel_origin_note(vcpu, BY_RUN, REGS_GROUPS);
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		if (sync_sregs_in(vcpu))
			return -EINVAL;
		keel_origin_note(vcpu, BY_RUN, SREGS_GROUPS);
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		if (sync_events_in(vcpu))
			return -EINVAL;
		keel_origin_note(vcpu, BY_RUN, EVENTS_GROUPS);
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}
