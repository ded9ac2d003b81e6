// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_FORK_VM: the child's vCPUs have the registers of the parent's and go on where they are, also in the midst of an access that user
 * space answers; memory is independent both ways; a parent that runs, or sleeps in HLT, is stopped for the copy and goes on; children
 * of children, also of those that nobody has used; a hundred of one. What is refused is in core/fork_limits_test, interrupts and time in irqchip/fork_test.
 */
#include <unistd.h>

#include "fork.h"
#include "thread.h"

#define PAGES		64
#define BASE		VM_SCRATCH
#define ASK_PORT	0x80

/* ---- registers ---- */

#define XSAVE_SIZE	4096
#define STATE(cmd, size)	{ #cmd, cmd, size }

static const struct {
	const char *name;
	unsigned long cmd;
	size_t size;
} states[] = {
	STATE(KVM_GET_REGS, sizeof(struct kvm_regs)),
	STATE(KVM_GET_SREGS, sizeof(struct kvm_sregs)),
	STATE(KVM_GET_FPU, sizeof(struct kvm_fpu)),
	STATE(KVM_GET_XSAVE, XSAVE_SIZE),
	STATE(KVM_GET_XCRS, sizeof(struct kvm_xcrs)),
	STATE(KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs)),
	STATE(KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events)),
	STATE(KVM_GET_MP_STATE, sizeof(struct kvm_mp_state)),
	STATE(KVM_GET_LAPIC, sizeof(struct kvm_lapic_state)),
};

/* MSRs that are neither time nor follow from something else, with what they are given. */
static const struct {
	const char *name;
	u32 msr;
	u64 val;
} msrs[] = {
	{ "STAR",		0xc0000081, 0x0023001000000000 },
	{ "LSTAR",		0xc0000082, 0xffffffff81234567 },
	{ "CSTAR",		0xc0000083, 0xffffffff81234577 },
	{ "SFMASK",		0xc0000084, 0x700 },
	{ "KERNEL_GS_BASE",	0xc0000102, 0xffff923456789000 },
	{ "SYSENTER_CS",	0x174, 0x10 },
	{ "SYSENTER_ESP",	0x175, 0xffff800012345678 },
	{ "SYSENTER_EIP",	0x176, 0xffff800087654321 },
	{ "PAT",		0x277, 0x0007010600070106 },
	{ "MTRR_DEF_TYPE",	0x2ff, 0xc06 },
	{ "MTRR_FIX64K",	0x250, 0x0606060606060606 },
	{ "MC0_CTL",		0x400, 0 },
	{ "APICBASE",		0x1b, 0xfee00900 },
	{ "MISC_ENABLE",	0x1a0, 1 },
};

struct snapshot {
	u8 state[ARRAY_SIZE(states)][XSAVE_SIZE];
	u64 msr[ARRAY_SIZE(msrs)];
	u8 cpuid[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	struct kvm_irqchip chip[3];
	u64 tsc_khz;
};

static struct snapshot before, after;
static struct vcpu *parent_vcpu;

static void take(struct snapshot *s, struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = (void *)s->cpuid;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		vcpu_ioctl(vcpu, states[i].cmd, s->state[i]);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		s->msr[i] = vcpu_msr(vcpu, msrs[i].msr);
	cpuid->nent = CPUID_MAX;
	vcpu_ioctl(vcpu, KVM_GET_CPUID2, cpuid);
	for (i = 0; i < ARRAY_SIZE(s->chip); i++) {
		s->chip[i].chip_id = i;
		vm_ioctl(vcpu->vm, KVM_GET_IRQCHIP, &s->chip[i]);
	}
	s->tsc_khz = vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL);
}

/* Where two pieces of memory begin to differ, -1 for nowhere. */
static s64 differs(const u8 *a, const u8 *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (a[i] != b[i])
			return i;
	return -1;
}

