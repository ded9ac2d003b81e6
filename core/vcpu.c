// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a vCPU: creation, architectural reset, being put on a CPU and taken off it, destruction.
 *
 * A vCPU is "loaded" between keel_vcpu_load() and keel_vcpu_put(). In between the preempt notifier follows the thread from
 * CPU to CPU, so vcpu->cpu is always where the hardware state is, or -1.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/dirty_ring.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include <keel/vfio.h>
#include <keel/vm.h>
#include "emulator.h"
#include "first_use.h"
#include "life.h"

static struct kmem_cache *vcpu_cache;
static atomic64_t serials;
/* vcpu.serial of the vCPU that ran on a CPU last, for the branch predictor barrier */
static DEFINE_PER_CPU(u64, last_serial);

int keel_vcpu_cache_create(void)
{
	/* guest memory is copied straight into the emulator's context and the access in flight, and nowhere else */
	vcpu_cache = kmem_cache_create_usercopy("keel_vcpu", keel_vendor->vcpu_size, 64, SLAB_ACCOUNT,
						offsetof(struct vcpu, emu),
						offsetofend(struct vcpu, io) - offsetof(struct vcpu, emu), NULL);
	return vcpu_cache ? 0 : -ENOMEM;
}

void keel_vcpu_cache_destroy(void)
{
	kmem_cache_destroy(vcpu_cache);
}

static __always_inline void put_on_cpu(struct vcpu *vcpu, int cpu)
{
	vcpu->cpu = cpu;
	static_call(keel_vendor_vcpu_load)(vcpu);
	if (static_cpu_has(X86_FEATURE_RDTSCP))
		keel_host_uret_tsc_aux(vcpu->msrs.tsc_aux);
	if (__this_cpu_read(last_serial) != vcpu->serial) {
		__this_cpu_write(last_serial, vcpu->serial);
		if (keel_host_wants_ibpb_on_switch())
			keel_host_ibpb();
	}
	keel_clock_vcpu_load(vcpu);
	if (vcpu->lapic)
		keel_lapic_vcpu_load(vcpu);
}

static __always_inline void take_off_cpu(struct vcpu *vcpu)
{
	if (unlikely(vcpu->tsc.unstable))
		keel_clock_note_tsc(vcpu);
	vcpu_dr_close(vcpu);
	static_call(keel_vendor_vcpu_put)(vcpu);
	if (unlikely(vcpu->vm->vfio))
		keel_vfio_note_cpu(vcpu->vm, vcpu->cpu);
	WRITE_ONCE(vcpu->cpu, -1);
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, thread.preempt);

	put_on_cpu(vcpu, cpu);
	if (vcpu->pv.steal_time)
		vcpu_request(vcpu, REQ_STEAL);
}

static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, thread.preempt);

	if (task_is_running(current)) {
		vcpu->stats.preempted++;
		if (vcpu->pv.between_insns)
			keel_pv_preempted(vcpu);
	}
	take_off_cpu(vcpu);
	keel_host_uret_defer();
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void keel_vcpu_load(struct vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->thread.preempt);
	put_on_cpu(vcpu, cpu);
	/* time may have been stolen while the launcher had the thread */
	if (vcpu->pv.steal_time && keel_host_run_delay() != vcpu->pv.steal_last)
		vcpu_request(vcpu, REQ_STEAL);
	put_cpu();
}

void keel_vcpu_put(struct vcpu *vcpu)
{
	preempt_disable();
	take_off_cpu(vcpu);
	keel_host_uret_leave();
	preempt_notifier_unregister(&vcpu->thread.preempt);
	preempt_enable();
}

/* SDM, "Processor State After Reset"; INIT keeps the FPU, CR0.CD and CR0.NW, and the MSRs. */
static void reset_segments(struct vcpu_regs *r)
{
	static const struct segment data = { .limit = 0xffff, .ar = 0x93 };
	unsigned int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		r->seg[i] = data;
	r->seg[SEG_CS] = (struct segment){ .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b, .selector = 0xf000 };
	r->seg[SEG_LDTR] = (struct segment){ .limit = 0xffff, .ar = 0x82 };
	r->seg[SEG_TR] = (struct segment){ .limit = 0xffff, .ar = 0x8b };
	r->gdt = (struct desc_table){ .limit = 0xffff };
	r->idt = (struct desc_table){ .limit = 0xffff };
}

