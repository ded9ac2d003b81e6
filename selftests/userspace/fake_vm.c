// SPDX-License-Identifier: GPL-2.0-only
/* The recording VM that device tests are linked with in place of vm.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/sandbox.h"

struct fake_record fake_record;

void fake_vm_init(struct vm *vm, uint64_t memory)
{
	memset(vm, 0, sizeof(*vm));
	memset(&fake_record, 0, sizeof(fake_record));
	pthread_mutex_init(&vm->line_lock, NULL);
	pthread_mutex_init(&vm->stop_lock, NULL);
	pthread_mutex_init(&vm->gate_lock, NULL);
	pthread_cond_init(&vm->gate, NULL);
	vm->stop_event = eventfd(0, EFD_NONBLOCK);
	ASSERT_GE(vm->stop_event, 0);
	if (memory)
		ASSERT_EQ(memory_create(&vm->memory, memory, 0), 0);
}

bool fake_line(struct vm *vm, unsigned int gsi)
{
	pthread_mutex_lock(&vm->line_lock);
	bool is_high = vm->line_sources[gsi];

	pthread_mutex_unlock(&vm->line_lock);
	return is_high;
}

void vm_set_line(struct vm *vm, unsigned int gsi, unsigned int source, bool is_high)
{
	ASSERT_LE(gsi, VM_GSI_COUNT - 1);
	ASSERT_LE(source, 31);
	pthread_mutex_lock(&vm->line_lock);
	bool before = vm->line_sources[gsi];

	if (is_high)
		vm->line_sources[gsi] |= 1u << source;
	else
		vm->line_sources[gsi] &= ~(1u << source);
	fake_record.line_changes += before != !!vm->line_sources[gsi];
	pthread_mutex_unlock(&vm->line_lock);
}

void vm_send_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	fake_record.messages++;
	fake_record.last_address = address;
	fake_record.last_data = data;
}

bool vm_set_doorbell(struct vm *vm, const struct doorbell *doorbell)
{
	ASSERT(doorbell->address, "a doorbell at address 0");
	if (fake_record.refuse_doorbells)
		return false;
	fake_record.doorbells++;
	return true;
}

void vm_clear_doorbell(struct vm *vm, const struct doorbell *doorbell)
{
	ASSERT(fake_record.doorbells, "a doorbell cleared that was never set");
	fake_record.doorbells--;
}

int vm_add_rom(const struct vm *vm, const struct vm_rom *rom)
{
	ASSERT(rom->host && !((uintptr_t)rom->host % 4096) && !(rom->address % 4096), "whole pages");
	fake_record.rom = *rom;
	return 0;
}

int vm_remove_rom(const struct vm *vm, unsigned int slot)
{
	ASSERT_EQ(slot, fake_record.rom.slot);
	ASSERT(fake_record.rom.size, "it is there");
	fake_record.rom.size = 0;
	return 0;
}

void vm_stop(struct vm *vm, enum status status, const char *format, ...)
{
	uint64_t one = 1;
	va_list args;

	if (vm_is_stopping(vm))
		return;
	vm->status = status;
	va_start(args, format);
	vsnprintf(vm->reason, sizeof(vm->reason), format, args);
	va_end(args);
	atomic_store(&vm->is_stopping, true);
	ASSERT_EQ(write(vm->stop_event, &one, sizeof(one)), (int)sizeof(one));
	vm_release(vm, 0);
}

int sandbox_start_thread(pthread_t *thread, enum sandbox_kind kind, void *(*main)(void *argument), void *argument)
{
	ASSERT_LE(kind, SANDBOX_KINDS - 1);
	return pthread_create(thread, NULL, main, argument);
}
