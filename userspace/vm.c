// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM behind a device node that speaks KVM's API: creation, memory slots,
 * interrupts into it, doorbells out of it, and the end of a run.
 *
 * Nothing but <linux/kvm.h> is assumed of the node. What this launcher cannot
 * work without is one table (needs[]), checked before the VM is created, so
 * that a missing capability is named rather than met later as an odd errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "cpuid.h"
#include "retry.h"
#include "vm.h"

static const struct need {
	int cap;
	const char *name;
} needs[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static const char busy_remedy[] =
	" (another hypervisor has the CPU's virtualization: modprobe -r kvm_intel kvm_amd, or "
	"unload what dmesg names)";

/* No VM is refused for this on KVM's node. */
static const char dma_remedy[] = " (Keel's module has dma=enforce, and a device of this host reaches all memory: see keel dma)";

static const char *device_remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return " (is the module loaded?)";
	case EACCES:
	case EPERM:
		return " (who may use it is up to the node's group and mode: chgrp, chmod 660)";
	default:
		return "";
	}
}

static int open_node(struct vm *vm, const char *device)
{
	vm->node = open(device, O_RDWR | O_CLOEXEC);
	if (vm->node < 0)
		return status_fail(STATUS_DEVICE, "--device %s: cannot open it: %s%s", device,
				   strerror(errno), device_remedy(errno));

	int version = ioctl(vm->node, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return status_fail(STATUS_DEVICE, "%s: no KVM interface of version %d (%s)", device,
				   KVM_API_VERSION,
				   version < 0 ? strerror(errno) : "another version");

	int size = ioctl(vm->node, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return status_fail(STATUS_DEVICE, "%s: vCPU mapping of %d bytes is too small",
				   device, size);
	vm->run_size = (uint32_t)size;
	return 0;
}

int vm_has(const struct vm *vm, unsigned int cap)
{
	int ret = ioctl(vm->fd >= 0 ? vm->fd : vm->node, KVM_CHECK_EXTENSION, cap);

	return ret > 0 ? ret : 0;
}

void vm_explain(const struct vm *vm, char *text, size_t size)
{
	struct keel_last_error error;

	text[0] = 0;
	if (vm->explains && !ioctl(vm->fd, KEEL_GET_LAST_ERROR, &error) && error.count)
		snprintf(text, size, ": %.*s", KEEL_ERROR_TEXT, error.text);
}

static int create_chips(struct vm *vm, const char *device)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = MAP_IDENTITY;

	if (vm_has(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return status_fail(STATUS_CREATE, "%s: cannot set the identity map: %s", device,
				   strerror(errno));
	if (vm_has(vm, KVM_CAP_SET_TSS_ADDR) && ioctl(vm->fd, KVM_SET_TSS_ADDR, MAP_TSS) < 0)
		return status_fail(STATUS_CREATE, "%s: cannot set the TSS address: %s", device,
				   strerror(errno));
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return status_fail(STATUS_CREATE, "%s: cannot create the interrupt controllers: %s",
				   device, strerror(errno));
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return status_fail(STATUS_CREATE, "%s: cannot create the interval timer: %s",
				   device, strerror(errno));
	return 0;
}

/* Locks that nobody has, events that nobody has signalled. */
static int init_sync(struct vm *vm)
{
	pthread_mutex_init(&vm->line_lock, NULL);
	pthread_mutex_init(&vm->stop_lock, NULL);
	pthread_mutex_init(&vm->gate_lock, NULL);
	pthread_cond_init(&vm->gate, NULL);
	vm->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->reset_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->stop_event < 0 || vm->reset_event < 0)
		return status_fail(STATUS_HOST, "cannot create an eventfd: %s", strerror(errno));
	return 0;
}

int vm_open(struct vm *vm, const char *device)
{
	*vm = (struct vm){ .node = -1, .fd = -1, .stop_event = -1, .reset_event = -1, .holds = VM_HOLD_SETUP };

	int ret = init_sync(vm);

	if (!ret)
		ret = open_node(vm, device);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < ARRAY_SIZE(needs); i++)
		if (!vm_has(vm, (unsigned int)needs[i].cap))
			return status_fail(STATUS_CREATE, "%s lacks %s", device, needs[i].name);

	vm->fd = retry_ioctl(vm->node, KVM_CREATE_VM, NULL);
	if (vm->fd < 0)
		return status_fail(STATUS_CREATE, "%s: cannot create a virtual machine: %s%s",
				   device, strerror(errno),
				   errno == EBUSY ? busy_remedy : errno == EPERM ? dma_remedy : "");
	vm->explains = vm_has(vm, KEEL_CAP_LAST_ERROR);
	return create_chips(vm, device);
}

int vm_renew(struct vm *vm)
{
	struct keel_fork_vm request = { 0 };
	int ret, fd;

	close(vm->stop_event);
	close(vm->reset_event);
	atomic_store(&vm->holds, VM_HOLD_SETUP);
	atomic_store(&vm->is_stopping, false);
	vm->status = STATUS_OK;
	vm->reason[0] = 0;
	vm->reset.is_asked = false;
	vm->waiting = 0;
	vm->is_attached = false;
	ret = init_sync(vm);
	if (ret)
		return ret;
	fd = retry_ioctl(vm->fd, KEEL_FORK_VM, &request);
	if (fd < 0)
		return status_fail(STATUS_CREATE, "the kernel module does not fork the machine: %s%s", strerror(errno),
				   errno == EPERM ? dma_remedy : "");
	close(vm->fd);
	vm->fd = fd;
	return 0;
}

int vm_set_dma_policy(const struct vm *vm, unsigned int policy)
{
	struct kvm_enable_cap cap = { .cap = KEEL_CAP_DMA_POLICY, .args = { policy } };
	char why[KEEL_ERROR_TEXT + 3];

	if (policy == KEEL_DMA_POLICY_OFF)
		return 0;
	if (!vm_has(vm, KEEL_CAP_DMA_POLICY))
		return status_fail(STATUS_CREATE, "--dma: this node knows no such policy; Keel's does, of a module of this version");
	if (!ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return 0;
	if (errno != EPERM)
		return status_fail(STATUS_CREATE, "--dma: %s", strerror(errno));
	vm_explain(vm, why, sizeof(why));
	return status_fail(STATUS_CREATE, "--dma enforce: not started%s", why);
}

/* Where the CPU's addresses end is told by CPUID leaf 0x80000008. */
static int check_addresses(const struct vm *vm, uint64_t size, uint64_t pluggable)
{
	unsigned int bits = cpuid_address_bits(vm);
	struct memory memory;

	memory_layout(&memory, size, pluggable);

	uint64_t end = size > MAP_GAP_START || pluggable ? memory_end(&memory) : MAP_GAP_END;

	if (!bits || bits >= 52 || end <= 1ULL << bits)
		return 0;
	return status_fail(STATUS_MEMORY,
			   "--memory %lluM: this CPU has %u address bits, which leave "
			   "room for %lluM at most",
			   (unsigned long long)(size + pluggable) >> 20, bits,
			   ((1ULL << bits) - (MAP_GAP_END - MAP_GAP_START)) >> 20);
}

int vm_add_memory(struct vm *vm, uint64_t size, uint64_t pluggable)
{
	int ret = check_addresses(vm, size, pluggable);

	if (ret)
		return ret;
	ret = memory_create(&vm->memory, size, pluggable);
	if (ret)
		return status_fail(STATUS_MEMORY,
				   "--memory %lluM: the host gives no such mapping: %s "
				   "(ulimit -v, vm.overcommit_memory)",
				   (unsigned long long)size >> 20, strerror(-ret));
	for (unsigned int i = 0; i < vm->memory.count; i++) {
		const struct memory_region *region = &vm->memory.regions[i];

		ret = memory_map(&vm->memory, i, vm->fd, 0);
		if (ret)
			return status_fail(STATUS_MEMORY,
					   "--memory %lluM: cannot add %#llx bytes at "
					   "%#llx: %s",
					   (unsigned long long)size >> 20,
					   (unsigned long long)region->size,
					   (unsigned long long)region->base, strerror(-ret));
	}
	return 0;
}

int vm_add_rom(const struct vm *vm, const struct vm_rom *rom)
{
	struct kvm_userspace_memory_region slot = {
		.slot = rom->slot,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = rom->address,
		.memory_size = rom->size,
		.userspace_addr = (uintptr_t)rom->host,
	};

	if (retry_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return status_fail(STATUS_MEMORY, "cannot add %#llx bytes of read-only memory at %#llx: %s",
				   (unsigned long long)rom->size, (unsigned long long)rom->address, strerror(errno));
	return 0;
}

int vm_remove_rom(const struct vm *vm, unsigned int slot)
{
	struct kvm_userspace_memory_region none = { .slot = slot, .flags = KVM_MEM_READONLY };

	if (retry_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &none) < 0)
		return status_fail(STATUS_MEMORY, "cannot take read-only memory away: %s", strerror(errno));
	return 0;
}

void vm_close(struct vm *vm)
{
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->node >= 0)
		close(vm->node);
	if (vm->stop_event >= 0)
		close(vm->stop_event);
	if (vm->reset_event >= 0)
		close(vm->reset_event);
	memory_destroy(&vm->memory);
	pthread_mutex_destroy(&vm->line_lock);
	pthread_mutex_destroy(&vm->stop_lock);
	pthread_mutex_destroy(&vm->gate_lock);
	pthread_cond_destroy(&vm->gate);
}

void vm_set_line(struct vm *vm, unsigned int gsi, unsigned int source, bool is_high)
{
	struct kvm_irq_level line = { .irq = gsi };

	pthread_mutex_lock(&vm->line_lock);
	uint32_t before = vm->line_sources[gsi];
	uint32_t after = is_high ? before | 1u << source : before & ~(1u << source);

	vm->line_sources[gsi] = after;
	line.level = after != 0;
	if (!before != !after && !atomic_load(&vm->is_mute) && ioctl(vm->fd, KVM_IRQ_LINE, &line) < 0)
		vm_stop(vm, STATUS_HOST, "cannot set interrupt line %u: %s", gsi, strerror(errno));
	pthread_mutex_unlock(&vm->line_lock);
}

void vm_send_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};

	/*
	 * The guest chose address and data: a message to nowhere is its own
	 * loss (0 or an error such as EINVAL), so the result is not looked at.
	 */
	if (!atomic_load(&vm->is_mute))
		ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

