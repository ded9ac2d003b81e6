// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is intercepted: the VMCB's vectors, the I/O and the MSR permission maps.
 *
 * All ports exit, so one I/O map serves every VM. The MSR maps are shared as well: one as usual, one with direct access to
 * SPEC_CTRL, and one for VMs with an MSR filter, which is asked at every access. What a vCPU intercepts besides depends on
 * what its guest may know of (CPUID), what the launcher asked for (debugging, KVM_CAP_X86_DISABLE_EXITS), and where guest and
 * hardware values of a register differ.
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "caps.h"
#include "control.h"
#include "svm.h"

#define IOPM_ORDER	2	/* 12 KiB are used */
#define MSRPM_ORDER	1	/* 8 KiB */

#define PAUSE_COUNT	3000	/* PAUSEs in a row before the filter exits */
#define PAUSE_DISTANCE	128	/* cycles between them that still count as one spin */

static void *iopm;

enum msrpm {
	MSRPM_PLAIN,		/* direct_msrs[] */
	MSRPM_SPEC,		/* and SPEC_CTRL, which VMRUN switches */
	MSRPM_FILTERED,		/* none: the launcher's filter decides */
	NR_MSRPMS,
};

static void *msrpms[NR_MSRPMS];

/*
 * MSRs without any exit. Each is switched by VMLOAD and VMSAVE, or is part of a segment there. Not here:
 * EFER and PAT (policy), DEBUGCTL (host's), TSC (offset is added by RDTSC and RDMSR alike, but writes are policy),
 * TSC_AUX (host's value), APIC and x2APIC (virtual).
 */
static const u32 direct_msrs[] = {
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_SYSCALL_MASK,
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

/* Two bits an MSR, read and write, in three ranges of 8192 ("MSR Intercepts"). */
static void allow_msr(u8 *map, u32 msr)
{
	u32 offset = msr & 0x1fff;

	if (msr >= 0xc0010000)
		offset += 0x4000;
	else if (msr >= 0xc0000000)
		offset += 0x2000;
	map[offset / 4] &= ~(3u << (offset % 4 * 2));
}

static void *map_alloc(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL, order);

	if (!page)
		return NULL;
	return memset(page_address(page), 0xff, PAGE_SIZE << order);
}

int svm_maps_create(void)
{
	unsigned int i, n;

	iopm = map_alloc(IOPM_ORDER);
	if (!iopm)
		return -ENOMEM;
	for (n = 0; n < ARRAY_SIZE(msrpms); n++) {
		msrpms[n] = map_alloc(MSRPM_ORDER);
		if (!msrpms[n])
			goto err_destroy;
	}
	for (i = 0; i < ARRAY_SIZE(direct_msrs); i++) {
		allow_msr(msrpms[MSRPM_PLAIN], direct_msrs[i]);
		allow_msr(msrpms[MSRPM_SPEC], direct_msrs[i]);
	}
	allow_msr(msrpms[MSRPM_SPEC], MSR_IA32_SPEC_CTRL);
	return 0;

err_destroy:
	svm_maps_destroy();
	return -ENOMEM;
}

void svm_maps_destroy(void)
{
	unsigned int n;

	free_pages((unsigned long)iopm, IOPM_ORDER);
	iopm = NULL;
	for (n = 0; n < ARRAY_SIZE(msrpms); n++) {
		free_pages((unsigned long)msrpms[n], MSRPM_ORDER);
		msrpms[n] = NULL;
	}
}

static u64 map_pa(const void *map)
{
	return __sme_set(virt_to_phys((void *)map));
}

/* Intercepted in every guest, always. */
static const u8 required[] = {
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_INIT, INTERCEPT_VINTR,
	INTERCEPT_SELECTIVE_CR0, INTERCEPT_CR4_WRITE, INTERCEPT_CR8_WRITE,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD, INTERCEPT_WBINVD,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_SHUTDOWN,
	/* with EFER.SVME set in hardware these would work in the guest */
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI,
	INTERCEPT_SKINIT, INTERCEPT_INVLPGA,
	/* a guest can make the CPU deliver these without end, with no chance for an interrupt: break the loop */
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_DB, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_AC,
	/* the host's */
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_MC,
	/* may be the other vendor's hypercall instruction */
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_UD,
};

struct intercepts {
	u32 word[MAX_INTERCEPT];
};

static void want(struct intercepts *in, unsigned int bit)
{
	in->word[bit / 32] |= BIT(bit % 32);
}

static void want_if(struct intercepts *in, unsigned int bit, bool condition)
{
	if (condition)
		want(in, bit);
}

