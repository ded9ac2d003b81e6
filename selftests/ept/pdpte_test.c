// SPDX-License-Identifier: GPL-2.0-only
/*
 * PAE paging: the CPU walks by the four entries that it has loaded, whatever became of them in memory, and loads them at MOV to CR3 and at a change of
 * certain bits of CR0 and CR4 (SDM, "PDPTE Registers"). So for instructions that software executes. With nested paging AMD's CPUs have no such
 * registers (APM, "Legacy PAE Mode").
 *
 * A launcher may give entries that are not in memory (KVM_SET_SREGS2), a forked VM has those of its parent, and one
 * that is put back those that were loaded at the mark.
 *
 * Bits that guests change without an exit are not among those that load nothing: Bochs loads the entries then, too.
 */
#include <uapi/linux/keel.h>

#include "fork.h"
#include "mark.h"

#define CODE	0x8000
#define OUT	0x9000
#define PD_A	0x300000	/* two page directories for the last quarter of 4G */
#define PD_B	0x301000
#define PAGE_A	0x800000	/* and what is there */
#define PAGE_B	0xa00000

/* Each step: change something, have no translation left, look, and note what is there. */
#define LOOK					\
	"	invlpg	0xc0000000\n"		\
	"	mov	0xc0000000, %eax\n"	\
	"	mov	%eax, (%edi)\n"		\
	"	add	$4, %edi\n"
#define TOGGLE(cr, bit)				\
	"	mov	%" cr ", %eax\n"	\
	"	xor	$(1 << " bit "), %eax\n" \
	"	mov	%eax, %" cr "\n"
#define ENTRY(pd)				\
	"	movl	$" pd " + 1, 0x10a018\n"

asm(".pushsection .rodata\n"
    "steps_start:\n"
    ".code32\n"
    "	mov	$0x9000, %edi\n"
    LOOK
    ENTRY("0x301000")
    LOOK
    TOGGLE("cr0", "5")				/* NE */
    LOOK
    TOGGLE("cr4", "0")				/* VME */
    LOOK
    TOGGLE("cr4", "6")				/* MCE */
    LOOK
    /* by software */
    "	mov	$0xc0000000, %esi\n"
    "	mov	$0x99, %edx\n"
    "	outsb\n"
    TOGGLE("cr4", "4")				/* PSE */
    LOOK
    ENTRY("0x300000")
    LOOK
    TOGGLE("cr0", "30")				/* CD */
    LOOK
    ENTRY("0x301000")
    TOGGLE("cr4", "7")				/* PGE */
    LOOK
    ENTRY("0x300000")
    "	mov	$0xc0000000, %esi\n"
    "	outsb\n"
    "	mov	%cr3, %eax\n"
    "	mov	%eax, %cr3\n"
    LOOK
    "	hlt\n"
    ".code64\n"
    "steps_end:\n"
    ".popsection\n");
extern const char steps_start[], steps_end[];

/* A reserved bit, in EBX, gets into an entry; then it is loaded. There is no IDT. */
asm(".pushsection .rodata\n"
    "reserved_start:\n"
    ".code32\n"
    "	or	%ebx, 0x10a018\n"
    TOGGLE("cr4", "4")				/* PSE */
    "	hlt\n"
    ".code64\n"
    "reserved_end:\n"
    ".popsection\n");
extern const char reserved_start[], reserved_end[];

/* By hardware, by software, and once they have been loaded again. */
asm(".pushsection .rodata\n"
    "given_start:\n"
    ".code32\n"
    "	mov	$0x9000, %edi\n"
    LOOK
    "	mov	$0xc0000000, %esi\n"
    "	mov	$0x99, %edx\n"
    "	outsb\n"
    LOOK
    "	mov	%cr3, %eax\n"
    "	mov	%eax, %cr3\n"
    LOOK
    "	hlt\n"
    ".code64\n"
    "given_end:\n"
    ".popsection\n");
extern const char given_start[], given_end[];

static const struct {
	const char *name;
	u32 wanted;
} steps[] = {
	{ "first", 'a' },
	{ "the entry in memory changed", 'a' },
	{ "CR0.NE", 'a' },
	{ "CR4.VME", 'a' },
	{ "CR4.MCE", 'a' },
	{ "CR4.PSE", 'b' },
	{ "the entry in memory changed", 'b' },
	{ "CR0.CD", 'a' },
	{ "CR4.PGE", 'b' },
	{ "CR3", 'a' },
};

static u32 io_byte(struct vcpu *vcpu)
{
	return *((u8 *)vcpu->run + vcpu->run->io.data_offset);
}

/* With nested paging AMD's CPUs read the entries at each walk. */
static int has_registers(void)
{
	return !guest_is_amd() || host_pages_by_shadow();
}

/* Memory says 'a'. */
static void start(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	*(u64 *)vm_hva(vm, PD_A) = PAGE_A | 0x83;
	*(u64 *)vm_hva(vm, PD_B) = PAGE_B | 0x83;
	*(u32 *)vm_hva(vm, PAGE_A) = 'a';
	*(u32 *)vm_hva(vm, PAGE_B) = 'b';
	*(u64 *)vm_hva(vm, VM_PAE_PDPT + 24) = PD_A | 1;
	vcpu_start_pae(vcpu, CODE);
}

