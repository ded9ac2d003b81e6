// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, NMIs, single steps and breakpoints in real mode, and exceptions behind the change to protected mode while the stack segment is still real mode's: delivered by
 * the CPU, or by software on Intel's CPUs without unrestricted guests, which cannot be entered there.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "guest.h"

#define CODE	0x8000
#define OUT	0x9000
#define IDTR	0x9100
#define IDT	0xa000

#define BLOB(name, text)					\
	asm(".pushsection .rodata\n"				\
	    #name "_start:\n"					\
	    ".code16\n"					\
	    text						\
	    ".code64\n"					\
	    #name "_end:\n"					\
	    ".popsection\n");					\
	extern const char name##_start[], name##_end[]

/* Handlers of vectors 2 and 0x50 leave what they find on the stack. */
BLOB(events,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	movw	$(0x8000 + 8f - events_start), 2 * 4\n"
     "	movw	$0, 2 * 4 + 2\n"
     "	movw	$(0x8000 + 9f - events_start), 0x50 * 4\n"
     "	movw	$0, 0x50 * 4 + 2\n"
     "	cli\n"
     "	out	%al, $0x99\n"
     "	mov	$0x1111, %bx\n"
     "	sti\n"
     "	nop\n"
     "	mov	$0x2222, %bx\n"
     "	hlt\n"
     "8:	movw	$0x22, 0x9000\n"
     "	jmp	1f\n"
     "9:	movw	$0x5050, 0x9000\n"
     "1:	mov	%sp, %bp\n"
     "	mov	(%bp), %ax\n"
     "	mov	%ax, 0x9002\n"				/* IP */
     "	mov	4(%bp), %ax\n"
     "	mov	%ax, 0x9004\n"				/* FLAGS */
     "	pushf\n"
     "	pop	%ax\n"
     "	mov	%ax, 0x9006\n"				/* and now */
     "	iret\n");

/* Vector 13 counts and notes where it returns to. The vector table ends with it. */
BLOB(limit,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	movw	$(0x8000 + 8f - limit_start), 13 * 4\n"
     "	movw	$0, 13 * 4 + 2\n"
     "	movw	$(0x8000 + 9f - limit_start), 0x50 * 4\n"
     "	movw	$0, 0x50 * 4 + 2\n"
     "	lidtl	0x9100\n"
     "	sti\n"
     "	out	%al, $0x99\n"
     "limit_next:\n"
     "	nop\n"
     "	nop\n"
     "	mov	$0x2222, %bx\n"
     "	hlt\n"
     "8:	incw	0x9000\n"
     "	mov	%sp, %bp\n"
     "	mov	(%bp), %ax\n"
     "	mov	%ax, 0x9002\n"
     "	iret\n"
     "9:	incw	0x9004\n"
     "	iret\n");
extern const char limit_next[];

/* Vector table and stack are in no memory. */
BLOB(outside,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	$0x2000, %ax\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x1000, %sp\n"
     "	lidtl	0x9100\n"
     "	sti\n"
     "	out	%al, $0x99\n"
     "outside_next:\n"
     "	nop\n"
     "	hlt\n"
     "outside_old:\n"
     "	movw	$1, 0x9000\n"
     "	hlt\n"
     "outside_new:\n"
     "	movw	$2, 0x9000\n"
     "	hlt\n");
extern const char outside_next[], outside_old[], outside_new[];

BLOB(change,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	$0x703, %ax\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x700, %sp\n"
     "	lidtl	0x9100\n"
     "	mov	%cr0, %eax\n"
     "	or	$1, %al\n"
     "	mov	%eax, %cr0\n"
     "	ud2\n");

/* The handler of vector 1 makes a list of the addresses that it returns to. Between two steps: MOV SS, INT and POPF, which have none of their own. */
BLOB(steps,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	mov	$0x9000, %di\n"
     "	movw	$(0x8000 + 8f - steps_start), 1 * 4\n"
     "	movw	$0, 1 * 4 + 2\n"
     "	movw	$(0x8000 + 9f - steps_start), 0x60 * 4\n"
     "	movw	$0, 0x60 * 4 + 2\n"
     "	mov	%sp, %bp\n"
     "	pushf\n"
     "	orw	$0x100, -2(%bp)\n"
     "	popf\n"
     "	nop\n"
     "step_1:\n"
     "	mov	%ax, %ss\n"
     "	nop\n"
     "step_2:\n"
     "	int	$0x60\n"
     "	nop\n"
     "step_3:\n"
     "	hlt\n"
     "8:	push	%bp\n"
     "	mov	%sp, %bp\n"
     "	push	%ax\n"
     "	mov	2(%bp), %ax\n"
     "	mov	%ax, (%di)\n"
     "	add	$2, %di\n"
     "	pop	%ax\n"
     "	pop	%bp\n"
     "9:	iret\n");
extern const char step_1[], step_2[], step_3[];

