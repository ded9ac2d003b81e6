// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLB flushes after changes of the tables that the CPU walks. They are waited for under memory.lock: another thread that finds nothing left to
 * remove may then rely on the removed translations being gone.
 */
#include <keel/request.h>
#include "ept.h"

void memory_flush(struct vm *vm, struct pt_update *up)
{
	if (!up->flush)
		return;
	up->flush = false;
	vm->stats.remote_tlb_flush++;
	keel_vm_request(vm, REQ_TLB_FLUSH, REQUEST_WAIT);
}
