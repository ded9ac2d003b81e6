// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events whose delivery is cut short, because the IDT, the GDT or the stack is not mapped for the guest at that moment: each
 * arrives once, with its vector, error code and RIP; a second exception on the way follows the rules for double faults; an
 * interrupt that an exception overtakes is neither lost nor early; and what needs an address without memory is told.
 */
#include <sys/mman.h>

#include "guest.h"
#include <uapi/linux/keel.h>

#define V 0x45

static volatile u64 taken[256], error_of[256], rip_of[256], cr2_seen, irqs_in_gp;

static void count(struct guest_regs *regs)
{
	taken[regs->vector]++;
	error_of[regs->vector] = regs->error;
	rip_of[regs->vector] = regs->rip;
	cr2_seen = read_cr2();
}

/* Faults come back to their instruction: go on behind it, where R15 says. */
static void count_and_skip(struct guest_regs *regs)
{
	count(regs);
	regs->rip = regs->r15;
}

/* The guest asks for this where the next instruction shall find nothing mapped. The memory keeps what it holds. */
static void unmap_all(struct vm *vm)
{
	ASSERT_EQ(mprotect(vm->mem, VM_MEM_SIZE, PROT_READ), 0);
	ASSERT_EQ(mprotect(vm->mem, VM_MEM_SIZE, PROT_READ | PROT_WRITE), 0);
}

static void run_unmapping(struct vcpu *vcpu)
{
	struct ucall uc;

	while (vcpu_run_ucall(vcpu, &uc) != UCALL_DONE)
		if (uc.args[0])
			unmap_all(vcpu->vm);
}

/* RIP of the instruction goes to @at, where it ends to R15. */
#define EVENT(at, insn, ins...)							\
	asm volatile("lea 1f(%%rip), %0; lea 2f(%%rip), %%r15\n\t"		\
		     "1: " insn "\n\t2:" : "=&r" (at) : ins : "r15", "memory")

static void expect(const char *name, u8 vector, u64 error, u64 rip)
{
	unsigned int i;
	u64 all = 0;

	for (i = 0; i < 256; i++)
		all += taken[i];
	GUEST_ROW(name, 1, taken[vector]);
	GUEST_ROW("  events in all", 1, all);
	GUEST_ROW("  error code", error, error_of[vector]);
	GUEST_ROW("  RIP", rip, rip_of[vector]);
	for (i = 0; i < 256; i++)
		taken[i] = error_of[i] = rip_of[i] = 0;
}

static void guest_single(u64 unmap)
{
	unsigned int i;
	u64 at;

	for (i = 0; i < 32; i++)
		guest_handlers[i] = count_and_skip;
	guest_handlers[VEC_BP] = guest_handlers[V] = count;

	GUEST_SYNC(unmap);
	EVENT(at, "ud2", "r" (0));
	expect("UD2", VEC_UD, 0, at);
	GUEST_SYNC(unmap);
	EVENT(at, "divl %%ecx", "a" (1), "d" (0), "c" (0));
	expect("divide by zero", VEC_DE, 0, at);
	GUEST_SYNC(unmap);
	EVENT(at, "mov %%ecx, %%ds", "c" (0xfff8));
	expect("bad selector", VEC_GP, 0xfff8, at);
	GUEST_SYNC(unmap);
	EVENT(at, "movb %%cl, (%%rcx)", "c" (0x700000000123));
	expect("store, no mapping", VEC_PF, 2, at);
	GUEST_ROW("  CR2", 0x700000000123, cr2_seen);
	GUEST_SYNC(unmap);
	EVENT(at, "int3", "r" (0));
	expect("INT3", VEC_BP, 0, at + 1);
	GUEST_SYNC(unmap);
	EVENT(at, "int $0x45", "r" (0));
	expect("INT 0x45", V, 0, at + 2);
}

