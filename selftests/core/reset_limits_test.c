// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_MARK_VM and KEEL_RESET_VM at their edges: what is refused, what the launcher sets by itself and keeps, interrupts that come meanwhile, forks of
 * marked VMs and marks of forked ones, marks that end with their VM; and the cost.
 */
#include <linux/kvm_para.h>
#include <uapi/linux/keel.h>

#include "apic.h"
#include "fork.h"
#include "hostmem.h"
#include "mark.h"
#include "thread.h"

/* ---- refusals ---- */

static void refused_by_shadow(void)
{
	struct vm *vm = vm_create(VM_BARE);

	vcpu_create(vm, 0);
	CHECK_RET("KEEL_CAP_RESET_VM, shadow paging", 0, has_cap(KEEL_CAP_RESET_VM));
	CHECK_RET("mark, shadow paging", -EOPNOTSUPP, __vm_mark(vm));
	CHECK_RET("reset, shadow paging", -ENOENT, __vm_reset(vm));
}

static void test_shadow(void)
{
	REQUIRE_CAP(KEEL_CAP_FORK_VM);
	REQUIRE(host_pages_by_shadow(), "nested paging");
	refused_by_shadow();
}

static void test_refusals(void)
{
	struct kvm_create_device vfio = { .type = KVM_DEV_TYPE_VFIO };
	struct keel_reset_vm how = { 0 }, flags = { .flags = 1 }, reserved = { .reserved = { 0, 0, 1 } };
	struct vm *vm = vm_create_markable(VM_BARE), *many = vm_create(VM_BARE);
	struct vcpu *vcpu;
	int i;

	CHECK_RET("KEEL_CAP_RESET_VM", 8, has_cap(KEEL_CAP_RESET_VM));
	CHECK_RET("mark without vCPUs", -EINVAL, __vm_mark(vm));
	CHECK_RET("reset without vCPUs", -ENOENT, __vm_reset(vm));
	vcpu = vcpu_create(vm, 0);
	CHECK_RET("reset without a mark", -ENOENT, __vm_reset(vm));
	CHECK_RET("mark, flags", -EINVAL, __vm_ioctl(vm, KEEL_MARK_VM, &flags));
	CHECK_RET("mark, reserved", -EINVAL, __vm_ioctl(vm, KEEL_MARK_VM, &reserved));
	CHECK_RET("mark, no structure", -EFAULT, __vm_ioctl(vm, KEEL_MARK_VM, NULL));
	CHECK_RET("mark, a structure of another size", -ENOTTY, __vm_ioctl(vm, _IOW(KEELIO, 3, u64), &how));
	CHECK_RET("mark, on a vCPU", -EINVAL, __vcpu_ioctl(vcpu, KEEL_MARK_VM, &how));
	CHECK_RET("mark, on the node", -EINVAL, __dev_ioctl(KEEL_MARK_VM, &how));
	CHECK_RET("none of these marked it", -ENOENT, __vm_reset(vm));
	CHECK_RET("mark", 0, __vm_mark(vm));
	CHECK_RET("mark again", 0, __vm_mark(vm));
	CHECK_RET("reset, flags", -EINVAL, __vm_ioctl(vm, KEEL_RESET_VM, &flags));
	CHECK_RET("reset, reserved", -EINVAL, __vm_ioctl(vm, KEEL_RESET_VM, &reserved));
	CHECK_RET("reset, on a vCPU", -EINVAL, __vcpu_ioctl(vcpu, KEEL_RESET_VM, &how));
	CHECK_RET("reset", 0, __vm_reset(vm));
	vcpu_create(vm, 1);
	CHECK_RET("reset, with a vCPU made since", -EINVAL, __vm_reset(vm));
	CHECK_RET("mark with it", 0, __vm_mark(vm));
	CHECK_RET("and reset", 0, __vm_reset(vm));
	vm_ioctl(vm, KVM_CREATE_DEVICE, &vfio);
	CHECK_RET("reset with assigned devices", -EBUSY, __vm_reset(vm));
	CHECK_RET("mark with assigned devices", -EBUSY, __vm_mark(vm));
	for (i = 0; i < 9; i++)
		vcpu_create(many, i);
	CHECK_RET("mark nine vCPUs", -E2BIG, __vm_mark(many));
}

/* A controller that was not there. */
static void test_controllers(void)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *vm = vm_create_markable(VM_IRQCHIP);

	vcpu_create(vm, 0);
	vm_mark(vm);
	vm_ioctl(vm, KVM_CREATE_PIT2, &pit);
	CHECK_RET("reset, with an 8254 made since", -EINVAL, __vm_reset(vm));
	vm_mark(vm);
	CHECK_RET("mark with it, and reset", 0, __vm_reset(vm));
}