static void test_loads(void)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, steps_start, steps_end);
	struct vm *vm = vcpu->vm;
	u32 *out = vm_hva(vm, OUT);
	unsigned int i;

	REQUIRE(has_registers(), "with nested paging AMD's CPUs read the entries at each walk");
	start(vcpu);
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("read by software", 'a', io_byte(vcpu));
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("read by software", 'b', io_byte(vcpu));
	RUN_TO(vcpu, KVM_EXIT_HLT);
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		CHECK_EQ(steps[i].name, steps[i].wanted, out[i]);
}

/* #GP, of which a shutdown comes; an entry that is not present may hold anything. */
static void test_reserved(void)
{
	static const struct {
		const char *name;
		u32 bits;
		u32 present;
	} rows[] = {
		{ "none", 0, 1 }, { "bit 1", BIT(1), 1 }, { "bit 2", BIT(2), 1 }, { "bit 3, PWT", BIT(3), 1 }, { "bit 5", BIT(5), 1 },
		{ "bit 6", BIT(6), 1 }, { "bit 7", BIT(7), 1 }, { "bit 8", BIT(8), 1 }, { "bit 9, ignored", BIT(9), 1 },
		{ "all, not present", 0xffe, 0 },
	};
	unsigned int i;

	REQUIRE(!guest_is_amd(), "with nested paging AMD's CPUs look at the entries at each walk");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int fails = rows[i].present && rows[i].bits & 0x1e6;
		struct vcpu *vcpu = vcpu_create_code(CODE, reserved_start, reserved_end);
		struct kvm_sregs s;
		struct kvm_regs r;

		*(u64 *)vm_hva(vcpu->vm, VM_PAE_PDPT + 24) = PD_A | rows[i].present;
		vcpu_start_pae(vcpu, CODE);
		s = vcpu_sregs(vcpu);
		s.idt.limit = 0;
		vcpu_set_sregs(vcpu, &s);
		r = vcpu_regs(vcpu);
		r.rbx = rows[i].bits;
		vcpu_set_regs(vcpu, &r);
		vcpu_run(vcpu);
		CHECK_EQ(rows[i].name, fails ? KVM_EXIT_SHUTDOWN : KVM_EXIT_HLT, vcpu->run->exit_reason);
		vm_destroy(vcpu->vm);
	}
}

static u64 last_entry(struct vcpu *vcpu)
{
	struct kvm_sregs2 s;

	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	CHECK_EQ("they are told", KVM_SREGS2_FLAGS_PDPTRS_VALID, s.flags);
	/* QEMU's TCG sets bit 5 as if it were an accessed bit */
	return s.pdptrs[3] & ~(has_registers() ? 0 : BIT(5));
}

/*
 * On stock KVM with nested paging on AMD's CPUs, software and KVM_GET_SREGS2 go by the entries that were given; the
 * guest by memory.
 */
static int software_agrees(void)
{
	return has_registers() || has_cap(KEEL_CAP_FORK_VM) > 0;
}

static void check_entry(const char *what, u64 wanted, struct vcpu *vcpu)
{
	if (software_agrees())
		CHECK_EQ(what, wanted, last_entry(vcpu));
}

/* The last one is @pdpte, the others are as they were. */
static int give(struct vcpu *vcpu, u64 pdpte)
{
	struct kvm_sregs2 s;

	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.pdptrs[3] = pdpte;
	return __vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s);
}

/* From the guest's OUTS, which comes after its first look, to its end. */
static void look_on(struct vcpu *vcpu, u32 loaded)
{
	u32 *out = vm_hva(vcpu->vm, OUT);

	CHECK_EQ("by hardware", loaded, out[0]);
	if (software_agrees())
		CHECK_EQ("by software", loaded, io_byte(vcpu));
	check_entry("read back", loaded == 'a' ? PD_A | 1 : PD_B | 1, vcpu);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("behind the exit", loaded, out[1]);
	CHECK_EQ("loaded again", 'a', out[2]);
	check_entry("read back", PD_A | 1, vcpu);
}

static void test_given(void)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, given_start, given_end);

	REQUIRE_CAP(KVM_CAP_SREGS2);
	start(vcpu);
	CHECK_RET("KVM_SET_SREGS2", 0, give(vcpu, PD_B | 1));
	if (has_registers())
		CHECK_EQ("read back at once", PD_B | 1, last_entry(vcpu));
	RUN_TO(vcpu, KVM_EXIT_IO);
	look_on(vcpu, has_registers() ? 'b' : 'a');
}