BLOB(own_break,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	movw	$(0x8000 + 8f - own_break_start), 1 * 4\n"
     "	movw	$0, 1 * 4 + 2\n"
     "	mov	$(0x8000 + own_break_at - own_break_start), %eax\n"
     "	mov	%eax, %dr0\n"
     "	mov	$0x402, %eax\n"
     "	mov	%eax, %dr7\n"
     "	mov	$1, %bx\n"
     "own_break_at:\n"
     "	inc	%bx\n"
     "	hlt\n"
     "8:	mov	%sp, %bp\n"
     "	mov	(%bp), %ax\n"
     "	mov	%ax, 0x9000\n"
     "	mov	%dr6, %eax\n"
     "	mov	%ax, 0x9002\n"
     "	mov	%bx, 0x9004\n"
     "	xor	%eax, %eax\n"
     "	mov	%eax, %dr7\n"
     "	iret\n");
extern const char own_break_at[];

/* A data breakpoint, from the instruction behind the MOV to DR7 on. */
BLOB(own_watch,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	movw	$(0x8000 + 8f - own_watch_start), 1 * 4\n"
     "	movw	$0, 1 * 4 + 2\n"
     "	mov	$0x9100, %eax\n"
     "	mov	%eax, %dr0\n"
     "	mov	$0x50402, %eax\n"		/* write, two bytes, enabled */
     "	mov	%eax, %dr7\n"
     "	movw	$1, 0x9100\n"
     "own_watch_at:\n"
     "	nop\n"
     "	hlt\n"
     "8:	mov	%sp, %bp\n"
     "	mov	(%bp), %ax\n"
     "	mov	%ax, 0x9000\n"
     "	mov	%dr6, %eax\n"
     "	mov	%ax, 0x9002\n"
     "	iret\n");
extern const char own_watch_at[];

BLOB(breaks,
     "	nop\n"
     "break_1:\n"
     "	int3\n"
     "	hlt\n");
extern const char break_1[];

static void require_software(void)
{
	REQUIRE(host_pages_by_shadow() && !guest_is_amd(), "the CPU itself runs real mode");
}

static struct vcpu *start(const char *from, const char *to)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, from, to);

	vcpu_start_real(vcpu, 0, CODE);
	return vcpu;
}

static u16 word(struct vcpu *vcpu, u64 at)
{
	return *(u16 *)vm_hva(vcpu->vm, at);
}

static void check_handled(struct vcpu *vcpu, u16 marker, u16 flags)
{
	CHECK_EQ("handler", marker, word(vcpu, OUT));
	CHECK_EQ("pushed IF", flags, word(vcpu, OUT + 4) & 0x200);
	CHECK_EQ("IF in the handler", 0, word(vcpu, OUT + 6) & 0x200);
	CHECK_EQ("IP is in the program", 1, word(vcpu, OUT + 2) > CODE && word(vcpu, OUT + 2) < CODE + 0x100);
}

static void test_interrupt(void)
{
	struct vcpu *vcpu = start(events_start, events_end);
	struct kvm_interrupt irq = { 0x50 };

	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu->run->request_interrupt_window = 1;
	RUN_TO(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ("behind the MOV", 0x1111, vcpu_regs(vcpu).rbx & 0xffff);
	vcpu->run->request_interrupt_window = 0;
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	check_handled(vcpu, 0x5050, 0x200);
	CHECK_EQ("the program went on", 0x2222, vcpu_regs(vcpu).rbx & 0xffff);
}

static void test_nmi(void)
{
	struct vcpu *vcpu = start(events_start, events_end);
	struct kvm_vcpu_events events;

	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	check_handled(vcpu, 0x22, 0);
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events);
	CHECK_EQ("IRET has ended the block of NMIs", 0, events.nmi.masked);
}

static void put_idtr(struct vm *vm, u32 base, u16 limit)
{
	memcpy(vm_hva(vm, IDTR), &limit, sizeof(limit));
	memcpy(vm_hva(vm, IDTR + 2), &base, sizeof(base));
}

/*
 * An interrupt whose delivery faults has been taken: the CPU delivers the fault, which returns to the interrupted instruction, and the interrupt
 * does not come again (SDM, "Reflecting Exceptions to Guest Software": the exception alone, whatever external event was on its way).
 */
static void test_faulting(void)
{
	struct vcpu *vcpu = start(limit_start, limit_end);
	struct kvm_interrupt irq = { 0x50 };

	put_idtr(vcpu->vm, 0, 14 * 4 - 1);
	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("general protection", 1, word(vcpu, OUT));
	CHECK_EQ("returns to", CODE + (limit_next - limit_start), word(vcpu, OUT + 2));
	CHECK_EQ("interrupts", 0, word(vcpu, OUT + 4));
	CHECK_EQ("the program went on", 0x2222, vcpu_regs(vcpu).rbx & 0xffff);
}

#define STACK	0x20000

static void run_to_nowhere(struct vcpu *vcpu)
{
	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ("suberror", KVM_INTERNAL_ERROR_DELIVERY_EV, vcpu->run->internal.suberror);
}

/*
 * A delivery that came to no memory is made from its beginning once there is some: neither the vector read before, nor the number of the access that
 * found none, is left of it.
 */
