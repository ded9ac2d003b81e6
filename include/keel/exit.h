/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The return rule and the verbs that a vendor's exit switch calls. They may sleep; those for the inner loop are in exit_fast.h.
 *
 * Level 1 (exit_fast.c and exit_slow.c of vmx/ and svm/) turns hardware bits into the small structs below; level 2 (core/) acts on them and
 * knows no hardware.
 */
#ifndef KEEL_EXIT_H
#define KEEL_EXIT_H

#include <linux/errno.h>
#include <keel/emulate_op.h>
#include <keel/types.h>

/**
 * enum run_result - by which all verbs return; a negative errno goes to the caller of KVM_RUN
 * @RUN_USER: go to user space; vcpu->run->exit_reason is filled
 * @RUN_RESUME: handled, enter the guest again
 * @RUN_SLOW: nothing was changed, ask again where sleeping is allowed: the inner loop ends, and
 *	vendor_ops.exit_slow() is called
 * @RUN_LEAVE: handled, but the inner loop ends
 */
enum run_result {
	RUN_USER,
	RUN_RESUME,
	RUN_SLOW,
	RUN_LEAVE,
};

/* Of KVM_RUN: the vCPU is to be held, and KVM_RUN begins again afterwards (core/hold.c). */
#define RUN_HELD	(-ERESTART)

/* Why a second-level translation failed: struct fault_exit.access. */
#define FAULT_READ	BIT(0)
#define FAULT_WRITE	BIT(1)
#define FAULT_FETCH	BIT(2)
#define FAULT_PRESENT	BIT(4)	/* an entry was there but forbade the access */
#define FAULT_TABLE	BIT(5)	/* while the CPU walked the guest's own page tables */
#define FAULT_RESERVED	BIT(6)	/* reserved bits set in a second-level entry */

/**
 * struct fault_exit - one nested page fault or EPT violation
 * @gpa: faulting guest physical address
 * @access: FAULT_* bits
 * @insn: instruction bytes delivered by the CPU (decode assists), or NULL
 * @insn_len: number of valid bytes at @insn
 */
struct fault_exit {
	gpa_t gpa;
	u32 access;
	const u8 *insn;
	u8 insn_len;
};

/**
 * struct page_fault_exit - a page fault of the guest that the CPU has not delivered (shadow paging)
 * @gva: faulting address
 * @access: WALK_* of guest_access.h
 * @is_delivery: not an instruction made the access but the delivery of an event
 * @insn: instruction bytes delivered by the CPU (decode assists), or NULL
 * @insn_len: number of valid bytes at @insn
 */
struct page_fault_exit {
	gva_t gva;
	u32 access;
	bool is_delivery;
	const u8 *insn;
	u8 insn_len;
};

/**
 * struct task_gate_exit - an event has found a task gate, and the CPU leaves the switch to us
 * @tss: selector in the gate
 * @event: which must not go in again
 * @is_software: from INT n, INT3 or INTO, at which RIP still is
 * @length: of that instruction
 */
struct task_gate_exit {
	u16 tss;
	bool is_software;
	u8 length;
	const struct event *event;
};

/**
 * keel_do_insn() - carry out an instruction that was intercepted, or that the emulator leaves
 * @vcpu: on its own thread, loaded
 * @op: which; of those with an operand it is in vcpu->emu
 * @len: its length
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says; RUN_SLOW for an instruction that is not served here.
 */
int keel_do_insn(struct vcpu *vcpu, enum emu_op op, unsigned int len);
/**
 * keel_do_fault() - a second-level fault: map the page, or emulate the access
 * @vcpu: the vCPU
 * @fault: what is known of it
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_fault(struct vcpu *vcpu, const struct fault_exit *fault);
/**
 * keel_do_page_fault() - a page fault of a guest on shadow tables: its own, or to be filled, or an access to be emulated
 * @vcpu: the vCPU
 * @fault: what is known of it
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_page_fault(struct vcpu *vcpu, const struct page_fault_exit *fault);
/**
 * keel_do_pause() - pause filter or pause-loop exit: yield to another vCPU
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_pause(struct vcpu *vcpu);
/**
 * keel_do_triple_fault() - KVM_EXIT_SHUTDOWN
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_triple_fault(struct vcpu *vcpu);
/**
 * keel_do_undefined() - an instruction that is intercepted and not offered: #UD
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_undefined(struct vcpu *vcpu);
/**
 * keel_do_gp() - #GP(0)
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_gp(struct vcpu *vcpu);
/**
 * keel_do_debug_exit() - KVM_EXIT_DEBUG
 * @vcpu: the vCPU
 * @vector: 1 or 3
 * @dr6: for run->debug
 * @dr7: for run->debug
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_debug_exit(struct vcpu *vcpu, u32 vector, u64 dr6, u64 dr7);
/**
 * keel_do_breakpoint() - #BP: the launcher's, or the guest's
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_breakpoint(struct vcpu *vcpu);
/**
 * keel_do_alignment_check() - #AC: the guest's, or the host's detection of split locks
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_alignment_check(struct vcpu *vcpu);
/**
 * keel_do_mov_to_cr() - MOV to a control register
 * @vcpu: the vCPU
 * @n: the control register
 * @reg: the general register
 * @len: length of the instruction
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_mov_to_cr(struct vcpu *vcpu, unsigned int n, unsigned int reg, unsigned int len);
/**
 * keel_do_emulate() - decode and emulate the instruction at RIP
 * @vcpu: the vCPU
 * @insn: its bytes as in struct fault_exit, NULL to fetch them
 * @insn_len: how many
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_emulate(struct vcpu *vcpu, const u8 *insn, unsigned int insn_len);
/**
 * keel_do_task_gate() - an event has found a task gate: switch tasks
 * @vcpu: the vCPU
 * @exit: what is known of it
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_task_gate(struct vcpu *vcpu, const struct task_gate_exit *exit);
/**
 * keel_do_event() - deliver an event by software, where the CPU cannot be entered
 * @vcpu: the vCPU
 * @event: it has been given back (keel_event_interrupted())
 * @length: bytes of the instruction that it comes from and returns behind, else 0
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_event(struct vcpu *vcpu, const struct event *event, unsigned int length);

#endif
