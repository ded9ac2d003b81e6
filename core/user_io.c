// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where one access goes: to an in-kernel device, or to user space by way of kvm_run.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <keel/bus.h>
#include <keel/irq.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "io.h"

void keel_user_pio(struct vcpu *vcpu, u16 port, unsigned int size, unsigned int count, int direction)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = direction;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	vcpu->io.len = size;
	vcpu->stats.io_exits++;
}

void keel_user_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	if (data)
		memcpy(run->mmio.data, data, len);
	vcpu->io.len = len;
	vcpu->io.is_write = !!data;
	vcpu->stats.mmio_exits++;
}

int keel_device_read(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data)
{
	if (keel_lapic_claims(vcpu, gpa))
		return keel_lapic_mmio_read(vcpu, offset_in_page(gpa), len, data);
	if (keel_lapic_hole(vcpu, gpa)) {
		memset(data, 0xff, len);
		return 0;
	}
	return keel_bus_read(vcpu, &vcpu->vm->mmio, gpa, len, data);
}

int keel_device_write(struct vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data)
{
	if (keel_lapic_claims(vcpu, gpa))
		return keel_lapic_mmio_write(vcpu, offset_in_page(gpa), len, data);
	if (keel_lapic_hole(vcpu, gpa))
		return 0;
	return keel_bus_write(vcpu, &vcpu->vm->mmio, gpa, len, data);
}
