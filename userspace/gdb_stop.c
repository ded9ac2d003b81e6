// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping and going on: the meeting of the vCPUs' threads with the server's.
 *
 * The machine stands while VM_HOLD_DEBUG is set: its vCPUs have been kicked out of KVM_RUN and wait at the
 * gate, or do so already because somebody else holds them. One that is to rest while others run is kept
 * there alone. A vCPU that meets a breakpoint stands at once, wakes the server, and the server stops the others.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <unistd.h>

#include "gdb_cpu.h"
#include "gdb_server.h"
#include "thread.h"
#include "vcpu.h"
#include "vm.h"

#define SLICE_MS	50	/* how late the machine's end may be noticed */
#define VECTOR_BP	3
#define DR6_CAUSES	0xe00fULL	/* B0 to B3, BD, BS, BT */
#define DR6_HITS	0x000fULL	/* B0 to B3 */
#define DR6_STEP	(1ULL << 14)

static struct gdb_slot *slot_of(const struct vcpu *vcpu)
{
	return &vcpu->vm->gdb->slots[vcpu->index];
}

/* What the vCPU's slot asks of KVM, with @inject for once. */
static int arm(const struct gdb *gdb, const struct gdb_slot *slot, uint32_t inject)
{
	struct kvm_guest_debug debug = { 0 };
	uint64_t registers[8];

	if (gdb->breaks.soft_count)
		debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	if (gdb_hard_registers(&gdb->breaks, registers)) {
		debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
		for (unsigned int i = 0; i < 8; i++)
			debug.arch.debugreg[i] = registers[i];
	}
	if (slot->action == GDB_STEP) {
		debug.control |= KVM_GUESTDBG_ENABLE | gdb->step_control;
		/* Nothing but an interrupt ends a HLT. */
		if (gdb_cpu_is_halted(slot->vcpu))
			debug.control &= ~(uint32_t)KVM_GUESTDBG_BLOCKIRQ;
	}
	debug.control |= inject;
	return gdb_cpu_debug(slot->vcpu, &debug);
}

/* Is it a breakpoint, a watchpoint or a step of the debugger's? */
static bool is_ours(const struct gdb *gdb, const struct gdb_slot *slot, const struct kvm_debug_exit_arch *arch,
		    struct gdb_stop *stop)
{
	const struct gdb_hard *hard;
	uint64_t gpa;

	if (arch->exception == VECTOR_BP) {
		stop->why = GDB_WHY_SOFT;
		return gdb_soft_find(&gdb->breaks, arch->pc) ||
		       (gdb_cpu_translate(slot->vcpu, arch->pc, &gpa) && gdb_soft_find_gpa(&gdb->breaks, gpa));
	}
	hard = gdb_hard_hit(&gdb->breaks, arch->dr6);
	if (hard) {
		stop->why = hard->type == GDB_BREAK_HARD ? GDB_WHY_HARD : GDB_WHY_WATCH;
		stop->type = hard->type;
		stop->address = hard->first;
		return true;
	}
	stop->why = GDB_WHY_STEP;
	return arch->dr6 & DR6_STEP && slot->action == GDB_STEP;
}

/* The guest's own INT3, INT1, or step by its own RFLAGS.TF. */
static void give_back(const struct gdb *gdb, const struct gdb_slot *slot, const struct kvm_debug_exit_arch *arch)
{
	bool is_bp = arch->exception == VECTOR_BP;
	uint64_t registers[8], causes = DR6_CAUSES;
	int ret = 0;

	/* While the debugger's addresses are in the debug registers no hit is the guest's. */
	if (gdb_hard_registers(&gdb->breaks, registers))
		causes &= ~DR6_HITS;
	if (!is_bp)
		ret = gdb_cpu_add_dr6(slot->vcpu, arch->dr6 & causes);
	if (!ret)
		ret = arm(gdb, slot, KVM_GUESTDBG_ENABLE | (is_bp ? KVM_GUESTDBG_INJECT_BP : KVM_GUESTDBG_INJECT_DB));
	if (ret)
		vm_stop(gdb->vm, STATUS_HOST, "the guest's own %s cannot be given to it, on vCPU %u: %s",
			is_bp ? "breakpoint" : "debug exception", slot->vcpu->index, strerror(-ret));
}