static void run_both(void *fn, int unmap_too)
{
	struct vm *vm;
	struct vcpu *vcpu;
	int unmap;

	for (unmap = 0; unmap <= unmap_too; unmap++) {
		printf("# %s\n", unmap ? "unmapped before each event" : "all mapped");
		vm = vm_create(VM_GUEST);
		vcpu = vcpu_create_guest(vm, 0, fn);
		vcpu_args(vcpu, unmap, host_is_tcg() || (host_is_bochs() && guest_is_amd()), 0);
		run_unmapping(vcpu);
		vm_destroy(vm);
	}
}

static void test_single(void)
{
	run_both(guest_single, 1);
}

/* Present bits of gates. */
static void gate_present(u8 vector, int present)
{
	u64 *gate = (u64 *)VM_IDT + 2 * vector;

	if (present)
		*gate |= BIT(47);
	else
		*gate &= ~BIT(47);
}

/* The gate of the first exception is not present: #NP comes on top of it. */
static void guest_nested(u64 unmap, u64 loose)
{
	unsigned int i;
	u64 at, error;

	for (i = 0; i < 32; i++)
		guest_handlers[i] = count_and_skip;
	gate_present(VEC_UD, 0);
	gate_present(VEC_DE, 0);
	gate_present(VEC_PF, 0);
	gate_present(VEC_GP, 0);
	GUEST_SYNC(unmap);
	EVENT(at, "ud2", "r" (0));
	/* IDT; and EXT, which to Intel an earlier exception is as much as an interrupt ("Error Code") */
	error = VEC_UD * 8 + (guest_is_amd() ? 2 : 3);
	/* TCG counts in gates of 16 bytes; Bochs has Intel's EXT on AMD's CPUs too */
	if (loose)
		error_of[VEC_NP] = error;
	expect("#UD, then #NP: #NP", VEC_NP, error, at);
	GUEST_SYNC(unmap);
	EVENT(at, "divl %%ecx", "a" (1), "d" (0), "c" (0));
	expect("#DE, then #NP: double fault", VEC_DF, 0, at);
	GUEST_SYNC(unmap);
	EVENT(at, "mov %%ecx, %%ds", "c" (0xfff8));
	expect("#GP, then #NP: double fault", VEC_DF, 0, at);
	GUEST_SYNC(unmap);
	EVENT(at, "movb %%cl, (%%rcx)", "c" (0x700000000123));
	expect("#PF, then #NP: double fault", VEC_DF, 0, at);
}

static void test_nested(void)
{
	/* TCG forgets, when an event is injected, that it was an exception of the guest: no double fault comes of it */
	run_both(guest_nested, !host_is_tcg());
}

static void guest_triple(void)
{
	gate_present(VEC_DE, 0);
	gate_present(VEC_DF, 0);
	GUEST_SYNC(1);
	asm volatile("divl %%ecx" : : "a" (1), "d" (0), "c" (0));
}

static void test_triple(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);

	REQUIRE_SHUTDOWN();
	vcpu_run_sync(vcpu, 1);
	RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
}

static void on_gp(struct guest_regs *regs)
{
	irqs_in_gp = taken[V];
	count(regs);
}

static void guest_overtaken(void)
{
	guest_handlers[V] = guest_handlers[VEC_NMI] = count;
	guest_handlers[VEC_GP] = on_gp;
	sti();
	for (;;)
		GUEST_SYNC(1);
}

/* An interrupt or NMI that was on its way, and an exception: the exception goes first and is cut short itself. */
static void overtake(const char *name, struct kvm_vcpu_events *e, u8 vector)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;
	u64 arrived;

	vm_enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1);
	vcpu = vcpu_create_guest(vm, 0, guest_overtaken);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	e->flags = KVM_VCPUEVENT_VALID_PAYLOAD;
	e->exception.pending = !e->exception.injected;
	e->exception.nr = VEC_GP;
	e->exception.has_error_code = 1;
	e->exception.error_code = 0x1234;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, e);
	unmap_all(vm);
	vcpu_run_sync(vcpu, 1);
	vcpu_run_sync(vcpu, 1);
	printf("# %s\n", name);
	CHECK_EQ("#GP arrives", 1, (*GUEST_VAR(vm, taken))[VEC_GP]);
	CHECK_EQ("error code", 0x1234, (*GUEST_VAR(vm, error_of))[VEC_GP]);
	/* the handler has interrupts off; an NMI may come before its first instruction */
	if (vector == V)
		CHECK_EQ("not before its handler has ended", 0, *GUEST_VAR(vm, irqs_in_gp));
	arrived = (*GUEST_VAR(vm, taken))[vector];
	/* KVM lets the exception take the place of the other */
	if (has_cap(KEEL_CAP_LAST_ERROR) > 0 || arrived)
		CHECK_EQ("what it overtook arrives", 1, arrived);
}

