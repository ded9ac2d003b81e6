// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a memory access one for an in-kernel device? The local APIC first, then the bus.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <keel/bus.h>
#include <keel/irq.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "io.h"

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