void gdb_debug_exit(struct vcpu *vcpu)
{
	struct gdb *gdb = vcpu->vm->gdb;
	struct gdb_stop stop = { 0 };
	uint64_t one = 1;

	if (!is_ours(gdb, slot_of(vcpu), &vcpu->run->debug.arch, &stop)) {
		give_back(gdb, slot_of(vcpu), &vcpu->run->debug.arch);
		return;
	}
	pthread_mutex_lock(&gdb->vm->gate_lock);
	slot_of(vcpu)->stop = stop;
	vcpu->place.is_kept = true;
	pthread_mutex_unlock(&gdb->vm->gate_lock);
	while (write(gdb->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	vm_wait_gate(gdb->vm, &vcpu->place);
}

/* The server's side. */

/* Under gate_lock. */
static bool all_stand(const struct gdb *gdb)
{
	for (unsigned int i = 0; i < gdb->count; i++)
		if (!gdb->slots[i].vcpu->place.is_waiting)
			return false;
	return true;
}

bool gdb_world_stop(struct gdb *gdb)
{
	struct vm *vm = gdb->vm;

	pthread_mutex_lock(&vm->gate_lock);
	atomic_fetch_or(&vm->holds, VM_HOLD_DEBUG);
	for (unsigned int i = 0; i < gdb->count; i++)
		if (!gdb->slots[i].vcpu->place.is_waiting)
			pthread_kill(gdb->slots[i].vcpu->thread, KICK_SIGNAL);
	while (!all_stand(gdb) && !vm_is_stopping(vm)) {
		struct timespec until = thread_time_in(SLICE_MS);

		pthread_cond_clockwait(&vm->gate, &vm->gate_lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&vm->gate_lock);
	return !vm_is_stopping(vm);
}

/*
 * A breakpoint that was met and not told of will be met again, if it is still there. What was watched has been
 * done, and so has a step.
 */
static bool is_still_true(const struct gdb_slot *slot)
{
	return slot->action != GDB_REST &&
	       (slot->stop.why == GDB_WHY_WATCH || (slot->stop.why == GDB_WHY_STEP && slot->action == GDB_STEP));
}

int gdb_world_go(struct gdb *gdb)
{
	bool is_told = false;
	int ret = 0;

	for (unsigned int i = 0; i < gdb->count; i++) {
		struct gdb_slot *slot = &gdb->slots[i];

		if (is_still_true(slot))
			is_told = true;
		else if (slot->action != GDB_REST)
			slot->stop.why = GDB_WHY_NOTHING;
	}
	if (is_told)
		return 1;
	for (unsigned int i = 0; !ret && i < gdb->count; i++)
		ret = arm(gdb, &gdb->slots[i], 0);
	if (ret)
		return ret;
	pthread_mutex_lock(&gdb->vm->gate_lock);
	for (unsigned int i = 0; i < gdb->count; i++)
		gdb->slots[i].vcpu->place.is_kept = gdb->slots[i].action == GDB_REST;
	pthread_mutex_unlock(&gdb->vm->gate_lock);
	vm_release(gdb->vm, VM_HOLD_DEBUG);
	return 0;
}

void gdb_world_free(struct gdb *gdb)
{
	gdb_breaks_clear(&gdb->breaks, &gdb->vm->memory);
	for (unsigned int i = 0; i < gdb->count; i++) {
		gdb->slots[i].action = GDB_CONTINUE;
		gdb->slots[i].stop.why = GDB_WHY_NOTHING;
	}
	int ret = gdb_world_go(gdb);

	if (ret < 0)
		vm_stop(gdb->vm, STATUS_HOST, "cannot leave the debugger's mode: %s", strerror(-ret));
}

bool gdb_world_event(struct gdb *gdb, unsigned int *index, struct gdb_stop *stop)
{
	bool is_found = false;

	pthread_mutex_lock(&gdb->vm->gate_lock);
	for (unsigned int i = 0; !is_found && i < gdb->count; i++) {
		if (gdb->slots[i].stop.why == GDB_WHY_NOTHING || gdb->slots[i].action == GDB_REST)
			continue;
		*index = i;
		*stop = gdb->slots[i].stop;
		gdb->slots[i].stop.why = GDB_WHY_NOTHING;
		is_found = true;
	}
	pthread_mutex_unlock(&gdb->vm->gate_lock);
	return is_found;
}
