// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's register page in the hands of the CPU: TPR shadow, virtualized accesses, virtual-interrupt delivery.
 *
 * With a TPR shadow alone the guest reads and writes CR8 without an exit, and the TPR threshold exits when that lets an interrupt
 * through. On CPUs that can do more, the guest's accesses to the APIC's page or MSRs are served from the register page, interrupts
 * are delivered and ended by the CPU (irqchip/lapic_accel.c is the neutral part and says how the two take turns). That is so
 * while the APIC is in xAPIC mode at its usual address, or in x2APIC mode; in all other modes accesses exit as if the CPU had none of it.
 *
 * xAPIC accesses are recognised by the physical page that EPT maps at that address, the APIC-access page. One page serves all VMs:
 * nothing is ever read from it or written to it, as it is mapped in a VM only while every vCPU there has its accesses virtualized. A
 * vCPU in another mode blocks the mapping (keel_memory_apic_block()); until the last of them is gone all accesses are EPT
 * violations, and are served from the same register page in software.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/apicdef.h>
#include <asm/io.h>
#include <keel/exit.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "apic.h"
#include "caps.h"
#include "insn.h"
#include "vmx.h"

#define CPU2_MMIO	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define CPU2_MSRS	(SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)

/* APIC-access exit, exit qualification ("Exit Qualification for APIC-Access VM Exits") */
#define APICQ_OFFSET		GENMASK(11, 0)
#define APICQ_TYPE(qual)	(((qual) >> 12) & 15)
enum { APICQ_READ, APICQ_WRITE, APICQ_FETCH, APICQ_EVENT };

static struct page *access_page;

int vmx_apic_setup(void)
{
	if (!keel_caps.apic_accel)
		return 0;
	access_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return access_page ? 0 : -ENOMEM;
}

void vmx_apic_teardown(void)
{
	if (access_page)
		__free_page(access_page);
	access_page = NULL;
}

/* Needs a local APIC, whose page it is. */
bool vmx_has_tpr_shadow(struct vmx_vcpu *vmx)
{
	return keel_lapic_page(&vmx->vcpu) && (vmx_caps.cpu & CPU_BASED_TPR_SHADOW);
}

static void vmcs_write_eoi_exits(const u64 *vectors)
{
	vmcs_write64(EOI_EXIT_BITMAP0, vectors[0]);
	vmcs_write64(EOI_EXIT_BITMAP1, vectors[1]);
	vmcs_write64(EOI_EXIT_BITMAP2, vectors[2]);
	vmcs_write64(EOI_EXIT_BITMAP3, vectors[3]);
}

/*
 * vmx_apic_init() - VMCS fields that stay, and what is known of the others
 *
 * Context: VMCS current for the first time.
 */
void vmx_apic_init(struct vmx_vcpu *vmx)
{
	if (!vmx_has_tpr_shadow(vmx))
		return;
	vmcs_write64(VIRTUAL_APIC_PAGE_ADDR, virt_to_phys(keel_lapic_page(&vmx->vcpu)));
	vmcs_write32(TPR_THRESHOLD, vmx->tpr_threshold);
	if (!keel_caps.apic_accel)
		return;
	vmcs_write64(APIC_ACCESS_ADDR, page_to_phys(access_page));
	vmcs_write_eoi_exits(vmx->eoi_exits);
	vmcs_write16(GUEST_INTR_STATUS, 0);
}

/* A vCPU comes or goes; it comes without acceleration. */
void vmx_apic_create(struct vmx_vcpu *vmx)
{
	vmx->apic_mode = LAPIC_OFF;
	if (keel_caps.apic_accel)
		keel_memory_apic_block(vmx->vcpu.vm);
}

void vmx_apic_destroy(struct vmx_vcpu *vmx)
{
	if (keel_caps.apic_accel && vmx->apic_mode != LAPIC_MMIO)
		keel_memory_apic_unblock(vmx->vcpu.vm);
}

static enum lapic_mode accelerated_mode(const struct vcpu *vcpu)
{
	enum lapic_mode mode = keel_lapic_mode(vcpu);

	/* a debugger that holds interrupts back: the CPU would deliver them */
	if (!keel_caps.apic_accel || (vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ))
		return LAPIC_OFF;
	if (mode == LAPIC_MMIO || (mode == LAPIC_MSRS && (vmx_caps.cpu2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE)))
		return mode;
	return LAPIC_OFF;
}

