// SPDX-License-Identifier: GPL-2.0-only
/*
 * One instruction after another by the CPU and by the emulator as the engine of another vCPU (KEEL_CAP_ENGINE), from the same random state, in
 * each mode: registers, segments, memory, faults and exits are the same afterwards.
 *
 * An instruction stands among HLTs, and so does every handler: what comes next is HLT's exit. KEEL_STEPS=100000 is the long form, KEEL_SEED=N
 * has other instructions.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <uapi/linux/keel.h>

#include "guest.h"
#include "engine_insns.h"

#define STEPS		300
#define MAX_SHOWN	60
#define HLT		0xf4
#define TF		BIT(8)

static u64 seed;

u64 engine_random(void)
{
	return xorshift(&seed);
}

static u64 number(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

/* The two sides, and what was done. */
static struct side {
	struct vm *vm;
	struct vcpu *vcpu;
	u8 *mem;
	u32 exit;
	unsigned int nr_asked;	/* how often user space was */
} sides[2];

static struct kvm_regs regs, first;	/* first: at a HLT */
static struct kvm_sregs sregs;
static struct engine_insn insn;
static unsigned int nr_steps, nr_faults, nr_unknown, nr_different, nr_left_out;
/* of this step: a difference has been told; the memories may not be alike */
static bool told, unlike;

static struct kvm_sync_regs *synced(const struct side *s)
{
	return &s->vcpu->run->s.regs;
}

static void side_create(struct side *s)
{
	s->vm = vm_create(VM_BARE);
	s->mem = host_pages(ENGINE_MEMORY);
	vm_set_slot(s->vm, 0, 0, 0, ENGINE_MEMORY, s->mem);
	s->vcpu = vcpu_create(s->vm, 0);
	vcpu_set_supported_cpuid(s->vcpu);
	s->vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

static void set_engine(struct vcpu *vcpu, u64 engine)
{
	struct kvm_enable_cap cap = { .cap = KEEL_CAP_ENGINE, .args = { engine } };

	vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap);
}

/* Both vCPUs as at the start, without anything under way. */
static void reset_both(void)
{
	static const struct kvm_vcpu_events none;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		synced(&sides[i])->sregs = sregs;
		synced(&sides[i])->events = none;
		sides[i].vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	}
}

static void begin_anew(enum engine_mode mode)
{
	engine_memory(sides[0].mem, mode);
	memcpy(sides[1].mem, sides[0].mem, ENGINE_MEMORY);
	reset_both();
}

/* Every two seconds: an instruction may jump into data, and stay there. */
static void alarmed(int sig)
{
	sides[0].vcpu->run->immediate_exit = 1;
	sides[1].vcpu->run->immediate_exit = 1;
}

