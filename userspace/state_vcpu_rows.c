// SPDX-License-Identifier: GPL-2.0-only
/*
 * The section "vcpu": names of what the kernel's structures hold.
 */
#include <string.h>

#include "state_fields.h"
#include "state_vcpu.h"

#define U(label, member)	STATE_ROW_UINT(label, struct state_vcpu, member)

#define SEGMENT(name)								\
	U(#name ".selector", sregs.name.selector), U(#name ".base", sregs.name.base),	\
	U(#name ".limit", sregs.name.limit), U(#name ".type", sregs.name.type),		\
	U(#name ".present", sregs.name.present), U(#name ".dpl", sregs.name.dpl),	\
	U(#name ".db", sregs.name.db), U(#name ".s", sregs.name.s), U(#name ".l", sregs.name.l), \
	U(#name ".g", sregs.name.g), U(#name ".avl", sregs.name.avl), U(#name ".unusable", sregs.name.unusable)

static const struct state_column cpuid_columns[] = {
	STATE_COLUMN(struct kvm_cpuid_entry2, function), STATE_COLUMN(struct kvm_cpuid_entry2, index),
	STATE_COLUMN(struct kvm_cpuid_entry2, flags), STATE_COLUMN(struct kvm_cpuid_entry2, eax),
	STATE_COLUMN(struct kvm_cpuid_entry2, ebx), STATE_COLUMN(struct kvm_cpuid_entry2, ecx),
	STATE_COLUMN(struct kvm_cpuid_entry2, edx),
};

static const struct state_column msr_columns[] = {
	STATE_COLUMN(struct state_msr, index), STATE_COLUMN(struct state_msr, value),
};

static const struct state_column xcr_columns[] = {
	STATE_COLUMN(struct kvm_xcr, xcr), STATE_COLUMN(struct kvm_xcr, value),
};

static const struct state_column word[] = { { 0, sizeof(uint64_t) } };

static const struct state_row rows[] = {
	STATE_ROW_TABLE("cpuid(function,index,flags,eax,ebx,ecx,edx)", struct state_vcpu, cpuid, cpuid_columns,
			offsetof(struct state_vcpu, cpuid_count)),
	U("tsc_khz", tsc_khz), U("tsc_offset", tsc_offset), U("has_tsc_offset", has_tsc_offset),
	U("rip", regs.rip), U("rflags", regs.rflags), U("rax", regs.rax), U("rbx", regs.rbx), U("rcx", regs.rcx),
	U("rdx", regs.rdx), U("rsi", regs.rsi), U("rdi", regs.rdi), U("rsp", regs.rsp), U("rbp", regs.rbp),
	U("r8", regs.r8), U("r9", regs.r9), U("r10", regs.r10), U("r11", regs.r11), U("r12", regs.r12),
	U("r13", regs.r13), U("r14", regs.r14), U("r15", regs.r15),
	SEGMENT(cs), SEGMENT(ds), SEGMENT(es), SEGMENT(fs), SEGMENT(gs), SEGMENT(ss), SEGMENT(tr), SEGMENT(ldt),
	U("gdt.base", sregs.gdt.base), U("gdt.limit", sregs.gdt.limit), U("idt.base", sregs.idt.base),
	U("idt.limit", sregs.idt.limit), U("cr0", sregs.cr0), U("cr2", sregs.cr2), U("cr3", sregs.cr3),
	U("cr4", sregs.cr4), U("cr8", sregs.cr8), U("efer", sregs.efer), U("apic_base", sregs.apic_base),
	U("sregs_flags", sregs.flags),
	STATE_ROW_TABLE("pdptrs(value)", struct state_vcpu, sregs.pdptrs, word, STATE_FIXED),
	STATE_ROW_TABLE("xcrs(index,value)", struct state_vcpu, xcrs.xcrs, xcr_columns,
			offsetof(struct state_vcpu, xcrs.nr_xcrs)),
	STATE_ROW_SOME_BYTES("xsave", struct state_vcpu, xsave, xsave_size),
	STATE_ROW_TABLE("db(value)", struct state_vcpu, debugregs.db, word, STATE_FIXED),
	U("dr6", debugregs.dr6), U("dr7", debugregs.dr7), U("debugregs_flags", debugregs.flags),
	STATE_ROW_TABLE("msrs(index,value)", struct state_vcpu, msrs, msr_columns,
			offsetof(struct state_vcpu, msr_count)),
	STATE_ROW_BYTES("lapic", struct state_vcpu, lapic),
	U("exception.injected", events.exception.injected), U("exception.nr", events.exception.nr),
	U("exception.has_error_code", events.exception.has_error_code),
	U("exception.pending", events.exception.pending), U("exception.error_code", events.exception.error_code),
	U("exception.has_payload", events.exception_has_payload), U("exception.payload", events.exception_payload),
	U("interrupt.injected", events.interrupt.injected), U("interrupt.nr", events.interrupt.nr),
	U("interrupt.soft", events.interrupt.soft), U("interrupt.shadow", events.interrupt.shadow),
	U("nmi.injected", events.nmi.injected), U("nmi.pending", events.nmi.pending),
	U("nmi.masked", events.nmi.masked), U("sipi_vector", events.sipi_vector), U("events_flags", events.flags),
	U("smi.smm", events.smi.smm), U("smi.pending", events.smi.pending),
	U("smi.smm_inside_nmi", events.smi.smm_inside_nmi), U("smi.latched_init", events.smi.latched_init),
	U("triple_fault", events.triple_fault.pending), U("mp_state", mp_state),
};

_Static_assert(ARRAY_SIZE(rows) <= STATE_ROWS_MAX, "the longest table fits");

/* What the kernel would not look at before it uses it. */
static bool check(const void *object, struct state_error *error)
{
	const struct state_vcpu *state = object;

	if (state->xsave_size < sizeof(struct kvm_xsave))
		return state_refuse(error, "has an 'xsave' of %u bytes, and %zu is the least", state->xsave_size,
				    sizeof(struct kvm_xsave));
	if (!state->cpuid_count)
		return state_refuse(error, "has no CPUID");
	return true;
}

const struct state_layout state_vcpu_layout = {
	.name = "vcpu",
	.version = 1,
	.rows = rows,
	.row_count = ARRAY_SIZE(rows),
	.size = sizeof(struct state_vcpu),
	.check = check,
};
