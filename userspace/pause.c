// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pausing. A vCPU that is told leaves KVM_RUN and waits at the gate (vm.h).
 * What it has just done for the guest is done; what the guest has handed to a
 * device before is finished by the device: requests of disks, frames to send,
 * buffers for frames that arrive. Devices need not be told: without the guest
 * they get no more, and vhost's server is the kernel or another process, which
 * would have to be asked, and would lose frames that it can still deliver.
 *
 * No clock stands still meanwhile, neither the TSC nor the kvmclock nor those
 * of the board, so that they agree afterwards: the guest finds that it was not
 * run for a while, and timers that have run out in between fire once.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pause.h"
#include "thread.h"
#include "vcpu.h"
#include "vm.h"

#define PAUSE_MS	2000

/* Intel SDM, "Local Vector Table": of the pin LINT1. */
#define APIC_LINT1	0x360
#define APIC_MASKED	(1u << 16)
#define APIC_MODE(lvt)	((lvt) >> 8 & 7)
#define APIC_MODE_NMI	4

static void kick(const struct vcpu *vcpus, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (vcpus[i].has_thread)
			pthread_kill(vcpus[i].thread, KICK_SIGNAL);
}

bool pause_wait(struct vm *vm, const struct vcpu *vcpus, unsigned int count)
{
	unsigned int left = PAUSE_MS / JOIN_SLICE_MS;

	pthread_mutex_lock(&vm->gate_lock);
	/* Again and again, as none can come too early then. */
	for (; vm->waiting < count && left && !vm_is_stopping(vm); left--) {
		struct timespec until = thread_time_in(JOIN_SLICE_MS);

		kick(vcpus, count);
		while (vm->waiting < count &&
		       !pthread_cond_clockwait(&vm->gate, &vm->gate_lock, CLOCK_MONOTONIC, &until))
			;
	}
	bool is_paused = vm->waiting >= count;

	pthread_mutex_unlock(&vm->gate_lock);
	return is_paused;
}

bool pause_vcpus(struct vm *vm, const struct vcpu *vcpus, unsigned int count, unsigned int why)
{
	vm_hold(vm, why);
	if (pause_wait(vm, vcpus, count))
		return true;
	vm_release(vm, why);
	return false;
}

/* Does the guest want an NMI from that pin? */
static bool takes_nmi(const struct vcpu *vcpu)
{
	struct kvm_lapic_state apic;
	uint32_t lvt;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic) < 0)
		return false;
	memcpy(&lvt, apic.regs + APIC_LINT1, sizeof(lvt));
	return !(lvt & APIC_MASKED) && APIC_MODE(lvt) == APIC_MODE_NMI;
}

/* The way of Documentation/virt/kvm/api.rst, "KVM_NMI". */
enum pause_nmi pause_nmi(struct vm *vm, const struct vcpu *vcpus, unsigned int count)
{
	enum pause_nmi result = PAUSE_NMI_MASKED;
	int error;

	if (!pause_vcpus(vm, vcpus, count, VM_HOLD_NMI))
		return PAUSE_NMI_BUSY;
	for (unsigned int i = 0; i < count && result != PAUSE_NMI_FAILED; i++)
		if (takes_nmi(&vcpus[i]))
			result = ioctl(vcpus[i].fd, KVM_NMI, 0) < 0 ? PAUSE_NMI_FAILED : PAUSE_NMI_SENT;
	error = errno;
	vm_release(vm, VM_HOLD_NMI);
	errno = error;
	return result;
}
