// SPDX-License-Identifier: GPL-2.0-only
/* The recording CPUs that the debugger's tests are linked with in place of gdb_cpu.c. */
#include <stdlib.h>

#include "fake_gdb.h"
#include "test.h"

struct fake_cpu fake_cpus[FAKE_CPUS];
int fake_refusal;

int gdb_cpu_get(const struct vcpu *vcpu, struct gdb_registers *registers)
{
	*registers = fake_cpus[vcpu->index].registers;
	return 0;
}

int gdb_cpu_set(const struct vcpu *vcpu, const struct gdb_registers *registers, unsigned int parts)
{
	struct gdb_registers *to = &fake_cpus[vcpu->index].registers;

	if (parts & GDB_PART_SPECIAL && fake_refusal)
		return fake_refusal;
	if (parts & GDB_PART_SPECIAL)
		to->special = registers->special;
	if (parts & GDB_PART_FPU)
		to->fpu = registers->fpu;
	if (parts & GDB_PART_GENERAL)
		to->general = registers->general;
	return 0;
}

bool gdb_cpu_translate(const struct vcpu *vcpu, uint64_t address, uint64_t *gpa)
{
	*gpa = address >= FAKE_KERNEL ? address - FAKE_KERNEL : address;
	return !fake_cpus[vcpu->index].is_blind && *gpa < 1ULL << 32;
}

bool gdb_cpu_is_halted(const struct vcpu *vcpu)
{
	return fake_cpus[vcpu->index].is_halted;
}

int gdb_cpu_debug(const struct vcpu *vcpu, const struct kvm_guest_debug *debug)
{
	fake_cpus[vcpu->index].debug = *debug;
	fake_cpus[vcpu->index].debug_calls++;
	return 0;
}

int gdb_cpu_add_dr6(const struct vcpu *vcpu, uint64_t bits)
{
	fake_cpus[vcpu->index].dr6 |= bits;
	return 0;
}

void fake_gdb_init(struct gdb *gdb, struct vm *vm, struct vcpu *vcpus)
{
	fake_vm_init(vm, FAKE_MEMORY);
	memset(gdb, 0, sizeof(*gdb));
	memset(fake_cpus, 0, sizeof(fake_cpus));
	gdb->vm = vm;
	gdb->count = FAKE_CPUS;
	gdb->slots = calloc(FAKE_CPUS, sizeof(*gdb->slots));
	ASSERT(gdb->slots, "memory");
	gdb->step_control = KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
	gdb->listener = gdb->wake = -1;
	for (unsigned int i = 0; i < FAKE_CPUS; i++) {
		vcpus[i] = (struct vcpu){ .vm = vm, .index = i, .fd = -1, .place.is_waiting = true };
		gdb->slots[i] = (struct gdb_slot){ .vcpu = &vcpus[i] };
		fake_cpus[i].registers.special.efer = 0x500;
		fake_cpus[i].registers.special.cr0 = 0x80000011;
		fake_cpus[i].registers.special.cs.l = 1;
	}
	vm->gdb = gdb;
	vm_hold(vm, VM_HOLD_DEBUG);
	gdb_client_begin(gdb, -1);
}