void vm_mute(struct vm *vm)
{
	pthread_mutex_lock(&vm->line_lock);
	atomic_store(&vm->is_mute, true);
	pthread_mutex_unlock(&vm->line_lock);
}

void vm_unmute(struct vm *vm, const uint32_t *lines)
{
	pthread_mutex_lock(&vm->line_lock);
	memcpy(vm->line_sources, lines, sizeof(vm->line_sources));
	atomic_store(&vm->is_mute, false);
	pthread_mutex_unlock(&vm->line_lock);
}

static int doorbell_ioctl(struct vm *vm, const struct doorbell *doorbell, uint32_t flags)
{
	struct kvm_ioeventfd request = {
		.addr = doorbell->address,
		.len = doorbell->len,
		.fd = doorbell->event,
		.flags = flags | (doorbell->is_port ? KVM_IOEVENTFD_FLAG_PIO : 0),
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &request);
}

bool vm_set_doorbell(struct vm *vm, const struct doorbell *doorbell)
{
	return !doorbell_ioctl(vm, doorbell, 0);
}

void vm_clear_doorbell(struct vm *vm, const struct doorbell *doorbell)
{
	doorbell_ioctl(vm, doorbell, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

void vm_stop(struct vm *vm, enum status status, const char *format, ...)
{
	uint64_t one = 1;
	va_list args;

	pthread_mutex_lock(&vm->stop_lock);
	if (!vm_is_stopping(vm)) {
		vm->status = status;
		va_start(args, format);
		vsnprintf(vm->reason, sizeof(vm->reason), format, args);
		va_end(args);
		atomic_store_explicit(&vm->is_stopping, true, memory_order_release);
		/* Cannot fail: the counter is far from its limit. */
		while (write(vm->stop_event, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&vm->stop_lock);
	vm_release(vm, 0);	/* Whoever waits at the gate looks. */
}