static void reset_registers(struct vcpu *vcpu, enum vcpu_reset_kind kind)
{
	struct vcpu_regs *r = &vcpu->regs;
	u64 cr0_kept = 0;

	if (kind == VCPU_INIT)
		cr0_kept = vcpu_cr0(vcpu) & (X86_CR0_CD | X86_CR0_NW);
	else
		cr0_kept = X86_CR0_CD | X86_CR0_NW;

	memset(r->gpr, 0, sizeof(r->gpr));
	r->gpr[GPR_RDX] = 0x600;
	r->rip = 0xfff0;
	r->rflags = X86_EFLAGS_FIXED;
	r->cr0 = X86_CR0_ET | cr0_kept;
	r->cr2 = 0;
	r->cr3 = 0;
	r->cr4 = 0;
	r->efer = 0;
	memset(r->dr, 0, sizeof(r->dr));
	r->dr6 = 0xffff0ff0;
	r->dr7 = 0x400;
	reset_segments(r);
	if (kind == VCPU_RESET) {
		r->pat = 0x0007040600070406ULL;
		r->star = r->lstar = r->cstar = r->sfmask = r->kernel_gs_base = 0;
		r->sysenter_cs = r->sysenter_esp = r->sysenter_eip = 0;
		vcpu->xstate.xcr0 = XFEATURE_MASK_FP;
		vcpu->xstate.pkru = 0;
	} else {
		vcpu_need(vcpu, RG_PAT | RG_SYSCALL);
	}
	r->valid = RG_ALL;
	r->dirty = RG_ALL;
}

void keel_vcpu_reset(struct vcpu *vcpu, enum vcpu_reset_kind kind)
{
	struct kvm_cpuid_entry2 *signature;

	reset_registers(vcpu, kind);
	signature = keel_cpuid_find(vcpu, 1, 0);
	if (signature)
		vcpu->regs.gpr[GPR_RDX] = signature->eax;

	memset(&vcpu->events, 0, sizeof(vcpu->events));
	vcpu->events.user_irq = -1;
	vcpu->cr8 = 0;
	vcpu->io.complete = COMPLETE_NONE;
	vcpu->io.have = 0;
	vcpu->io.answered = false;
	vcpu->io.watch_hits = 0;
	emu_forget(&vcpu->emu);
	keel_msr_reset(vcpu, kind == VCPU_INIT);
	if (kind == VCPU_RESET && vcpu->fpu.priv)
		keel_host_fpu_init_state(&vcpu->fpu);
	if (vcpu->lapic)
		keel_lapic_reset(vcpu, kind == VCPU_INIT);
	else if (kind == VCPU_RESET)
		vcpu->apic.base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
				  (vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0);
	keel_origin_forget(vcpu);
	vcpu->debug.dr_open = false;
	keel_vendor->vcpu_reset(vcpu);
	keel_cpuid_update_runtime(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

/* Allocate what a vCPU owns from its creation on. keel_vcpu_destroy() undoes any part of it. */
static int vcpu_allocate(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int ret;

	if (vm->irq_mode != IRQCHIP_NONE) {
		ret = keel_lapic_create(vcpu);
		if (ret)
			return ret;
	}
	ret = keel_dirty_ring_create(vcpu);
	if (ret)
		return ret;
	return keel_vendor->vcpu_create(vcpu);
}

struct vcpu *keel_vcpu_create(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	int ret;

	lockdep_assert_held(&vm->lock);
	if (id >= vm->max_vcpu_id || vm->nr_vcpus >= KEEL_MAX_VCPUS)
		return ERR_PTR(-EINVAL);
	if (keel_vm_vcpu_by_id(vm, id))
		return ERR_PTR(-EEXIST);

	vcpu = kmem_cache_zalloc(vcpu_cache, GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->nr_vcpus;
	vcpu->serial = atomic64_inc_return(&serials);
	vcpu->cpu = -1;
	vcpu->apic.frame = ~0ull;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->thread.wait);
	preempt_notifier_init(&vcpu->thread.preempt, &preempt_ops);
	vcpu->regs.valid = RG_ALL;
	vcpu->mp_state = vm->irq_mode == IRQCHIP_NONE || id == vm->bsp_id ? KVM_MP_STATE_RUNNABLE :
									      KVM_MP_STATE_UNINITIALIZED;
	keel_emulator_init(vcpu);
	/* no page of code has been fetched from: see fetch_again() */
	memset(vcpu->known.code.page, 0xff, sizeof(vcpu->known.code.page));

	ret = vcpu_allocate(vcpu);
	if (ret)
		goto err_destroy;
	/* nobody looks there before nr_vcpus says so */
	ret = xa_insert(&vm->vcpus, vcpu->index, vcpu, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_destroy;
	/* nothing fails from here on: the VM's clock counts it */
	keel_clock_vcpu_init(vcpu);
	keel_vcpu_load(vcpu);
	keel_vcpu_reset(vcpu, VCPU_RESET);
	keel_vcpu_put(vcpu);

	/* the vCPU is complete: pairs with the acquire in keel_vm_vcpu() and vm_for_each_vcpu() */
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
	keel_lapic_publish(vcpu);
	return vcpu;

err_destroy:
	keel_vcpu_destroy(vcpu);
	return ERR_PTR(ret);
}

void keel_vcpu_destroy(struct vcpu *vcpu)
{
	keel_vendor->vcpu_destroy(vcpu);
	if (vcpu->lapic)
		keel_lapic_destroy(vcpu);
	vcpu_first_use_destroy(vcpu);
	keel_dirty_ring_destroy(vcpu);
	keel_cpuid_destroy(vcpu);
	keel_msr_vcpu_destroy(vcpu);
	put_pid(rcu_dereference_protected(vcpu->thread.pid, true));
	kmem_cache_free(vcpu_cache, vcpu);
}
