/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verbs of a vendor's exit switch for the inner loop: called with interrupts off, they do not sleep. RIP and RFLAGS are valid.
 */
#ifndef KEEL_EXIT_FAST_H
#define KEEL_EXIT_FAST_H

#include <keel/exit.h>

struct vcpu;

/**
 * keel_do_cpuid() - CPUID
 * @vcpu: the vCPU
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_do_cpuid(struct vcpu *vcpu, unsigned int len);
/**
 * keel_do_hlt() - HLT
 * @vcpu: the vCPU
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_do_hlt(struct vcpu *vcpu, unsigned int len);
/**
 * keel_fast_rdmsr() - RDMSR
 * @vcpu: the vCPU
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_fast_rdmsr(struct vcpu *vcpu, unsigned int len);
/**
 * keel_fast_wrmsr() - WRMSR
 * @vcpu: the vCPU
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_fast_wrmsr(struct vcpu *vcpu, unsigned int len);
/**
 * keel_fast_hypercall() - VMCALL or VMMCALL
 * @vcpu: the vCPU; CS and CPL are valid (RG_CODE or RG_SEG)
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_fast_hypercall(struct vcpu *vcpu, unsigned int len);
/**
 * keel_fast_io() - IN or OUT; INS and OUTS are left to the emulator
 * @vcpu: the vCPU; RIP and RFLAGS are valid
 * @port: first port
 * @size: 1, 2 or 4 bytes
 * @len: bytes of the instruction
 * @direction: KVM_EXIT_IO_IN or KVM_EXIT_IO_OUT
 *
 * Context: the vCPU's own thread, loaded, interrupts off. Return: as enum run_result says.
 */
int keel_fast_io(struct vcpu *vcpu, u16 port, unsigned int size, unsigned int len, unsigned int direction);
/**
 * keel_fast_mov_to_cr3() - MOV to CR3 of a guest on shadow tables; CS is valid (RG_CODE or RG_SEG)
 * @vcpu: the vCPU
 * @reg: number of the general register
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_fast_mov_to_cr3(struct vcpu *vcpu, unsigned int reg, unsigned int len);
/**
 * keel_fast_invlpg() - INVLPG of a guest on shadow tables, by a supervisor
 * @vcpu: the vCPU
 * @gva: linear address
 * @len: bytes of the intercepted instruction; RIP is advanced by them once it is complete
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says.
 */
int keel_fast_invlpg(struct vcpu *vcpu, gva_t gva, unsigned int len);
/**
 * keel_fast_fault() - a second-level fault: an access to a device by a plain move
 * @vcpu: the vCPU
 * @fault: what is known of it
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: as enum run_result says; RUN_SLOW for all else: keel_do_fault().
 */
int keel_fast_fault(struct vcpu *vcpu, const struct fault_exit *fault);

#endif