/* ---- what is the launcher's ---- */

static void guest_unnamed(void)
{
	u64 val;

	GUEST_SYNC(1);
	GUEST_ROW("a paravirtual MSR that CPUID does not name", VEC_GP, rdmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, &val));
}

/* A vCPU that nobody has used at the mark: what is asked of it later is undone as well. */
static void make_use(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events);
	events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
}

static void check_unused(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	CHECK_EQ("exit_reason of a vCPU that was unused", 0, vcpu->run->exit_reason);
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events);
	CHECK_EQ("its triple fault", 0, events.triple_fault.pending);
}

static void test_settings(void)
{
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct vcpu *vcpu, *unused;

	vm_enable_cap(vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	cpuid_row(c, KVM_CPUID_FEATURES, 0)->eax = 0;
	vcpu = vcpu_create_guest(vm, 0, guest_unnamed);
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	unused = vcpu_create(vm, 1);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &enforce);
	make_use(unused);
	vcpu->run->immediate_exit = 1;
	vm_go_back(vm);
	CHECK_EQ("immediate_exit", 1, vcpu->run->immediate_exit);
	check_unused(unused);
	vcpu->run->immediate_exit = 0;
	vcpu_run_done(vcpu);
}

#define PORT	0x99
#define ANSWER	0x5a

static void guest_in(void)
{
	GUEST_ROW("answered before the mark", ANSWER, inb(PORT));
}

/* The answer that waits in kvm_run at the mark is taken each time. */
static void test_answer(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_in);
	unsigned int i;

	RUN_TO(vcpu, KVM_EXIT_IO);
	*((u8 *)vcpu->run + vcpu->run->io.data_offset) = ANSWER;
	vm_mark_all(vm);
	for (i = 0; i < 3; i++) {
		vcpu_run_done(vcpu);
		vm_go_back(vm);
	}
	vcpu_run_done(vcpu);
}

#define SLOT_GPA	0x40000000ULL

static void guest_slot(void)
{
	GUEST_SYNC(1);
	GUEST_ROW("memory given since the mark", 4711, *(volatile u64 *)SLOT_GPA);
}

static void test_slots(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_slot);
	u64 *more = host_pages(PAGE_SIZE);

	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	*more = 4711;
	vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, more);
	vcpu_run_done(vcpu);
	vm_go_back(vm);
	vm_reset(vm);
	CHECK_EQ("pages that a reset itself has written", 0, vm_put_memory_back(vm));
	vcpu_run_done(vcpu);
}

/* ---- NMIs ---- */

static volatile u64 nmis, inside;

static void count_nmi(struct guest_regs *regs)
{
	inside++;
	nmis++;
	GUEST_ROW("one at a time", 1, inside);
	GUEST_SYNC(10 + nmis);
	inside--;
}

static void guest_nmi(void)
{
	guest_handlers[VEC_NMI] = count_nmi;
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

/* Out of an NMI's handler to where none was, and from a second one back to the first. */
static void test_nmi(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nmi);
	unsigned int i;

	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	for (i = 0; i < 3; i++) {
		vcpu_ioctl(vcpu, KVM_NMI, NULL);
		vcpu_run_sync(vcpu, 11);
		if (i < 2)
			vm_go_back(vm);
	}
	vm_mark_all(vm);
	for (i = 0; i < 3; i++) {
		vcpu_ioctl(vcpu, KVM_NMI, NULL);
		vcpu_run_sync(vcpu, 12);
		vm_go_back(vm);
	}
	vcpu_run_sync(vcpu, 2);
}

/* ---- a device that goes on meanwhile ---- */

#define LINE		20
#define LEVEL		0x81
#define RESETS		500

static volatile int enough;

static void *wiggle(void *vm)
{
	while (!enough) {
		vm_irq_line(vm, LINE, 1);
		vm_irq_line(vm, LINE, 0);
	}
	return NULL;
}

static void guest_level(void)
{
	apic_enable(APIC_X1);
	/* in service for good: the line stays up */
	guest_handlers[LEVEL] = irq_count_only;
	ioapic_route(LINE, LEVEL | IOAPIC_LEVEL);
	GUEST_SYNC(1);
	irq_wait(LEVEL, 1);
	GUEST_SYNC(2);
}

/* A pin that has sent an interrupt waits for its end: some local APIC must have it. */
static int is_stuck(struct vm *vm, struct vcpu *vcpu)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_lapic_state apic;
	u32 irr, isr;

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	if (!chip.chip.ioapic.redirtbl[LINE].fields.remote_irr)
		return 0;
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	memcpy(&irr, apic.regs + APIC_IRR + LEVEL / 32 * 16, sizeof(irr));
	memcpy(&isr, apic.regs + APIC_ISR + LEVEL / 32 * 16, sizeof(isr));
	return !((irr | isr) & BIT(LEVEL % 32));
}

