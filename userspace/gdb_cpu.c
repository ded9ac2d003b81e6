// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls, and nothing else: tests put a CPU of their own here.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "gdb_cpu.h"
#include "vcpu.h"

static int ask(const struct vcpu *vcpu, unsigned long command, void *argument)
{
	return ioctl(vcpu->fd, command, argument) < 0 ? -errno : 0;
}

int gdb_cpu_get(const struct vcpu *vcpu, struct gdb_registers *registers)
{
	int ret = ask(vcpu, KVM_GET_REGS, &registers->general);

	if (!ret)
		ret = ask(vcpu, KVM_GET_SREGS, &registers->special);
	if (!ret)
		ret = ask(vcpu, KVM_GET_FPU, &registers->fpu);
	return ret;
}

int gdb_cpu_set(const struct vcpu *vcpu, const struct gdb_registers *registers, unsigned int parts)
{
	int ret = 0;

	/* First what may be refused. */
	if (parts & GDB_PART_SPECIAL)
		ret = ask(vcpu, KVM_SET_SREGS, (void *)&registers->special);
	if (!ret && parts & GDB_PART_FPU)
		ret = ask(vcpu, KVM_SET_FPU, (void *)&registers->fpu);
	if (!ret && parts & GDB_PART_GENERAL)
		ret = ask(vcpu, KVM_SET_REGS, (void *)&registers->general);
	return ret;
}

bool gdb_cpu_translate(const struct vcpu *vcpu, uint64_t address, uint64_t *gpa)
{
	struct kvm_translation translation = { .linear_address = address };

	if (ask(vcpu, KVM_TRANSLATE, &translation) || !translation.valid)
		return false;
	*gpa = translation.physical_address;
	return true;
}

bool gdb_cpu_is_halted(const struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	return !ask(vcpu, KVM_GET_MP_STATE, &state) && state.mp_state == KVM_MP_STATE_HALTED;
}

int gdb_cpu_debug(const struct vcpu *vcpu, const struct kvm_guest_debug *debug)
{
	return ask(vcpu, KVM_SET_GUEST_DEBUG, (void *)debug);
}

int gdb_cpu_add_dr6(const struct vcpu *vcpu, uint64_t bits)
{
	struct kvm_debugregs registers;
	int ret = ask(vcpu, KVM_GET_DEBUGREGS, &registers);

	registers.dr6 |= bits;
	return ret ? ret : ask(vcpu, KVM_SET_DEBUGREGS, &registers);
}
