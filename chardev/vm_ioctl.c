// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a VM: memory, interrupt controllers, clock, capabilities, vCPUs. Thin: each hands typed kernel copies to the
 * room whose job it is.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>
#include <uapi/linux/keel.h>
#include <uapi/linux/kvm.h>
#include <keel/bus.h>
#include <keel/dirty_ring.h>
#include <keel/dma.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "chardev.h"
#include "dispatch.h"

#define MIN_MMU_PAGES	64
/* Three pages for the task state segment that hardware without real mode would need. */
#define TSS_ADDR_MAX	((unsigned int)(-3 * PAGE_SIZE))

/* ---- memory ---- */

DIRECT(vm, keel_memory_set_region, struct kvm_userspace_memory_region)
DIRECT(vm, keel_memory_get_dirty_log, struct kvm_dirty_log)
DIRECT(vm, keel_memory_clear_dirty_log, struct kvm_clear_dirty_log)

#ifdef KVM_SET_USER_MEMORY_REGION2
/* The second form adds memory without a mapping (guest_memfd), which is refused by its flag. */
static long vm_set_region2(void *object, void *arg, unsigned long raw)
{
	const struct kvm_userspace_memory_region2 *in = arg;
	struct kvm_userspace_memory_region region = {
		.slot = in->slot,
		.flags = in->flags,
		.guest_phys_addr = in->guest_phys_addr,
		.memory_size = in->memory_size,
		.userspace_addr = in->userspace_addr,
	};

	return keel_memory_set_region(object, &region);
}
#endif

/* Addresses for tables that real mode in hardware does without. */
HANDLER(vm_set_tss_addr, raw > TSS_ADDR_MAX ? -EINVAL : 0)

static long vm_set_identity_map_addr(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;

	return vm->nr_vcpus ? -EINVAL : 0;
}

static long vm_set_nr_mmu_pages(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;

	if (raw < MIN_MMU_PAGES)
		return -EINVAL;
	vm->nr_mmu_pages = min_t(unsigned long, raw, U32_MAX);
	return 0;
}

#ifdef KVM_GET_NR_MMU_PAGES
static long vm_get_nr_mmu_pages(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;

	return vm->nr_mmu_pages;
}
#endif

/* ---- vCPUs ---- */

static long vm_create_vcpu(void *object, void *arg, unsigned long raw)
{
	if (raw > U32_MAX)
		return -EINVAL;
	return vcpu_file_create(object, raw);
}

static long vm_set_boot_cpu_id(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;

	if (raw > vm->max_vcpu_id)
		return -EINVAL;
	vm->bsp_id = raw;
	return 0;
}

/* ---- interrupt controllers ---- */

HANDLER(vm_create_irqchip, keel_irqchip_create(object))

/* A line that leads nowhere, or to a masked pin, is no error: its status says so. */
static long vm_irq_line(void *object, void *arg, unsigned long raw)
{
	struct kvm_irq_level *line = arg;
	int ret = keel_irq_line(object, line->irq, !!line->level);

	line->status = ret < 0 ? -1 : ret;
	return 0;
}

DIRECT(vm, keel_irqchip_get, struct kvm_irqchip)
DIRECT(vm, keel_irqchip_set, struct kvm_irqchip)
DIRECT(vm, keel_pit_create, struct kvm_pit_config)
DIRECT(vm, keel_pit_get, struct kvm_pit_state2)
DIRECT(vm, keel_pit_set, struct kvm_pit_state2)
DIRECT(vm, keel_signal_msi, struct kvm_msi)
DIRECT(vm, keel_irqfd, struct kvm_irqfd)
DIRECT(vm, keel_ioeventfd, struct kvm_ioeventfd)
DIRECT(vm, keel_coalesced_register, struct kvm_coalesced_mmio_zone)
DIRECT(vm, keel_coalesced_unregister, struct kvm_coalesced_mmio_zone)

static long vm_create_pit(void *object, void *arg, unsigned long raw)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return keel_pit_create(object, &config);
}