static void change_mode(struct vmx_vcpu *vmx, enum lapic_mode mode)
{
	struct vcpu *vcpu = &vmx->vcpu;
	enum lapic_mode old = vmx->apic_mode;

	if (old == LAPIC_MMIO)
		keel_memory_apic_block(vcpu->vm);
	vmx->apic_mode = mode;
	vmx->wanted.cpu2 &= ~(u32)(CPU2_MMIO | CPU2_MSRS);
	if (mode == LAPIC_MMIO)
		vmx->wanted.cpu2 |= CPU2_MMIO;
	else if (mode == LAPIC_MSRS)
		vmx->wanted.cpu2 |= CPU2_MSRS;
	/* translations may remember whether the page is special ("Issues Pertaining to Page Tables and TLB Management") */
	vmx_rare_set(vmx, RARE_CONTROLS | RARE_FLUSH_EPT | RARE_FLUSH_VPID);
	if (mode == LAPIC_OFF)
		keel_lapic_accel_end(vcpu);
	else
		keel_lapic_accel_begin(vcpu);
	if (mode == LAPIC_MMIO)
		keel_memory_apic_unblock(vcpu->vm);
}

static void write_eoi_exits(struct vmx_vcpu *vmx)
{
	u64 vectors[4];

	keel_lapic_eoi_vectors(&vmx->vcpu, vectors);
	if (!memcmp(vectors, vmx->eoi_exits, sizeof(vectors)))
		return;
	memcpy(vmx->eoi_exits, vectors, sizeof(vectors));
	vmcs_write_eoi_exits(vectors);
}

/*
 * vmx_apic_changed() - the APIC's mode, or the vectors whose EOI must exit, may have changed
 *
 * Context: loaded, interrupts on.
 */
void vmx_apic_changed(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	enum lapic_mode mode;

	if (!vcpu->lapic || !keel_caps.apic_accel)
		return;
	mode = accelerated_mode(vcpu);
	if (mode != vmx->apic_mode)
		change_mode(vmx, mode);
	write_eoi_exits(vmx);
}

/* What is requested and in service, to the CPU. Interrupts off, before the entry. */
void vmx_levels_write(const struct lapic_levels *levels)
{
	u16 status = levels->in_service << 8 | levels->requested;

	if (vmcs_read16(GUEST_INTR_STATUS) != status)
		vmcs_write16(GUEST_INTR_STATUS, status);
}

/* Class that the task priority must fall below for an exit, 0 for none. */
void vmx_tpr_threshold(struct vmx_vcpu *vmx, u8 class)
{
	if (vmx->tpr_threshold == class)
		return;
	vmx->tpr_threshold = class;
	vmcs_write32(TPR_THRESHOLD, class);
}

/* ---- exits ---- */

/* The instruction is complete, the register is written. */
int vmx_exit_apic_write(struct vmx_vcpu *vmx)
{
	keel_lapic_written(&vmx->vcpu, vmcs_readl(EXIT_QUALIFICATION) & APICQ_OFFSET);
	return RUN_RESUME;
}

/* The instruction is complete, the interrupt is ended. */
int vmx_exit_eoi(struct vmx_vcpu *vmx)
{
	keel_lapic_ended(&vmx->vcpu, vmcs_readl(EXIT_QUALIFICATION));
	return RUN_RESUME;
}

int vmx_exit_tpr(struct vmx_vcpu *vmx)
{
	vmx_tpr_threshold(vmx, 0);
	vmx->vcpu.events.windows &= ~(0xfu << WINDOW_TPR_SHIFT);
	vcpu_request(&vmx->vcpu, REQ_EVENT);
	return RUN_RESUME;
}

/* An access that the CPU does not serve from the page: a fault on a device page, as any other. */
void vmx_decode_apic_access(struct fault_exit *fault)
{
	u32 qual = vmcs_readl(EXIT_QUALIFICATION);

	fault->gpa = APIC_DEFAULT_PHYS_BASE | (qual & APICQ_OFFSET);
	switch (APICQ_TYPE(qual)) {
	case APICQ_READ:
		fault->access = FAULT_READ;
		break;
	case APICQ_WRITE:
		fault->access = FAULT_WRITE;
		break;
	case APICQ_FETCH:
		fault->access = FAULT_FETCH;
		break;
	case APICQ_EVENT:
		fault->access = FAULT_WRITE | FAULT_TABLE;
		break;
	default:	/* by physical address: guest page tables */
		fault->access = FAULT_READ | FAULT_TABLE;
		break;
	}
}

/* Would mapping the APIC-access page spare the exits that @gpa causes? */
bool vmx_apic_page_wanted(const struct vmx_vcpu *vmx, gpa_t gpa)
{
	return vmx->apic_mode == LAPIC_MMIO && ((gpa ^ APIC_DEFAULT_PHYS_BASE) & PAGE_MASK) == 0 &&
	       !READ_ONCE(vmx->vcpu.vm->mem.apic_blocked);
}

/* Map it. Context: may sleep. False: the access must be served in software. */
bool vmx_apic_page_map(struct vmx_vcpu *vmx)
{
	return !keel_memory_apic_map(vmx->vcpu.vm, page_to_phys(access_page));
}