/* The launcher's part: ports read as all ones, and so does what is where no memory is. */
static void answer(struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
		memset((u8 *)run + run->io.data_offset, 0xff, run->io.size * run->io.count);
	if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

/* Until HLT or another end, or to the end of the instruction that has asked for something. */
static void run(struct side *s)
{
	struct kvm_run *run = s->vcpu->run;
	int ret;

	synced(s)->regs = regs;
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	s->exit = 0;
	s->nr_asked = 0;
	for (;;) {
		ret = __vcpu_run(s->vcpu);
		ASSERT(!ret || ret == -EINTR, "KVM_RUN: %d", ret);
		run->kvm_dirty_regs = 0;
		if (ret && s->nr_asked)
			break;
		s->exit = ret ? KVM_EXIT_INTR : run->exit_reason;
		if (s->exit != KVM_EXIT_IO && s->exit != KVM_EXIT_MMIO)
			return;
		answer(run);
		s->nr_asked++;
		run->immediate_exit = 1;
	}
	run->immediate_exit = 0;
}

/* ---- what is compared ---- */

static void differ(enum engine_mode mode, const char *what, u64 cpu, u64 software)
{
	char bytes[3 * 16 + 1] = "";
	unsigned int i;

	if (!told)
		nr_different++;
	told = true;
	if (nr_different > MAX_SHOWN)
		return;
	for (i = 0; i < insn.length; i++)
		sprintf(bytes + 3 * i, "%02x ", insn.bytes[i]);
	test_note("%s, %sat 0x%llx, step %u: %s is 0x%llx by the CPU, 0x%llx by software", engine_modes[mode].name, bytes,
		  (unsigned long long)regs.rip, nr_steps, what, (unsigned long long)cpu, (unsigned long long)software);
}

/* Also the HLT behind it may have, at CPL 3. */
static bool has_faulted(void)
{
	const struct kvm_regs *now = &synced(&sides[0])->regs;
	u64 rip = now->rip + synced(&sides[0])->sregs.cs.base;

	return sides[0].exit == KVM_EXIT_HLT && rip - ENGINE_HANDLERS < 0x1000;
}

static void compare_regs(enum engine_mode mode)
{
	static const char *const names[] = { "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RSP", "RBP", "R8", "R9", "R10", "R11", "R12", "R13", "R14",
					     "R15", "RIP" };
	const struct kvm_regs *a = &synced(&sides[0])->regs, *b = &synced(&sides[1])->regs;
	const u64 *x = (const u64 *)a, *y = (const u64 *)b;
	u64 flags = ~(u64)engine_undefined(&insn, has_faulted());
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (x[i] != y[i])
			differ(mode, names[i], x[i], y[i]);
	if ((a->rflags ^ b->rflags) & flags)
		differ(mode, "RFLAGS", a->rflags & flags, b->rflags & flags);
}

static bool has_left_protected_mode(enum engine_mode mode)
{
	return mode != ENGINE_REAL && !(synced(&sides[0])->sregs.cr0 & 1);
}

/*
 * Rights of a segment register that holds no segment are undefined. SDM, "Switching Back to Real-Address Mode", wants segments of a certain kind,
 * and says nothing of CS's rights without: Bochs 2.7 makes it one of data.
 */
static void compare_segment(enum engine_mode mode, const char *name, const struct kvm_segment *a, const struct kvm_segment *b)
{
	if (a->selector != b->selector)
		differ(mode, name, a->selector, b->selector);
	if (a->unusable && b->unusable)
		return;
	if (a->base != b->base)
		differ(mode, name, a->base, b->base);
	if (a->limit != b->limit)
		differ(mode, name, a->limit, b->limit);
	if (has_left_protected_mode(mode))
		return;
	if (memcmp(&a->type, &b->type, offsetof(struct kvm_segment, padding) - offsetof(struct kvm_segment, type)))
		differ(mode, name, a->type | a->present << 4 | a->dpl << 5 | a->db << 7 | a->s << 8 | a->l << 9 | a->g << 10 | a->unusable << 11,
		       b->type | b->present << 4 | b->dpl << 5 | b->db << 7 | b->s << 8 | b->l << 9 | b->g << 10 | b->unusable << 11);
}

static void compare_sregs(enum engine_mode mode)
{
	static const char *const names[] = { "CS", "DS", "ES", "FS", "GS", "SS", "TR", "LDTR" };
	const struct kvm_sregs *a = &synced(&sides[0])->sregs, *b = &synced(&sides[1])->sregs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		compare_segment(mode, names[i], &a->cs + i, &b->cs + i);
	if (a->gdt.base != b->gdt.base || a->gdt.limit != b->gdt.limit)
		differ(mode, "GDTR", a->gdt.base, b->gdt.base);
	if (a->idt.base != b->idt.base || a->idt.limit != b->idt.limit)
		differ(mode, "IDTR", a->idt.base, b->idt.base);
	if (a->cr0 != b->cr0)
		differ(mode, "CR0", a->cr0, b->cr0);
	unlike |= a->cr2 != b->cr2;
	if (a->cr2 != b->cr2 && !engine_cr2_is_open(&insn))
		differ(mode, "CR2", a->cr2, b->cr2);
	if (a->cr3 != b->cr3)
		differ(mode, "CR3", a->cr3, b->cr3);
	if (a->cr4 != b->cr4)
		differ(mode, "CR4", a->cr4, b->cr4);
	if (a->efer != b->efer)
		differ(mode, "EFER", a->efer, b->efer);
}

static void compare_memory(enum engine_mode mode, u64 from, u64 to)
{
	const u64 *a = (const u64 *)(sides[0].mem + from), *b = (const u64 *)(sides[1].mem + from);
	unsigned int i;
	char what[32];

	for (i = 0; i < (to - from) / 8 && !told; i++) {
		if (a[i] == b[i])
			continue;
		snprintf(what, sizeof(what), "memory at 0x%llx", (unsigned long long)(from + 8 * i));
		differ(mode, what, a[i], b[i]);
	}
}

/* SDM, "Limit Checking": whether an access that goes around 4 GB faults by a limit of as many is open; Bochs 2.7 has a page fault. */
static bool goes_around(enum engine_mode mode)
{
	u64 rip = synced(&sides[0])->regs.rip + synced(&sides[0])->sregs.cs.base;

	return has_faulted() && engine_modes[mode].bits < 64 && rip - 1 == ENGINE_HANDLERS + 16 * 14 && synced(&sides[0])->sregs.cr2 >= 0xfffffff1;
}

static void compare(enum engine_mode mode)
{
	if (sides[0].exit != sides[1].exit) {
		differ(mode, "the exit", sides[0].exit, sides[1].exit);
		return;
	}
	if (sides[0].nr_asked != sides[1].nr_asked)
		differ(mode, "the number of its exits", sides[0].nr_asked, sides[1].nr_asked);
	/* what a CPU holds then is undefined */
	if (sides[0].exit == KVM_EXIT_SHUTDOWN)
		return;
	compare_regs(mode);
	compare_sregs(mode);
	/* the fault, or that of the HLT behind it, has pushed flags that are undefined */
	if ((engine_undefined(&insn, has_faulted()) && (has_faulted() || engine_modes[mode].cpl)) || engine_stores_are_open(mode, &insn, has_faulted())) {
		unlike = true;
		return;
	}
	compare_memory(mode, ENGINE_DATA, ENGINE_DATA_END);
	compare_memory(mode, ENGINE_GDT, ENGINE_GDT + 0x100);
}

/* ---- steps ---- */

static bool is_as_before(void)
{
	struct kvm_sregs now = synced(&sides[0])->sregs;

	now.cr2 = sregs.cr2;
	return sides[0].exit == KVM_EXIT_HLT && !(synced(&sides[0])->regs.rflags & TF) && !memcmp(&now, &sregs, sizeof(sregs));
}

static bool is_cut(void)
{
	bool ret = sides[0].exit == KVM_EXIT_INTR || sides[1].exit == KVM_EXIT_INTR;

	sides[0].vcpu->run->immediate_exit = 0;
	sides[1].vcpu->run->immediate_exit = 0;
	return ret;
}

static void judge(enum engine_mode mode)
{
	told = false;
	unlike = false;
	if (is_cut() || engine_is_left_out(mode, &insn) || goes_around(mode)) {
		nr_left_out++;
		unlike = true;
	} else if (sides[1].exit == KVM_EXIT_INTERNAL_ERROR && sides[0].exit != KVM_EXIT_INTERNAL_ERROR) {
		ASSERT_EQ(sides[1].vcpu->run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
		nr_unknown++;
		unlike = true;
	} else {
		compare(mode);
		nr_faults += has_faulted();
	}
}

/*
 * At an exit with RFLAGS.TF set Bochs 2.7 leaves a single-step trap pending, which no ioctl takes away: it comes here, and all begins anew.
 * SDM, "Saving Non-Register State": those are saved as clear, but for few exits.
 */
static void settle(enum engine_mode mode)
{
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	unsigned int i;

	reset_both();
	regs = first;
	for (i = 0; i < 2; i++) {
		run(&sides[i]);
		vcpu_ioctl(sides[i].vcpu, KVM_SET_DEBUGREGS, &debug);
	}
	is_cut();
	begin_anew(mode);
}

static bool is_stepped(void)
{
	return (synced(&sides[0])->regs.rflags | synced(&sides[1])->regs.rflags) & TF;
}

static void step(enum engine_mode mode)
{
	unsigned int i;

	engine_choose(mode, &insn, &regs);
	for (i = 0; i < 2; i++)
		memcpy(sides[i].mem + insn.at, insn.bytes, insn.length);
	for (i = 0; i < 2; i++)
		run(&sides[i]);
	nr_steps++;
	judge(mode);
	for (i = 0; i < 2; i++)
		memset(sides[i].mem + insn.at, HLT, insn.length);
	if (is_stepped())
		settle(mode);
	else if (told || unlike || !(nr_steps % 256))
		begin_anew(mode);
	else if (!is_as_before())
		reset_both();
}

static void run_mode(enum engine_mode mode)
{
	static const struct itimerval two_seconds = { { 2 }, { 2 } };
	struct sigaction action = { .sa_handler = alarmed };
	u64 steps = number("KEEL_STEPS", STEPS);

	REQUIRE_CAP(KEEL_CAP_ENGINE);
	REQUIRE(!host_is_tcg(), "QEMU's TCG looks at no limit of a segment and no alignment, and saves no RF");
	REQUIRE(has_cap(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_EVENTS, "no KVM_CAP_SYNC_REGS");
	seed = 0x9e3779b97f4a7c15 + 2 * (number("KEEL_SEED", 0) + mode);
	side_create(&sides[0]);
	side_create(&sides[1]);
	set_engine(sides[1].vcpu, KEEL_ENGINE_EMULATE);
	sregs = vcpu_sregs(sides[0].vcpu);
	engine_sregs(mode, &sregs);
	begin_anew(mode);
	/* as the CPU has them: a HLT, and what it says */
	first = (struct kvm_regs){ .rip = mode == ENGINE_REAL || mode == ENGINE_VM86 || mode == ENGINE_PROTECTED16 ? 0 : ENGINE_CODE, .rflags = 2 };
	first.rflags |= mode == ENGINE_VM86 ? BIT(17) : 0;
	first.rsp = (mode == ENGINE_REAL || mode == ENGINE_VM86 ? 0 : mode < ENGINE_COMPATIBILITY ? ENGINE_STACK - ENGINE_DATA : ENGINE_STACK) + 0x800;
	regs = first;
	if (!engine_modes[mode].cpl) {
		run(&sides[0]);
		sregs = synced(&sides[0])->sregs;
	}
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &two_seconds, NULL);
	while (nr_steps < steps)
		step(mode);
	test_note("%s: %u steps, %u of them faults and interrupts, %u that the emulator does not know, %u left out", engine_modes[mode].name, nr_steps,
		  nr_faults, nr_unknown, nr_left_out);
	CHECK_EQ("steps that differ", 0, nr_different);
	/* the emulator's share is not small */
	ASSERT_GE(steps / 4, nr_unknown + nr_left_out);
}

#define MODE(name, mode)	static void test_##name(void) { run_mode(mode); }

MODE(real, ENGINE_REAL)
MODE(protected16, ENGINE_PROTECTED16)
MODE(protected32, ENGINE_PROTECTED32)
MODE(pae, ENGINE_PAE)
MODE(pae_user, ENGINE_PAE_USER)
MODE(vm86, ENGINE_VM86)
MODE(compatibility, ENGINE_COMPATIBILITY)
MODE(long, ENGINE_LONG)
MODE(long_user, ENGINE_LONG_USER)

/* ---- refusals ---- */

static void test_refusals(void)
{
	static const struct {
		const char *name;
		struct kvm_enable_cap cap;
		int wanted;
	} rows[] = {
		{ "the emulator", { .args = { KEEL_ENGINE_EMULATE } }, 0 },
		{ "the CPU", { .args = { KEEL_ENGINE_CPU } }, 0 },
		{ "another", { .args = { KEEL_ENGINE_EMULATE + 1 } }, -EINVAL },
		{ "another, above 32 bits", { .args = { KEEL_ENGINE_EMULATE | 1ull << 32 } }, -EINVAL },
		{ "a flag", { .flags = 1, .args = { KEEL_ENGINE_EMULATE } }, -EINVAL },
		{ "args[1]", { .args = { KEEL_ENGINE_EMULATE, 1 } }, -EINVAL },
		{ "args[3]", { .args = { KEEL_ENGINE_EMULATE, 0, 0, 1 } }, -EINVAL },
	};
	struct kvm_enable_cap cap;
	unsigned int i;

	REQUIRE_CAP(KEEL_CAP_ENGINE);
	side_create(&sides[0]);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cap = rows[i].cap;
		cap.cap = KEEL_CAP_ENGINE;
		CHECK_RET(rows[i].name, rows[i].wanted, __vcpu_ioctl(sides[0].vcpu, KVM_ENABLE_CAP, &cap));
	}
	cap = (struct kvm_enable_cap){ .cap = KEEL_CAP_ENGINE };
	CHECK_RET("on a VM", -EINVAL, __vm_ioctl(sides[0].vm, KVM_ENABLE_CAP, &cap));
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "real", test_real, 7200 },
	{ "protected16", test_protected16, 7200 },
	{ "protected32", test_protected32, 7200 },
	{ "pae", test_pae, 7200 },
	{ "pae_user", test_pae_user, 7200 },
	{ "vm86", test_vm86, 7200 },
	{ "compatibility", test_compatibility, 7200 },
	{ "long", test_long, 7200 },
	{ "long_user", test_long_user, 7200 },
};

TEST_MAIN(cases)