static void compare(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);
	unsigned int i;

	take(&after, vcpu);
	for (i = 0; i < ARRAY_SIZE(states); i++)
		CHECK_RET(states[i].name, -1, differs(before.state[i], after.state[i], states[i].size));
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		CHECK_EQ(msrs[i].name, before.msr[i], after.msr[i]);
	CHECK_RET("CPUID", -1, differs(before.cpuid, after.cpuid, sizeof(before.cpuid)));
	for (i = 0; i < ARRAY_SIZE(before.chip); i++)
		CHECK_RET("KVM_GET_IRQCHIP", -1, differs((u8 *)&before.chip[i], (u8 *)&after.chip[i], sizeof(before.chip[i])));
	CHECK_EQ("TSC frequency", before.tsc_khz, after.tsc_khz);
	/* and hardware has them: the guest finds its own */
	vcpu_run_done(vcpu);
}

static void guest_registers(void)
{
	u64 mm = 0, lo = 0;

	GUEST_SYNC(1);
	asm volatile("movq %%xmm3, %0; movq %%mm2, %1" : "=r" (lo), "=r" (mm));
	GUEST_ROW("XMM3", 0x3333333333333333, lo);
	GUEST_ROW("MM2", 0x2222222222222222, mm);
	GUEST_ROW("LSTAR", 0xffffffff81234567, rdmsr(0xc0000082));
	GUEST_ROW("KERNEL_GS_BASE", 0xffff923456789000, rdmsr(0xc0000102));
	asm volatile("mov %%dr1, %0" : "=r" (lo));
	GUEST_ROW("DR1", 0x123456, lo);
}

static void test_registers(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_PIT);
	struct kvm_debugregs dr = { .db = { 0, 0x123456 }, .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	u64 banks = 2;
	struct kvm_fpu fpu;
	unsigned int i;

	parent_vcpu = vcpu_create_guest(vm, 0, guest_registers);
	vcpu_ioctl(parent_vcpu, KVM_X86_SETUP_MCE, &banks);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (msrs[i].msr != 0x1b)
			vcpu_set_msr(parent_vcpu, msrs[i].msr, msrs[i].val);
	vcpu_ioctl(parent_vcpu, KVM_GET_FPU, &fpu);
	memset(fpu.xmm[3], 0x33, 16);
	memset(fpu.fpr[2], 0x22, 8);
	vcpu_ioctl(parent_vcpu, KVM_SET_FPU, &fpu);
	vcpu_ioctl(parent_vcpu, KVM_SET_DEBUGREGS, &dr);
	vcpu_run_sync(parent_vcpu, 1);
	take(&before, parent_vcpu);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		CHECK_EQ(msrs[i].name, msrs[i].val, before.msr[i]);
	fork_join("child", vm_fork_child(vm, compare, 0));
	take(&after, parent_vcpu);
	for (i = 0; i < ARRAY_SIZE(states); i++)
		CHECK_RET(states[i].name, -1, differs(before.state[i], after.state[i], states[i].size));
	vcpu_run_done(parent_vcpu);
}

/* ---- memory ---- */

static volatile u64 who;	/* the host says: 1 parent, 2 child */
static int go[2];

static u64 *page(u64 n)
{
	return (u64 *)(BASE + n * PAGE_SIZE);
}

static u64 wrong(u64 salt)
{
	u64 i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += *page(i) != (i ^ salt);
	return n;
}

static void fill(u64 salt)
{
	u64 i;

	for (i = 0; i < PAGES; i++)
		*page(i) = i ^ salt;
}

static void guest_memory(void)
{
	fill(0x5a5a);
	GUEST_SYNC(1);
	GUEST_ROW("pages that lost what was there before the fork", 0, wrong(0x5a5a));
	fill(who << 32);
	GUEST_SYNC(2);
	GUEST_ROW("pages that lost what was written after it", 0, wrong(who << 32));
}

static void memory_child(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);
	char c;

	*GUEST_VAR(forked, who) = 2;
	/* end of file at once, or when the parent is done */
	close(go[1]);
	ASSERT_EQ(read(go[0], &c, 1), 0);
	vcpu_run_sync(vcpu, 2);
	vcpu_run_done(vcpu);
}

