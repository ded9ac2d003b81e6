// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate. All who want vCPUs to stand still, however many at once, have them
 * wait at this one place: a vCPU that one of them holds stands for the others
 * as well, and it goes when the last lets it go.
 */
#include <errno.h>
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
	vm_hold(vm, VM_HOLD_RESET);
	while (write(vm->reset_event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

bool vm_attach(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	while (atomic_load(&vm->holds) & VM_HOLD_SAVE && !vm_is_stopping(vm))
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