static void test_again(void)
{
	struct kvm_interrupt irq = { 0x50 };
	u16 *table = host_pages(PAGE_SIZE);
	struct vcpu *vcpu;
	struct vm *vm;

	require_software();
	vcpu = start(outside_start, outside_end);
	vm = vcpu->vm;
	put_idtr(vm, VM_MMIO, 0x3ff);
	vm_set_slot(vm, 0, 0, 0, 0, vm->mem);
	vm_set_slot(vm, 0, 0, 0, STACK, vm->mem);
	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	run_to_nowhere(vcpu);
	table[0x50 * 2] = CODE + (outside_old - outside_start);
	vm_set_slot(vm, 1, 0, VM_MMIO, PAGE_SIZE, table);
	run_to_nowhere(vcpu);
	table[0x50 * 2] = CODE + (outside_new - outside_start);
	vm_set_slot(vm, 2, 0, STACK, PAGE_SIZE, vm_hva(vm, STACK));
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("handler", 2, word(vcpu, OUT));
	CHECK_EQ("SP", 0xffa, vcpu_regs(vcpu).rsp & 0xffff);
	CHECK_EQ("pushed IP", CODE + (outside_next - outside_start), word(vcpu, STACK + 0xffa));
	CHECK_EQ("pushed CS", 0, word(vcpu, STACK + 0xffc));
	CHECK_EQ("pushed IF", 0x200, word(vcpu, STACK + 0xffe) & 0x200);
}

/* Of a vector with an interrupt gate. */
static void test_no_task_gate(void)
{
	const u64 gate = 0x00008e0000080000 | CODE;
	struct keel_last_error error = {};
	struct vcpu *vcpu;

	require_software();
	vcpu = start(change_start, change_end);
	put_idtr(vcpu->vm, IDT, 0x3ff);
	memcpy(vm_hva(vcpu->vm, IDT + 8 * 6), &gate, 8);
	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ("suberror", KVM_INTERNAL_ERROR_DELIVERY_EV, vcpu->run->internal.suberror);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
	test_note("%s", error.text);
	CHECK_EQ("says which event", 1, !!strstr(error.text, "event 6 (type 3) cannot be delivered by software"));
}

/* Single steps of the guest's own. */
static void test_steps(void)
{
	const char *wanted[] = { step_1, step_2, step_3 };
	struct vcpu *vcpu;
	unsigned int i;

	require_software();
	vcpu = start(steps_start, steps_end);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		CHECK_EQ("trap", CODE + (wanted[i] - steps_start), word(vcpu, OUT + 2 * i));
	CHECK_EQ("traps", 2 * ARRAY_SIZE(wanted), (vcpu_regs(vcpu).rdi & 0xffff) - OUT);
}

/* A breakpoint in the guest's own debug registers. */
static void test_own_breakpoint(void)
{
	struct vcpu *vcpu;

	require_software();
	vcpu = start(own_break_start, own_break_end);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("trap", CODE + (own_break_at - own_break_start), word(vcpu, OUT));
	CHECK_EQ("DR6", 1, word(vcpu, OUT + 2) & 0x400f);
	CHECK_EQ("before the instruction", 1, word(vcpu, OUT + 4));
	CHECK_EQ("which is executed then", 2, vcpu_regs(vcpu).rbx & 0xffff);
}

static void test_own_watchpoint(void)
{
	struct vcpu *vcpu;

	require_software();
	vcpu = start(own_watch_start, own_watch_end);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("trap", CODE + (own_watch_at - own_watch_start), word(vcpu, OUT));
	CHECK_EQ("DR6", 1, word(vcpu, OUT + 2) & 0x400f);
}

/* The launcher's: INT3 in memory, and an address in a debug register. */
static void check_stop(u32 control, u32 exception, u32 dr6)
{
	const u64 at = CODE + (break_1 - breaks_start);
	struct vcpu *vcpu = start(breaks_start, breaks_end);
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | control, .arch.debugreg = { at } };

	debug.arch.debugreg[7] = 0x402;
	vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("exception", exception, vcpu->run->debug.arch.exception);
	CHECK_EQ("DR6", dr6, vcpu->run->debug.arch.dr6 & 0xf);
	CHECK_EQ("pc", at, vcpu->run->debug.arch.pc);
	CHECK_EQ("RIP", at, vcpu_regs(vcpu).rip);
}

static void test_int3(void)
{
	require_software();
	check_stop(KVM_GUESTDBG_USE_SW_BP, 3, 0);
}

static void test_address(void)
{
	require_software();
	check_stop(KVM_GUESTDBG_USE_HW_BP, 1, 1);
}

static const struct test_case cases[] = {
	{ "interrupt", test_interrupt },
	{ "nmi", test_nmi },
	{ "faulting", test_faulting },
	{ "again", test_again },
	{ "no_task_gate", test_no_task_gate },
	{ "steps", test_steps },
	{ "own_breakpoint", test_own_breakpoint },
	{ "own_watchpoint", test_own_watchpoint },
	{ "int3", test_int3 },
	{ "address", test_address },
};

TEST_MAIN(cases)