static void run_memory(int parent_first)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_memory);
	pid_t child;

	ASSERT_EQ(pipe(go), 0);
	vcpu_run_sync(vcpu, 1);
	child = vm_fork_child(vm, memory_child, 0);
	*GUEST_VAR(vm, who) = 1;
	if (parent_first) {
		vcpu_run_sync(vcpu, 2);
		vcpu_run_done(vcpu);
	}
	close(go[1]);
	close(go[0]);
	fork_join("child", child);
	if (!parent_first) {
		vcpu_run_sync(vcpu, 2);
		vcpu_run_done(vcpu);
	}
}

static void test_memory(void)
{
	run_memory(0);
	run_memory(1);
}

/* ---- an access that user space answers ---- */

static void guest_ask(void)
{
	u64 got = inb(ASK_PORT);

	GUEST_ROW("port", who, got);
	got = mmio_read32(VM_MMIO);
	GUEST_ROW("memory", who << 8, got);
}

static void answer(struct vcpu *vcpu, u32 reason, u32 val)
{
	void *data = reason == KVM_EXIT_IO ? (u8 *)vcpu->run + vcpu->run->io.data_offset : vcpu->run->mmio.data;

	ASSERT_EXIT(vcpu, reason);
	memcpy(data, &val, reason == KVM_EXIT_IO ? 1 : 4);
}

static u32 asked;

static void answer_child(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	*GUEST_VAR(forked, who) = 2;
	/* kvm_run says what is asked, as in the parent */
	answer(vcpu, asked, asked == KVM_EXIT_IO ? 2 : 2 << 8);
	vcpu_run(vcpu);
	if (asked == KVM_EXIT_IO) {
		ASSERT_EQ(vcpu_finish(vcpu), UCALL_ROW);
		vcpu_run(vcpu);
		answer(vcpu, KVM_EXIT_MMIO, 2 << 8);
		vcpu_run(vcpu);
	}
	ASSERT_EQ(vcpu_finish(vcpu), UCALL_ROW);
	vcpu_run_done(vcpu);
}

static void test_user_io(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_ask);

	*GUEST_VAR(vm, who) = 1;
	vcpu_run(vcpu);
	asked = KVM_EXIT_IO;
	fork_join("child at a port", vm_fork_child(vm, answer_child, 0));
	answer(vcpu, KVM_EXIT_IO, 1);
	vcpu_run(vcpu);
	ASSERT_EQ(vcpu_finish(vcpu), UCALL_ROW);
	vcpu_run(vcpu);
	asked = KVM_EXIT_MMIO;
	fork_join("child at memory", vm_fork_child(vm, answer_child, 0));
	answer(vcpu, KVM_EXIT_MMIO, 1 << 8);
	vcpu_run(vcpu);
	ASSERT_EQ(vcpu_finish(vcpu), UCALL_ROW);
	vcpu_run_done(vcpu);
}

/* ---- children of a child that nobody has used ---- */

#define FPU_MARK	0x3333333333333333

static void guest_idle(void)
{
	u64 got = inb(ASK_PORT), lo;

	asm volatile("movq %%xmm3, %0" : "=r" (lo));
	GUEST_ROW("XMM3", FPU_MARK, lo);
	GUEST_ROW("port", who, got);
}

static void idle_asked(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	*GUEST_VAR(forked, who) = 3;
	answer(vcpu, KVM_EXIT_IO, 3);
	vcpu_run_done(vcpu);
}

static void idle_answered(struct vm *forked)
{
	vcpu_run_done(vcpu_create(forked, 0));
}

/* It looks into kvm_run, and answers, before its first ioctl on the vCPU. */
static void idle_child(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	fork_join("child of an idle child", vm_fork_child(forked, idle_asked, 0));
	*GUEST_VAR(forked, who) = 2;
	answer(vcpu, KVM_EXIT_IO, 2);
	fork_join("child of one that has answered", vm_fork_child(forked, idle_answered, 0));
	vcpu_run_done(vcpu);
}