static void want_optional(struct svm_vcpu *svm, struct intercepts *in)
{
	struct vcpu *vcpu = &svm->vcpu;
	u32 off = READ_ONCE(vcpu->vm->disabled_exits);
	u32 debug = vcpu->debug.control;

	want_if(in, INTERCEPT_SMI, svm_caps.smi);
	want_if(in, INTERCEPT_XSETBV, svm_caps.xsave);
	want_if(in, INTERCEPT_RDPRU, svm_caps.rdpru);
	want_if(in, INTERCEPT_INVPCID, svm_caps.invpcid && (vcpu->shadow || !(vcpu->cpuid.flags & GUEST_HAS_INVPCID)));
	want_if(in, INTERCEPT_RDTSCP, !(vcpu->cpuid.flags & GUEST_HAS_RDTSCP));
	want_if(in, INTERCEPT_HLT, !(off & KVM_X86_DISABLE_EXITS_HLT));
	want_if(in, INTERCEPT_MONITOR, !(off & KVM_X86_DISABLE_EXITS_MWAIT));
	want_if(in, INTERCEPT_MWAIT, !(off & KVM_X86_DISABLE_EXITS_MWAIT));
	want_if(in, INTERCEPT_PAUSE, svm_caps.pause_filter && !(off & KVM_X86_DISABLE_EXITS_PAUSE));
	want_if(in, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_BP,
		(debug & KVM_GUESTDBG_ENABLE) && (debug & KVM_GUESTDBG_USE_SW_BP));
	want_if(in, INTERCEPT_IRET, vcpu->events.nmi_masked && !(svm->rare & RARE_IRET));
	/* the CPU would save our TF in the TSS of the task that is left: it executes in software */
	want_if(in, INTERCEPT_TASK_SWITCH, svm->rare & RARE_TF || vcpu->shadow);
}

/* What the guest sees of paging, hardware has otherwise. */
static void want_shadow(struct intercepts *in)
{
	static const u8 all[] = {
		INTERCEPT_CR0_READ, INTERCEPT_CR0_WRITE, INTERCEPT_CR3_READ, INTERCEPT_CR3_WRITE, INTERCEPT_CR4_READ, INTERCEPT_INVLPG,
		INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_PF,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		want(in, all[i]);
}

/*
 * svm_cr_intercepts() - intercept accesses to CR0 and CR4 while hardware holds another value than the guest sees
 */
void svm_cr_intercepts(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	const struct vcpu_regs *r = &svm->vcpu.regs;
	u32 *word = &vmcb->control.intercepts[INTERCEPT_CR];
	u32 wanted = *word & ~(u32)(BIT(INTERCEPT_CR0_READ) | BIT(INTERCEPT_CR0_WRITE) | BIT(INTERCEPT_CR4_READ));

	if (svm->vcpu.shadow)
		return;
	if (r->cr0 != vmcb->save.cr0)
		wanted |= BIT(INTERCEPT_CR0_READ) | BIT(INTERCEPT_CR0_WRITE);
	if (r->cr4 != vmcb->save.cr4)
		wanted |= BIT(INTERCEPT_CR4_READ);
	if (wanted == *word)
		return;
	*word = wanted;
	vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
}

/*
 * svm_intercepts_changed() - what decides about intercepts has changed: compute them again
 *
 * Context: loaded.
 */
void svm_intercepts_changed(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	struct intercepts in = { };
	enum msrpm map = MSRPM_PLAIN;
	unsigned int i;

	if (rcu_access_pointer(vcpu->vm->msr_filter))
		map = MSRPM_FILTERED;
	else if (svm_caps.spec_ctrl && (vcpu->cpuid.flags & GUEST_OWNS_SPEC_CTRL))
		map = MSRPM_SPEC;

	svm->rare &= ~RARE_DEBUG;
	if ((vcpu->debug.control & KVM_GUESTDBG_ENABLE) && (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		svm->rare |= RARE_DEBUG;

	for (i = 0; i < ARRAY_SIZE(required); i++)
		want(&in, required[i]);
	want_optional(svm, &in);
	if (vcpu->shadow)
		want_shadow(&in);
	memcpy(vmcb->control.intercepts, in.word, sizeof(in.word));
	vmcb->control.msrpm_base_pa = map_pa(msrpms[map]);
	vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_PERM);

	/* and what follows registers */
	vcpu_need(vcpu, RG_CR0 | RG_DR);
	vcpu_dirty(vcpu, RG_CR0 | RG_CR4 | RG_DR);
}

/*
 * svm_vmcb_init() - what stays the same for the life of a vCPU
 */
void svm_vmcb_init(struct svm_vcpu *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	control->iopm_base_pa = map_pa(iopm);
	control->msrpm_base_pa = map_pa(msrpms[MSRPM_PLAIN]);
	control->nested_ctl = svm->vcpu.shadow ? 0 : SVM_NESTED_CTL_NP_ENABLE;
	if (svm_caps.pause_filter)
		control->pause_filter_count = PAUSE_COUNT;
	if (svm_caps.pause_threshold)
		control->pause_filter_thresh = PAUSE_DISTANCE;
	svm_set_int_ctl(svm, V_INTR_MASKING_MASK);
}
