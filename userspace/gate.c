// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate. All who want vCPUs to stand still, however many at once, have them
 * wait at this one place: a vCPU that one of them holds stands for the others
 * as well, and it goes when the last lets it go.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "gate.h"
#include "vm.h"

void vm_hold(struct vm *vm, unsigned int why)
{
	pthread_mutex_lock(&vm->gate_lock);
	atomic_fetch_or(&vm->holds, why);
	pthread_mutex_unlock(&vm->gate_lock);
}

void vm_release(struct vm *vm, unsigned int why)
{
	pthread_mutex_lock(&vm->gate_lock);
	atomic_fetch_and(&vm->holds, ~why);
	pthread_cond_broadcast(&vm->gate);
	pthread_mutex_unlock(&vm->gate_lock);
}

void vm_wait_gate(struct vm *vm, struct gate_place *place)
{
	pthread_mutex_lock(&vm->gate_lock);
	vm->waiting++;
	place->is_waiting = true;
	pthread_cond_broadcast(&vm->gate);
	while ((vm_is_held(vm) || place->is_kept) && !vm_is_stopping(vm)) {
		place->has_waited = true;
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	}
	place->is_waiting = false;
	vm->waiting--;
	pthread_mutex_unlock(&vm->gate_lock);
}

void vm_ask_reset(struct vm *vm, enum status status, const char *reason)
{
	const uint64_t one = 1;

	if (!vm->reboots) {
		vm_stop(vm, status, "%s", reason);
		return;
	}
	pthread_mutex_lock(&vm->gate_lock);
	atomic_fetch_or(&vm->holds, VM_HOLD_RESET);
	if (!vm->reset.is_asked) {
		vm->reset.is_asked = true;
		vm->reset.status = status;
		snprintf(vm->reset.reason, sizeof(vm->reset.reason), "%s", reason);
	}
	while (write(vm->reset_event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&vm->gate_lock);
}

bool vm_take_reset(struct vm *vm, struct vm_reset *reset)
{
	uint64_t count;

	/* Of the event and what it tells of, nobody sees one without the other. */
	pthread_mutex_lock(&vm->gate_lock);
	while (read(vm->reset_event, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	*reset = vm->reset;
	vm->reset.is_asked = false;
	pthread_mutex_unlock(&vm->gate_lock);
	return reset->is_asked;
}

bool vm_attach(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	while (atomic_load(&vm->holds) & (VM_HOLD_SAVE | VM_HOLD_MIGRATE | VM_HOLD_FORK | VM_HOLD_MARK) && !vm_is_stopping(vm))
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	vm->is_attached = true;
	pthread_mutex_unlock(&vm->gate_lock);
	return !vm_is_stopping(vm);
}

void vm_detach(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	vm->is_attached = false;
	pthread_mutex_unlock(&vm->gate_lock);
}

bool vm_is_attached(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	bool is_attached = vm->is_attached;

	pthread_mutex_unlock(&vm->gate_lock);
	return is_attached;
}
