// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a vCPU but KVM_RUN, which files.c calls directly. The vCPU's mutex is held throughout; rows say whether the
 * vCPU must also be on a CPU.
 */
#include <linux/overflow.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <uapi/linux/keel.h>
#include <uapi/linux/kvm.h>
#include <keel/compat.h>
#include <keel/engine.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/pre_fault.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "chardev.h"
#include "dispatch.h"

/* ---- registers and events: straight to core/ and irqchip/ ---- */

DIRECT(vcpu, keel_get_regs, struct kvm_regs)
DIRECT(vcpu, keel_set_regs, struct kvm_regs)
DIRECT(vcpu, keel_get_sregs, struct kvm_sregs)
DIRECT(vcpu, keel_set_sregs, struct kvm_sregs)
DIRECT(vcpu, keel_get_sregs2, struct kvm_sregs2)
DIRECT(vcpu, keel_set_sregs2, struct kvm_sregs2)
DIRECT(vcpu, keel_get_fpu, struct kvm_fpu)
DIRECT(vcpu, keel_set_fpu, struct kvm_fpu)
DIRECT(vcpu, keel_get_xcrs, struct kvm_xcrs)
DIRECT(vcpu, keel_set_xcrs, struct kvm_xcrs)
DIRECT(vcpu, keel_get_debugregs, struct kvm_debugregs)
DIRECT(vcpu, keel_set_debugregs, struct kvm_debugregs)
DIRECT(vcpu, keel_get_events, struct kvm_vcpu_events)
DIRECT(vcpu, keel_set_events, struct kvm_vcpu_events)
DIRECT(vcpu, keel_get_mp_state, struct kvm_mp_state)
DIRECT(vcpu, keel_set_mp_state, struct kvm_mp_state)
DIRECT(vcpu, keel_set_guest_debug, struct kvm_guest_debug)
DIRECT(vcpu, keel_translate, struct kvm_translation)
DIRECT(vcpu, keel_user_interrupt, struct kvm_interrupt)
DIRECT(vcpu, keel_lapic_get_state, struct kvm_lapic_state)
DIRECT(vcpu, keel_lapic_set_state, struct kvm_lapic_state)
DIRECT(vcpu, keel_report_mce, struct kvm_x86_mce)
DIRECT(vcpu, keel_memory_pre_fault, struct kvm_pre_fault_memory)

static long vcpu_nmi(void *object, void *arg, unsigned long raw)
{
	keel_queue_nmi(object);
	keel_origin_note(object, BY_NMI, RG_EVENT);
	return 0;
}

/* ---- extended state ---- */

static long vcpu_get_xsave(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;

	if (keel_host_fpu_uabi_size(&vcpu->fpu) > sizeof(struct kvm_xsave))
		return -EINVAL;
	return keel_get_xsave(vcpu, arg, sizeof(struct kvm_xsave));
}

static long vcpu_get_xsave2(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;
	unsigned int size = keel_host_fpu_uabi_size(&vcpu->fpu);
	void *buf = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = keel_get_xsave(vcpu, buf, size);
	if (!ret && copy_to_user((void __user *)raw, buf, size))
		ret = -EFAULT;
	kvfree(buf);
	return ret;
}

static long vcpu_set_xsave(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;
	void *buf = vmemdup_user((void __user *)raw, keel_host_fpu_uabi_size(&vcpu->fpu));
	long ret;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = keel_set_xsave(vcpu, buf);
	kvfree(buf);
	return ret;
}

/* ---- MSRs ---- */

static int host_msr_get(struct vcpu *vcpu, u32 msr, u64 *val)
{
	return keel_msr_get(vcpu, msr, val, MSR_FROM_HOST);
}

static int host_msr_set(struct vcpu *vcpu, u32 msr, u64 *val)
{
	int ret = keel_msr_set(vcpu, msr, *val, MSR_FROM_HOST);

	if (!ret)
		keel_origin_note_msr(vcpu, msr);
	return ret;
}

HANDLER(vcpu_get_msrs, msrs_transfer(object, raw, host_msr_get, MSRS_READ))
HANDLER(vcpu_set_msrs, msrs_transfer(object, raw, host_msr_set, MSRS_WRITE))

/* ---- CPUID ---- */