static void test_overtaken(void)
{
	struct kvm_vcpu_events irq = { .interrupt.injected = 1, .interrupt.nr = V };
	struct kvm_vcpu_events nmi = { .nmi.injected = 1 };
	/* as saved after the exception went in first and was cut short */
	struct kvm_vcpu_events saved = { .exception.injected = 1, .interrupt.injected = 1, .interrupt.nr = V };

	REQUIRE_CAP(KVM_CAP_EXCEPTION_PAYLOAD);
	overtake("interrupt", &irq, V);
	overtake("interrupt, in a state that was saved", &saved, V);
	overtake("NMI", &nmi, VEC_NMI);
}

static void guest_no_idt(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 4095, VM_MMIO };
	u64 at;

	guest_handlers[VEC_UD] = count_and_skip;
	asm volatile("lidt %0" : : "m" (idt));
	GUEST_SYNC(1);
	EVENT(at, "ud2", "r" (0));
	expect("UD2 in the end", VEC_UD, 0, at);
}

static void test_no_memory(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_no_idt);
	u8 *idt = host_pages(PAGE_SIZE);
	unsigned int i;

	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM did not end here");
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < 2; i++) {
		RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
		CHECK_EQ("why", KVM_INTERNAL_ERROR_DELIVERY_EV, vcpu->run->internal.suberror);
		CHECK_EQ("vector", VEC_UD, vcpu->run->internal.data[0] & 0xff);
		CHECK_EQ("address", VM_MMIO + VEC_UD * 16, vcpu->run->internal.data[2] & ~15ULL);
	}
	memcpy(idt, vm_hva(vm, VM_IDT), PAGE_SIZE);
	vm_set_slot(vm, 1, 0, VM_MMIO, PAGE_SIZE, idt);
	vcpu_run_done(vcpu);
}

static void guest_masked(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 4095, VM_MMIO };

	guest_handlers[V] = count;
	asm volatile("lidt %0" : : "m" (idt));
	GUEST_SYNC(1);
	asm volatile("sti; nop; nop" : : : "memory");
	GUEST_ROW("interrupts while the launcher has IF clear", 0, taken[V]);
	asm volatile("sti; nop; nop" : : : "memory");
	GUEST_ROW("and once it is set", 1, taken[V]);
}

/* An interrupt that was on its way waits when the launcher clears IF: no entry takes one then (SDM, "Checks on Guest RIP, RFLAGS, and SSP"). */
static void test_masked(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_masked);
	struct kvm_interrupt irq = { V };
	u8 *idt = host_pages(PAGE_SIZE);
	struct kvm_regs r;

	REQUIRE(!dev_is_kvm(), "the interrupt goes in all the same, or the entry is refused");
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ("vector", V, vcpu->run->internal.data[0] & 0xff);
	memcpy(idt, vm_hva(vm, VM_IDT), PAGE_SIZE);
	vm_set_slot(vm, 1, 0, VM_MMIO, PAGE_SIZE, idt);
	r = vcpu_regs(vcpu);
	r.rflags &= ~0x200ULL;
	vcpu_set_regs(vcpu, &r);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "single", test_single },
	{ "nested", test_nested },
	{ "triple_fault", test_triple },
	{ "overtaken", test_overtaken },
	{ "no_memory", test_no_memory },
	{ "masked", test_masked },
};

TEST_MAIN(cases)
