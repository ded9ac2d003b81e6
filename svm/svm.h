/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct svm_vcpu, the VMCB of <asm/svm.h>, and the only ways to change what the CPU may cache of it.
 *
 * The CPU keeps parts of a VMCB from one VMRUN to the next; a clean bit per part says that memory has not changed
 * (AMD APM, "VMCB State Caching"). Every store to such a part goes through a setter here or is followed by vmcb_changed().
 */
#ifndef KEEL_SVM_SVM_H
#define KEEL_SVM_SVM_H

#include <linux/bits.h>
#include <asm/svm.h>
#include <keel/exit.h>
#include <keel/types.h>
#include <keel/vcpu.h>

/* Clean bits */
#define VMCB_CLEAN_INTERCEPTS	BIT(0)	/* intercepts, TSC offset, pause filter */
#define VMCB_CLEAN_PERM		BIT(1)	/* IOPM, MSRPM */
#define VMCB_CLEAN_ASID		BIT(2)
#define VMCB_CLEAN_INTR		BIT(3)	/* V_TPR, V_IRQ and the rest of int_ctl, int_vector */
#define VMCB_CLEAN_NPT		BIT(4)	/* nested CR3, G_PAT */
#define VMCB_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DR		BIT(6)	/* DR6, DR7 */
#define VMCB_CLEAN_DT		BIT(7)	/* GDTR, IDTR */
#define VMCB_CLEAN_SEG		BIT(8)	/* CS, DS, SS, ES, CPL */
#define VMCB_CLEAN_CR2		BIT(9)
#define VMCB_CLEAN_LBR		BIT(10)	/* DBGCTL, branch and exception records */
#define VMCB_CLEAN_ALL		GENMASK(10, 0)

/**
 * enum svm_rare - why an entry or exit leaves the straight path
 * @RARE_INJECTED: an event was handed over for this entry
 * @RARE_DR: guest values belong in DR0-3
 * @RARE_IRET: an IRET that ends an NMI was intercepted and is about to execute
 * @RARE_STEP: one instruction, then core looks at NMIs again
 * @RARE_DEBUG: the launcher single-steps
 * @RARE_TF: RFLAGS.TF is ours
 * @RARE_DEBUGCTL: the host's DEBUGCTL is kept out of the guest
 * @RARE_SHADOW: shadow paging: CR0 and CR3 in the VMCB are not the guest's
 */
enum svm_rare {
	RARE_INJECTED	= BIT(0),
	RARE_DR		= BIT(1),
	RARE_IRET	= BIT(2),
	RARE_STEP	= BIT(3),
	RARE_DEBUG	= BIT(4),
	RARE_TF		= RARE_STEP | RARE_DEBUG,
	RARE_DEBUGCTL	= BIT(5),
	RARE_SHADOW	= BIT(6),
};

/**
 * struct svm_vcpu - a vCPU on SVM
 * @vmcb: its VMCB, one page
 * @vmcb_pa: physical address, with the memory encryption bit of the host where that is on
 * @host_pa: this CPU's area for the host's FS, GS, TR, LDTR and system-call MSRs; while loaded
 * @root: shadow paging: CR3 as it was loaded last
 * @spec: host's SPEC_CTRL with SPEC_SWITCH when it must be restored after each exit, else 0
 * @rare: RARE_*
 * @int_ctl: as last written; V_TPR is compared after each exit
 * @asid_generation: generation of the CPU's pool that the ASID is of
 * @last_cpu: CPU of the last load, -1 for none
 * @inject_info: EVENTINJ of this entry, while RARE_INJECTED
 * @inject_len: length of the INT instruction that RIP was moved over for it
 * @iret_rip: address of the IRET, while RARE_IRET
 * @step_rip: address of the instruction that RARE_TF applies to
 * @step_dr6: DR6 before it
 * @step_tf: the guest's own TF
 * @stepped: the #DB of this exit is our step's
 * @fault: the last nested page fault, decoded; here and not on the stack, where each exit would pay for its guard
 */
struct svm_vcpu {
	struct vcpu vcpu;		/* first: entry.S and the core rely on it */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	u64 host_pa;
	u64 root;
	u64 spec;
	u32 rare;
	u32 int_ctl;
	int last_cpu;
	u64 asid_generation;
	bool step_tf;
	bool stepped;
	u8 inject_len;
	u32 inject_info;
	u64 iret_rip;
	u64 step_rip;
	u64 step_dr6;
	struct fault_exit fault;
};

/* Register groups that the guest cannot change without an exit. */
#define SVM_KEPT	(RG_CR4 | RG_EFER | RG_PAT | RG_ROOT | RG_TSC | RG_TPR | RG_DEADLINE)

static inline struct svm_vcpu *to_svm(struct vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

/*
 * Parts of the VMCB were changed. By one instruction: the preempt notifier clears the others where its thread comes to another CPU (svm_cpu_load()),
 * and none of them may come back.
 */
static __always_inline void vmcb_changed(struct vmcb *vmcb, u32 parts)
{
	asm volatile("andl %1, %0" : "+m" (vmcb->control.clean) : "er" (~parts) : "cc");
}

static inline void vmcb_intercept(struct vmcb *vmcb, unsigned int bit)
{
	vmcb->control.intercepts[bit / 32] |= BIT(bit % 32);
	vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
}

static inline void vmcb_pass(struct vmcb *vmcb, unsigned int bit)
{
	vmcb->control.intercepts[bit / 32] &= ~BIT(bit % 32);
	vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
}

static inline void svm_set_int_ctl(struct svm_vcpu *svm, u32 val)
{
	svm->int_ctl = val;
	svm->vmcb->control.int_ctl = val;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_INTR);
}

/**
 * svm_run() - entry.S: VMLOAD, VMRUN, VMSAVE, and the host's state again
 * @regs: general registers but RAX and RSP, in and out
 * @vmcb_pa: the guest
 * @host_pa: the host's part that VMLOAD restores
 * @spec: struct svm_vcpu.spec
 *
 * Context: interrupts off, RCU need not watch. GIF is clear on return.
 */
void svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec);

#endif