/* The first form of the structure has no index and no flags. */
static long vcpu_set_cpuid(void *object, void *arg, unsigned long raw)
{
	const struct kvm_cpuid *head = arg;
	struct kvm_cpuid __user *user = (void __user *)raw;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry *old;
	u32 i;

	if (head->nent > MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (!head->nent)
		return keel_cpuid_set(object, NULL, 0);
	old = vmemdup_user(user->entries, array_size(head->nent, sizeof(*old)));
	if (IS_ERR(old))
		return PTR_ERR(old);
	entries = kvcalloc(head->nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries) {
		kvfree(old);
		return -ENOMEM;
	}
	for (i = 0; i < head->nent; i++) {
		entries[i].function = old[i].function;
		entries[i].eax = old[i].eax;
		entries[i].ebx = old[i].ebx;
		entries[i].ecx = old[i].ecx;
		entries[i].edx = old[i].edx;
	}
	kvfree(old);
	return keel_cpuid_set(object, entries, head->nent);
}

static long vcpu_set_cpuid2(void *object, void *arg, unsigned long raw)
{
	const struct kvm_cpuid2 *head = arg;
	struct kvm_cpuid2 __user *user = (void __user *)raw;
	struct kvm_cpuid_entry2 *entries = NULL;

	if (head->nent > MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (head->nent) {
		entries = keel_vmemdup_user_account(user->entries, head->nent, sizeof(*entries));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	return keel_cpuid_set(object, entries, head->nent);
}

static long vcpu_get_cpuid2(void *object, void *arg, unsigned long raw)
{
	const struct kvm_cpuid2 *head = arg;
	struct kvm_cpuid2 __user *user = (void __user *)raw;
	struct vcpu *vcpu = object;
	u32 nent = vcpu->cpuid.nent;

	if (head->nent < nent)
		return -E2BIG;
	if (nent && copy_to_user(user->entries, vcpu->cpuid.entries, nent * sizeof(*vcpu->cpuid.entries)))
		return -EFAULT;
	return put_user(nent, &user->nent);
}

/* ---- time ---- */

HANDLER(vcpu_set_tsc_khz, keel_tsc_set_khz(object, raw))

static long vcpu_get_tsc_khz(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;

	return vcpu->tsc.khz;
}

HANDLER(vcpu_kvmclock_ctrl, keel_clock_kvmclock_ctrl(object))

/* ---- signals ---- */

static long vcpu_set_signal_mask(void *object, void *arg, unsigned long raw)
{
	struct kvm_signal_mask __user *user = (void __user *)raw;
	struct vcpu *vcpu = object;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!user) {
		vcpu->thread.sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	vcpu_set_sigset(vcpu, &set);
	return 0;
}

void vcpu_set_sigset(struct vcpu *vcpu, sigset_t *set)
{
	sigdelsetmask(set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->thread.sigset = *set;
	vcpu->thread.sigset_active = true;
}

/* ---- machine check, TPR reporting, capabilities ---- */

static long vcpu_setup_mce(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;
	u64 cap = *(u64 *)arg;
	u64 banks = cap & MCG_BANKCNT_MASK;

	if (!banks || banks > MAX_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(MCE_CAP_SUPPORTED | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK))
		return -EINVAL;
	vcpu->msrs.mcg_cap = cap;
	vcpu->msrs.mcg_ctl = cap & MCG_CTL_P ? ~0ULL : 0;
	return 0;
}

/* Accesses to the task priority are never reported (KVM_CAP_VAPIC is 0), so only "off" can be asked for. */
static long vcpu_tpr_access_reporting(void *object, void *arg, unsigned long raw)
{
	const struct kvm_tpr_access_ctl *ctl = arg;

	return ctl->enabled ? -EINVAL : 0;
}

static long vcpu_set_vapic_addr(void *object, void *arg, unsigned long raw)
{
	const struct kvm_vapic_addr *va = arg;

	return va->vapic_addr ? -EINVAL : 0;
}

static long vcpu_enable_cap(void *object, void *arg, unsigned long raw)
{
	const struct kvm_enable_cap *cap = arg;

	if (cap->flags)
		return -EINVAL;
	if (cap->cap == KEEL_CAP_ENGINE)
		return cap->args[1] || cap->args[2] || cap->args[3] ? -EINVAL : keel_engine_set(object, cap->args[0]);
	if (cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	keel_cpuid_enforce_pv(object, cap->args[0]);
	return 0;
}

/* ---- attributes, statistics ---- */

HANDLER(vcpu_set_attr, vcpu_attr(object, arg, ATTR_SET))
HANDLER(vcpu_get_attr, vcpu_attr(object, arg, ATTR_GET))
HANDLER(vcpu_has_attr, vcpu_attr(object, arg, ATTR_HAS))
HANDLER(vcpu_get_stats_fd, vcpu_stats_file_create(object))

static long vcpu_get_last_error(void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;

	keel_last_error(vcpu->vm, arg);
	return 0;
}

#define GET	(ROW_OUT | ROW_LOADED)
#define SET	(ROW_IN | ROW_LOADED)

static const struct ioctl_row vcpu_rows[] = {
	{ KEEL_GET_LAST_ERROR,		ROW_OUT,		vcpu_get_last_error },
	{ KVM_GET_REGS,			GET,			do_keel_get_regs },
	{ KVM_SET_REGS,			SET,			do_keel_set_regs },
	{ KVM_GET_SREGS,		GET,			do_keel_get_sregs },
	{ KVM_SET_SREGS,		SET,			do_keel_set_sregs },
	{ KVM_TRANSLATE,		GET | SET,		do_keel_translate },
	{ KVM_INTERRUPT,		SET,			do_keel_user_interrupt },
	{ KVM_GET_MSRS,			ROW_VAR | ROW_LOADED,	vcpu_get_msrs },
	{ KVM_SET_MSRS,			ROW_VAR | ROW_LOADED,	vcpu_set_msrs },
	{ KVM_SET_CPUID,		SET | ROW_VAR,		vcpu_set_cpuid },
	{ KVM_SET_SIGNAL_MASK,		ROW_VAR,		vcpu_set_signal_mask },
	{ KVM_GET_FPU,			GET,			do_keel_get_fpu },
	{ KVM_SET_FPU,			SET,			do_keel_set_fpu },
	{ KVM_GET_LAPIC,		GET | ROW_LAPIC,	do_keel_lapic_get_state },
	{ KVM_SET_LAPIC,		SET | ROW_LAPIC,	do_keel_lapic_set_state },
	{ KVM_SET_CPUID2,		SET | ROW_VAR,		vcpu_set_cpuid2 },
	{ KVM_GET_CPUID2,		SET | ROW_VAR,		vcpu_get_cpuid2 },
	{ KVM_TPR_ACCESS_REPORTING,	ROW_IN | ROW_OUT,	vcpu_tpr_access_reporting },
	{ KVM_SET_VAPIC_ADDR,		ROW_IN | ROW_LAPIC,	vcpu_set_vapic_addr },
	{ KVM_GET_MP_STATE,		GET,			do_keel_get_mp_state },
	{ KVM_SET_MP_STATE,		SET,			do_keel_set_mp_state },
	{ KVM_NMI,			ROW_VALUE | ROW_LOADED,	vcpu_nmi },
	{ KVM_SET_GUEST_DEBUG,		SET,			do_keel_set_guest_debug },
	{ KVM_X86_SETUP_MCE,		ROW_IN,			vcpu_setup_mce },
	{ KVM_X86_SET_MCE,		SET,			do_keel_report_mce },
	{ KVM_GET_VCPU_EVENTS,		GET,			do_keel_get_events },
	{ KVM_SET_VCPU_EVENTS,		SET,			do_keel_set_events },
	{ KVM_GET_DEBUGREGS,		GET,			do_keel_get_debugregs },
	{ KVM_SET_DEBUGREGS,		SET,			do_keel_set_debugregs },
	{ KVM_SET_TSC_KHZ,		ROW_VALUE | ROW_LOADED,	vcpu_set_tsc_khz },
	{ KVM_GET_TSC_KHZ,		ROW_VALUE,		vcpu_get_tsc_khz },
	{ KVM_ENABLE_CAP,		SET,			vcpu_enable_cap },
	{ KVM_GET_XSAVE,		GET,			vcpu_get_xsave },
	{ KVM_SET_XSAVE,		ROW_VAR | ROW_LOADED,	vcpu_set_xsave },
	{ KVM_GET_XCRS,			GET,			do_keel_get_xcrs },
	{ KVM_SET_XCRS,			SET,			do_keel_set_xcrs },
	{ KVM_KVMCLOCK_CTRL,		ROW_VALUE | ROW_LOADED,	vcpu_kvmclock_ctrl },
	{ KVM_GET_SREGS2,		GET,			do_keel_get_sregs2 },
	{ KVM_SET_SREGS2,		SET,			do_keel_set_sregs2 },
	{ KVM_GET_STATS_FD,		ROW_VALUE,		vcpu_get_stats_fd },
	{ KVM_GET_XSAVE2,		ROW_VAR | ROW_LOADED,	vcpu_get_xsave2 },
	{ KVM_PRE_FAULT_MEMORY,		GET | SET,		do_keel_memory_pre_fault },
	{ KVM_SET_DEVICE_ATTR,		SET,			vcpu_set_attr },
	{ KVM_GET_DEVICE_ATTR,		SET,			vcpu_get_attr },
	{ KVM_HAS_DEVICE_ATTR,		ROW_IN,			vcpu_has_attr },
};

struct ioctl_table vcpu_ioctls = {
	.rows = vcpu_rows,
	.count = ARRAY_SIZE(vcpu_rows),
	.unknown = -EINVAL,
};