static void test_lines(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_level);
	unsigned int i, stuck = 0;
	pthread_t t;

	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	t = host_thread(wiggle, vm);
	for (i = 0; i < RESETS; i++) {
		vm_reset(vm);
		stuck += is_stuck(vm, vcpu);
	}
	enough = 1;
	host_join(t);
	CHECK_EQ("resets behind which a pin waited for nobody", 0, stuck);
	vm_go_back(vm);
	vm_irq_line(vm, LINE, 1);
	vcpu_run_sync(vcpu, 2);
}

/* ---- forks, ends ---- */

static void guest_twice(void)
{
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

static void child_of_marked(struct vm *forked)
{
	struct vcpu *vcpu;
	unsigned int i;

	CHECK_RET("a child has no mark", -ENOENT, __vm_reset(forked));
	CHECK_RET("its own, with a vCPU that nobody has claimed", 0, __vm_mark(forked));
	CHECK_RET("and back", 0, __vm_reset(forked));
	vm_mark_all(forked);
	vcpu = vcpu_create(forked, 0);
	for (i = 0; i < 3; i++) {
		vcpu_run_sync(vcpu, 2);
		vm_go_back(forked);
	}
}

static void test_forked(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_twice);

	REQUIRE_CAP(KEEL_CAP_RESET_VM);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	vcpu_run_sync(vcpu, 2);
	vm_go_back(vm);
	fork_join("child", vm_fork_child(vm, child_of_marked, 0));
	vcpu_run_sync(vcpu, 2);
	vm_go_back(vm);
	vcpu_run_sync(vcpu, 2);
}

#define MARKS	200
#define LOST	(4ULL << 20)	/* a mark of two vCPUs has far more than 20 KB */

static void mark_and_end(unsigned int n)
{
	struct vcpu *vcpus[2];
	unsigned int i;
	struct vm *vm;

	while (n--) {
		vm = vm_create(VM_PIT);
		for (i = 0; i < 2; i++)
			vcpus[i] = vcpu_create(vm, i);
		vm_mark(vm);
		vm_mark(vm);
		for (i = 0; i < 2; i++)
			vcpu_destroy(vcpus[i]);
		vm_destroy(vm);
	}
}

static void test_ends(void)
{
	u64 before, after;

	REQUIRE_CAP(KEEL_CAP_RESET_VM);
	mark_and_end(20);
	before = host_free_memory();
	mark_and_end(MARKS);
	after = host_free_memory();
	test_note("free memory before and after: %llu KB, %llu KB", (unsigned long long)before >> 10, (unsigned long long)after >> 10);
	CHECK_EQ("memory is back", 1, after + LOST > before);
}

/* ---- cost ---- */

static void guest_pages(u64 pages)
{
	u64 i;

	GUEST_SYNC(1);
	for (i = 0; i < pages; i++)
		*(volatile u64 *)(VM_SCRATCH + i * PAGE_SIZE) = 1;
	GUEST_SYNC(2);
}

#define TIMES	1000

static void test_cost(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_pages);
	u64 start, lowest[2] = { ~0ULL, ~0ULL }, took;
	unsigned int i, pages = 0;

	vcpu_args(vcpu, 16, 0, 0);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	for (i = 0; i < TIMES; i++) {
		vcpu_run_sync(vcpu, 2);
		start = rdtsc();
		vm_reset(vm);
		took = rdtsc() - start;
		lowest[0] = took < lowest[0] ? took : lowest[0];
		pages = vm_put_memory_back(vm);
		took = rdtsc() - start;
		lowest[1] = took < lowest[1] ? took : lowest[1];
	}
	test_note("1 vCPU: KEEL_RESET_VM %llu cycles of the TSC; with the launcher's %u pages %llu",
		  (unsigned long long)lowest[0], pages, (unsigned long long)lowest[1]);
	CHECK_EQ("the log tells the pages", 1, pages >= 16 && pages < 64);
	CHECK_EQ("that still has what was before", 0, *(u64 *)vm_hva(vm, VM_SCRATCH));
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "shadow", test_shadow },
	{ "controllers", test_controllers },
	{ "settings", test_settings },
	{ "answer", test_answer },
	{ "slots", test_slots },
	{ "nmi", test_nmi },
	{ "lines", test_lines },
	{ "forked", test_forked },
	{ "ends", test_ends },
	{ "cost", test_cost },
};

TEST_MAIN(cases)