/* The older structure is the first part of the newer one. */
static long vm_get_pit(void *object, void *arg, unsigned long raw)
{
	struct kvm_pit_state2 state = { };
	int ret = keel_pit_get(object, &state);

	if (!ret)
		memcpy(arg, state.channels, sizeof(struct kvm_pit_state));
	return ret;
}

static long vm_set_pit(void *object, void *arg, unsigned long raw)
{
	struct kvm_pit_state2 state = { };

	memcpy(state.channels, arg, sizeof(struct kvm_pit_state));
	return keel_pit_set(object, &state);
}

static long vm_reinject_control(void *object, void *arg, unsigned long raw)
{
	struct kvm_reinject_control control;

	/* the number says "no argument", but there is one */
	if (copy_from_user(&control, (void __user *)raw, sizeof(control)))
		return -EFAULT;
	return keel_pit_reinject(object, &control);
}

static long vm_set_gsi_routing(void *object, void *arg, unsigned long raw)
{
	struct kvm_irq_routing __user *user = (void __user *)raw;
	struct kvm_irq_routing_entry *entries = NULL;
	const struct kvm_irq_routing *head = arg;
	struct vm *vm = object;
	long ret;

	if (vm_irq_mode(vm) == IRQCHIP_NONE || head->nr > KEEL_MAX_ROUTES || head->flags)
		return -EINVAL;
	if (head->nr) {
		entries = vmemdup_user(user->entries, array_size(head->nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	ret = keel_irq_set_routing(vm, entries, head->nr, head->flags);
	kvfree(entries);
	return ret;
}

/* ---- time ---- */

DIRECT(vm, keel_clock_get, struct kvm_clock_data)
DIRECT(vm, keel_clock_set, struct kvm_clock_data)

#ifdef KVM_CAP_VM_TSC_CONTROL
/* Frequency for the vCPUs to come. */
static long vm_set_tsc_khz(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;
	u32 khz = raw;

	if (keel_caps.tsc_scaling && khz >= keel_caps.max_tsc_khz)
		return -EINVAL;
	WRITE_ONCE(vm->clock.default_tsc_khz, khz ?: tsc_khz);
	return 0;
}

static long vm_get_tsc_khz(void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;

	return READ_ONCE(vm->clock.default_tsc_khz) ?: tsc_khz;
}
#endif

/* ---- capabilities ---- */

HANDLER(vm_check_extension, cap_value(raw))

static int enable_max_vcpu_id(struct vm *vm, u64 max)
{
	if (!max || max > KEEL_MAX_VCPU_ID || max < vm->bsp_id || vm->nr_vcpus)
		return -EINVAL;
	if (vm->max_vcpu_id != KEEL_MAX_VCPU_ID && vm->max_vcpu_id != max)
		return -EINVAL;
	vm->max_vcpu_id = max;
	return 0;
}

/* Of these the capability's value is the mask of what may be asked for. */
static bool cap_is_mask(u32 cap)
{
	return cap == KVM_CAP_DISABLE_QUIRKS2 || cap == KVM_CAP_X2APIC_API ||
	       cap == KVM_CAP_X86_DISABLE_EXITS || cap == KVM_CAP_X86_USER_SPACE_MSR ||
	       cap == KVM_CAP_EXIT_HYPERCALL || cap == KVM_CAP_EXIT_ON_EMULATION_FAILURE;
}

static long vm_enable_cap(void *object, void *arg, unsigned long raw)
{
	const struct kvm_enable_cap *cap = arg;
	struct vm *vm = object;
	u64 val = cap->args[0];

	if (cap->flags || (cap_is_mask(cap->cap) && (val & ~(u64)cap_value(cap->cap))))
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		if (!cap_can_manual_protect(val))
			return -EINVAL;
		vm->mem.manual_protect = val;
		break;
	case KVM_CAP_DISABLE_QUIRKS:
	case KVM_CAP_DISABLE_QUIRKS2:
		vm->disabled_quirks = val;
		break;
	case KVM_CAP_X2APIC_API:
		vm->x2apic_32bit_ids |= !!(val & KVM_X2APIC_API_USE_32BIT_IDS);
		vm->x2apic_no_bcast_quirk |= !!(val & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
		break;
	case KVM_CAP_X86_DISABLE_EXITS:
		/* vCPUs that exist may still exit, until their controls are made anew */
		WRITE_ONCE(vm->disabled_exits, vm->disabled_exits | val);
		break;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = val;
		break;
#ifdef KVM_CAP_X86_TRIPLE_FAULT_EVENT
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = val;
		break;
#endif
	case KVM_CAP_X86_USER_SPACE_MSR:
		vm->user_space_msr_mask = val;
		break;
	case KVM_CAP_MSR_PLATFORM_INFO:
		vm->hide_platform_info = !val;
		break;
	case KVM_CAP_EXIT_HYPERCALL:
		vm->hypercall_exits = val;
		break;
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		vm->exit_on_emulation_error = val;
		break;
#ifdef KVM_CAP_X86_APIC_BUS_CYCLES_NS
	case KVM_CAP_X86_APIC_BUS_CYCLES_NS:
		return keel_irqchip_set_bus(vm, val);
#endif
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return keel_dirty_ring_enable(vm, val);
	case KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP:
		return val ? -EINVAL : keel_dirty_ring_with_bitmap(vm);
	case KVM_CAP_SPLIT_IRQCHIP:
		return keel_irqchip_split(vm, min_t(u64, val, U32_MAX));
	case KVM_CAP_MAX_VCPU_ID:
		return enable_max_vcpu_id(vm, val);
	case KEEL_CAP_DMA_POLICY:
		return keel_dma_vm_policy(vm, val);
	default:
		return -EINVAL;
	}
	return 0;
}

DIRECT(vm, keel_msr_filter_set, struct kvm_msr_filter)

/* ---- devices, statistics ---- */

DIRECT(vm, vm_device_create, struct kvm_create_device)

HANDLER(vm_reset_dirty_rings, keel_dirty_ring_reset(object))

HANDLER(vm_get_stats_fd, vm_stats_file_create(object))

static long vm_get_last_error(void *object, void *arg, unsigned long raw)
{
	keel_last_error(object, arg);
	return 0;
}

static long vm_fork(void *object, void *arg, unsigned long raw)
{
	const struct keel_fork_vm *in = arg;

	if (in->flags || memchr_inv(in->reserved, 0, sizeof(in->reserved)))
		return -EINVAL;
	return vm_file_fork(object);
}

static bool is_plain(const struct keel_reset_vm *in)
{
	return !in->flags && !memchr_inv(in->reserved, 0, sizeof(in->reserved));
}

HANDLER(vm_mark, is_plain(arg) ? keel_vm_mark(object) : -EINVAL)
HANDLER(vm_reset, is_plain(arg) ? keel_vm_reset(object) : -EINVAL)

static const struct ioctl_row vm_rows[] = {
	{ KEEL_GET_LAST_ERROR,		ROW_OUT,				vm_get_last_error },
	{ KEEL_FORK_VM,			ROW_IN,					vm_fork },
	{ KEEL_MARK_VM,			ROW_IN,					vm_mark },
	{ KVM_CHECK_EXTENSION,		ROW_VALUE,				vm_check_extension },
	{ KEEL_RESET_VM,		ROW_IN,					vm_reset },
	{ KVM_CREATE_VCPU,		ROW_VALUE | ROW_LOCK,			vm_create_vcpu },
	{ KVM_GET_DIRTY_LOG,		ROW_IN,					do_keel_memory_get_dirty_log },
	{ KVM_SET_NR_MMU_PAGES,		ROW_VALUE,				vm_set_nr_mmu_pages },
#ifdef KVM_GET_NR_MMU_PAGES
	{ KVM_GET_NR_MMU_PAGES,		ROW_VALUE,				vm_get_nr_mmu_pages },
#endif
	{ KVM_SET_USER_MEMORY_REGION,	ROW_IN,					do_keel_memory_set_region },
	{ KVM_SET_TSS_ADDR,		ROW_VALUE,				vm_set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR,	ROW_IN | ROW_LOCK,			vm_set_identity_map_addr },
#ifdef KVM_SET_USER_MEMORY_REGION2
	{ KVM_SET_USER_MEMORY_REGION2,	ROW_IN,					vm_set_region2 },
#endif
	{ KVM_CREATE_IRQCHIP,		ROW_VALUE | ROW_LOCK,			vm_create_irqchip },
	{ KVM_IRQ_LINE,			ROW_IN | ROW_IRQCHIP,			vm_irq_line },
	{ KVM_GET_IRQCHIP,		ROW_IN | ROW_OUT | ROW_KERNEL_CHIP,	do_keel_irqchip_get },
	{ KVM_SET_IRQCHIP,		ROW_IN | ROW_KERNEL_CHIP,		do_keel_irqchip_set },
	{ KVM_CREATE_PIT,		ROW_VALUE | ROW_LOCK,			vm_create_pit },
	{ KVM_GET_PIT,			ROW_OUT,				vm_get_pit },
	{ KVM_SET_PIT,			ROW_IN,					vm_set_pit },
	{ KVM_IRQ_LINE_STATUS,		ROW_IN | ROW_OUT | ROW_IRQCHIP,		vm_irq_line },
	{ KVM_REGISTER_COALESCED_MMIO,	ROW_IN,					do_keel_coalesced_register },
	{ KVM_UNREGISTER_COALESCED_MMIO, ROW_IN,				do_keel_coalesced_unregister },
	{ KVM_SET_GSI_ROUTING,		ROW_IN | ROW_VAR,			vm_set_gsi_routing },
	{ KVM_REINJECT_CONTROL,		ROW_VAR,				vm_reinject_control },
	{ KVM_IRQFD,			ROW_IN,					do_keel_irqfd },
	{ KVM_CREATE_PIT2,		ROW_IN | ROW_LOCK,			do_keel_pit_create },
	{ KVM_SET_BOOT_CPU_ID,		ROW_VALUE | ROW_LOCK | ROW_NO_VCPUS,	vm_set_boot_cpu_id },
	{ KVM_IOEVENTFD,		ROW_IN,					do_keel_ioeventfd },
	{ KVM_SET_CLOCK,		ROW_IN,					do_keel_clock_set },
	{ KVM_GET_CLOCK,		ROW_OUT,				do_keel_clock_get },
	{ KVM_GET_PIT2,			ROW_OUT,				do_keel_pit_get },
	{ KVM_SET_PIT2,			ROW_IN,					do_keel_pit_set },
#ifdef KVM_CAP_VM_TSC_CONTROL
	{ KVM_SET_TSC_KHZ,		ROW_VALUE,				vm_set_tsc_khz },
	{ KVM_GET_TSC_KHZ,		ROW_VALUE,				vm_get_tsc_khz },
#endif
	{ KVM_ENABLE_CAP,		ROW_IN | ROW_LOCK,			vm_enable_cap },
	{ KVM_SIGNAL_MSI,		ROW_IN,					do_keel_signal_msi },
	{ KVM_CLEAR_DIRTY_LOG,		ROW_IN,					do_keel_memory_clear_dirty_log },
	{ KVM_X86_SET_MSR_FILTER,	ROW_IN,					do_keel_msr_filter_set },
	{ KVM_RESET_DIRTY_RINGS,	ROW_VALUE,				vm_reset_dirty_rings },
	{ KVM_GET_STATS_FD,		ROW_VALUE,				vm_get_stats_fd },
	{ KVM_CREATE_DEVICE,		ROW_IN | ROW_OUT | ROW_LOCK,		do_vm_device_create },
};

struct ioctl_table vm_ioctls = {
	.rows = vm_rows,
	.count = ARRAY_SIZE(vm_rows),
	.unknown = -ENOTTY,
};