static void test_idle(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_idle);
	struct kvm_fpu fpu;

	vcpu_ioctl(vcpu, KVM_GET_FPU, &fpu);
	memset(fpu.xmm[3], 0x33, 16);
	vcpu_ioctl(vcpu, KVM_SET_FPU, &fpu);
	vcpu_run(vcpu);
	fork_join("idle child", vm_fork_child(vm, idle_child, 0));
	*GUEST_VAR(vm, who) = 1;
	answer(vcpu, KVM_EXIT_IO, 1);
	vcpu_run_done(vcpu);
}

/* ---- a parent that is not stopped ---- */

static volatile u64 count;
static volatile u64 stop;

/* RBX counts, and memory follows: whoever stops it here finds RBX at most one above. */
static void guest_count(void)
{
	u64 n = 0;

	while (!stop) {
		n++;
		count = n;
	}
	GUEST_ROW("memory and register agree", n, count);
}

static void count_child(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);
	pthread_t t = vcpu_thread(vcpu);

	expect_progress("the child's guest goes on", GUEST_VAR(forked, count), 1000);
	*GUEST_VAR(forked, stop) = 1;
	host_join(t);
}

static void test_running(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_count);
	pthread_t t;
	int i;

	vcpu_let_host_in(vcpu);
	t = vcpu_thread(vcpu);
	for (i = 0; i < 5; i++) {
		expect_progress("the parent's guest goes on", GUEST_VAR(vm, count), 1000);
		fork_join("child", vm_fork_child(vm, count_child, 0));
	}
	*GUEST_VAR(vm, stop) = 1;
	host_join(t);
}

/* ---- generations, numbers ---- */

static volatile u64 depth;

static void guest_depth(u64 levels)
{
	u64 i;

	for (i = 1; i <= levels; i++) {
		depth = i;
		GUEST_SYNC(i);
	}
	GUEST_ROW("levels", levels, depth);
}

#define LEVELS	5
static unsigned int level;

static void descend(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	level++;
	if (level == LEVELS) {
		vcpu_run_done(vcpu);
		return;
	}
	vcpu_run_sync(vcpu, level + 1);
	fork_join("child of a child", vm_fork_child(forked, descend, 0));
	CHECK_EQ("this one's memory", level + 1, *GUEST_VAR(forked, depth));
}

static void test_generations(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_depth);

	vcpu_args(vcpu, LEVELS, 0, 0);
	vcpu_run_sync(vcpu, 1);
	level = 0;
	fork_join("child", vm_fork_child(vm, descend, 0));
	CHECK_EQ("the first one's memory", 1, *GUEST_VAR(vm, depth));
}

#define CHILDREN	100
static int ready[2];

static void guest_hundred(void)
{
	fill(1);
	GUEST_SYNC(1);
	fill(who);
	GUEST_SYNC(2);
	GUEST_ROW("pages of another child", 0, wrong(who));
}

static void one_of_many(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);
	char c = 0;

	*GUEST_VAR(forked, who) = getpid();
	vcpu_run_sync(vcpu, 2);
	ASSERT_EQ(write(ready[1], &c, 1), 1);
	close(go[1]);
	ASSERT_EQ(read(go[0], &c, 1), 0);
	vcpu_run_done(vcpu);
}

/* All of them live at the same time. */
static void test_hundred(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hundred);
	pid_t child[CHILDREN];
	unsigned int i;
	char c;

	ASSERT_EQ(pipe(go) | pipe(ready), 0);
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < CHILDREN; i++)
		child[i] = vm_fork_child(vm, one_of_many, 0);
	for (i = 0; i < CHILDREN; i++)
		ASSERT_EQ(read(ready[0], &c, 1), 1);
	close(go[1]);
	for (i = 0; i < CHILDREN; i++)
		fork_join("one of a hundred", child[i]);
	vcpu_run_sync(vcpu, 2);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
	{ "memory", test_memory },
	{ "user_io", test_user_io },
	{ "idle", test_idle },
	{ "running", test_running },
	{ "generations", test_generations },
	{ "hundred", test_hundred },
};

TEST_MAIN(cases)
