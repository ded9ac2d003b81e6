// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU whose restored state has an interrupt shadow, alone and with an event on its way: it
 * enters, and the event arrives once.
 *
 * AMD's CPUs do not say what a shadow comes from, so that a guest saved there may have both bits
 * set. VMX refuses that, and a shadow beside an interrupt or NMI that goes in (SDM, "Checks on
 * Guest Non-Register State").
 */
#include "guest.h"
#include <uapi/linux/keel.h>

#define V 0x45

static volatile u64 taken[256];

static void count(struct guest_regs *regs)
{
	taken[regs->vector]++;
	regs->rflags &= ~BIT(9);
}

static void guest_nops(void)
{
	asm volatile("nop; nop; nop");
}

enum what { NOTHING, INTERRUPT, NMI, EXCEPTION };

static const u8 vector_of[] = { 0, V, VEC_NMI, VEC_UD };
static const char *const names[] = { "no event", "interrupt", "NMI", "exception" };
static const char *const shadows[] = { "no shadow", "STI", "MOV SS", "both" };

static void set_events(struct vcpu *vcpu, unsigned int shadow, enum what what)
{
	struct kvm_vcpu_events ev = { };

	ev.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING;
	ev.interrupt.shadow = shadow;
	ev.interrupt.injected = what == INTERRUPT;
	ev.interrupt.nr = V;
	ev.nmi.injected = ev.nmi.masked = what == NMI;
	ev.exception.injected = what == EXCEPTION;
	ev.exception.nr = VEC_UD;
	CHECK_RET("KVM_SET_VCPU_EVENTS", 0, __vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &ev));
}

static void run_row(unsigned int shadow, enum what what)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nops);
	struct kvm_regs r = vcpu_regs(vcpu);

	printf("# %s, %s\n", shadows[shadow], names[what]);
	r.rflags = 0x202;
	vcpu_set_regs(vcpu, &r);
	(*GUEST_VAR(vm, guest_handlers))[vector_of[what]] = what ? count : NULL;
	set_events(vcpu, shadow, what);
	vcpu_run(vcpu);
	CHECK_EQ("exit (9 is FAIL_ENTRY)", KVM_EXIT_IO, vcpu->run->exit_reason);
	if (what)
		CHECK_EQ("taken", 1, (*GUEST_VAR(vm, taken))[vector_of[what]]);
	vm_destroy(vm);
}

static void run_shadows(enum what what)
{
	unsigned int shadow;

	for (shadow = 0; shadow < ARRAY_SIZE(shadows); shadow++)
		run_row(shadow, what);
}

static void test_alone(void)
{
	run_shadows(NOTHING);
}

static void test_with_event(void)
{
	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0 || guest_is_amd(),
		"stock KVM on Intel lets the entry fail");
	run_shadows(INTERRUPT);
	run_shadows(NMI);
	run_shadows(EXCEPTION);
}

extern const char behind_out[];

static void guest_stepping(void)
{
	guest_handlers[VEC_DB] = count;
	/* no trap between POPF and MOV SS, nor between that and OUT */
	asm volatile("mov %%ss, %%ecx; mov $0x80, %%edx; pushf; orl $0x100, (%%rsp); popf; mov %%ecx, %%ss; out %%al, $0x99\n\t"
		     ".globl behind_out\nbehind_out: nop; nop" : : : "rcx", "rdx", "memory", "cc");
	GUEST_ROW("traps", 0, taken[VEC_DB]);
}

/*
 * The launcher takes the guest from an exit in a shadow to elsewhere, and single step from it: no trap is left pending (SDM, "Checks on Guest Non-Register
 * State": BS is clear where TF is).
 */
static void test_step_cleared(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_stepping);
	struct kvm_vcpu_events ev;
	struct kvm_regs r;

	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &ev);
	r = vcpu_regs(vcpu);
	test_note("shadow %u, TF %llu", ev.interrupt.shadow, (unsigned long long)(r.rflags >> 8 & 1));
	r.rip = (uintptr_t)behind_out;
	r.rflags &= ~BIT(8);
	vcpu_set_regs(vcpu, &r);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "alone", test_alone },
	{ "with_event", test_with_event },
	{ "step_cleared", test_step_cleared },
};

TEST_MAIN(cases)