/* In the midst of a run, and taken back by a KVM_SET_SREGS2 without them. */
static void test_given_later(void)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, given_start, given_end);
	struct kvm_sregs2 s;

	REQUIRE_CAP(KVM_CAP_SREGS2);
	start(vcpu);
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_RET("KVM_SET_SREGS2", 0, give(vcpu, PD_B | 1));
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("before", 'a', ((u32 *)vm_hva(vcpu->vm, OUT))[0]);
	CHECK_EQ("behind", has_registers() ? 'b' : 'a', ((u32 *)vm_hva(vcpu->vm, OUT))[1]);
	CHECK_RET("KVM_SET_SREGS2", 0, give(vcpu, PD_B | 1));
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	s.flags = 0;
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s);
	check_entry("from memory", PD_A | 1, vcpu);
}

/* No load would have taken them. Stock KVM takes them, and its VM entry fails. */
static void test_given_reserved(void)
{
	static const struct {
		const char *name;
		u64 pdpte;
		int fails;
	} rows[] = {
		{ "bit 1", 3, 1 }, { "bit 7", 0x81, 1 }, { "bit 8", 0x101, 1 }, { "bit 52", BIT(52) | 1, 1 }, { "bit 63", BIT(63) | 1, 1 },
		{ "bit 9, ignored", 0x201, 0 }, { "all, not present", ~1ull, 0 },
	};
	struct vcpu *vcpu = vcpu_create_code(CODE, given_start, given_end);
	int refuses = has_registers() && has_cap(KEEL_CAP_FORK_VM) > 0;
	unsigned int i;

	REQUIRE_CAP(KVM_CAP_SREGS2);
	start(vcpu);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, rows[i].fails && refuses ? -EINVAL : 0, give(vcpu, rows[i].pdpte));
	CHECK_RET("none", 0, give(vcpu, PD_B | 1));
	RUN_TO(vcpu, KVM_EXIT_IO);
	look_on(vcpu, has_registers() ? 'b' : 'a');
	if (refuses || guest_is_amd())
		return;
	CHECK_RET("bit 1", 0, give(vcpu, PD_B | 3));
	RUN_TO(vcpu, KVM_EXIT_FAIL_ENTRY);
}

static void in_child(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	CHECK_EQ("the child's", has_registers() ? PD_B | 1 : PD_A | 1, last_entry(vcpu));
	RUN_TO(vcpu, KVM_EXIT_IO);
	look_on(vcpu, has_registers() ? 'b' : 'a');
}

static void test_forked(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	REQUIRE_CAP(KVM_CAP_SREGS2);
	vcpu_set_supported_cpuid(vcpu);
	vm_copy_code(vm, CODE, given_start, given_end);
	start(vcpu);
	CHECK_RET("KVM_SET_SREGS2", 0, give(vcpu, PD_B | 1));
	fork_join("child before it runs", vm_fork_child(vm, in_child, 0));
	RUN_TO(vcpu, KVM_EXIT_IO);
	look_on(vcpu, has_registers() ? 'b' : 'a');
}

/* An entry changes in memory alone; where the guest halts then, its VM is marked. */
asm(".pushsection .rodata\n"
    "copied_start:\n"
    ".code32\n"
    "	mov	$0x9000, %edi\n"
    LOOK
    ENTRY("0x301000")
    "	hlt\n"
    LOOK
    "	mov	%cr3, %eax\n"
    "	mov	%eax, %cr3\n"
    LOOK
    "	hlt\n"
    ".code64\n"
    "copied_end:\n"
    ".popsection\n");
extern const char copied_start[], copied_end[];

static struct vcpu *run_to_change(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_set_supported_cpuid(vcpu);
	vm_copy_code(vm, CODE, copied_start, copied_end);
	start(vcpu);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	return vcpu;
}

static void run_from_change(struct vm *vm, struct vcpu *vcpu)
{
	struct kvm_translation t = { .linear_address = 0xc0000000 };
	const u32 *out = vm_hva(vm, OUT);

	vcpu_ioctl(vcpu, KVM_TRANSLATE, &t);
	CHECK_EQ("walked by software", PAGE_A, t.physical_address);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("before the change", 'a', out[0]);
	CHECK_EQ("the entry in memory changed", 'a', out[1]);
	CHECK_EQ("CR3", 'b', out[2]);
}

/* What was loaded at the mark is what the guest goes on with, each time. */
static void test_marked(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST);
	struct vcpu *vcpu;
	unsigned int i;

	REQUIRE(!guest_is_amd(), "with nested paging AMD's CPUs read the entries at each walk");
	vcpu = run_to_change(vm);
	vm_mark_all(vm);
	for (i = 0; i < 3; i++) {
		run_from_change(vm, vcpu);
		vm_go_back(vm);
	}
	/* a mark of a state that was put back, and has not run since */
	vm_mark_all(vm);
	for (i = 0; i < 3; i++) {
		run_from_change(vm, vcpu);
		vm_go_back(vm);
	}
	run_from_change(vm, vcpu);
}

static const struct test_case cases[] = {
	{ "loads", test_loads },
	{ "reserved", test_reserved },
	{ "given", test_given },
	{ "given_later", test_given_later },
	{ "given_reserved", test_given_reserved },
	{ "forked", test_forked },
	{ "marked", test_marked },
};

TEST_MAIN(cases)
