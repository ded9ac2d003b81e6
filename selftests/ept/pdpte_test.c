// SPDX-License-Identifier: GPL-2.0-only
/*
 * PAE paging: the CPU walks by the four entries that it has loaded, whatever became of them in memory, and loads them at MOV to CR3 and at a change of
 * certain bits of CR0 and CR4 (SDM, "PDPTE Registers"). So for instructions that software executes. With nested paging AMD's CPUs have no such
 * registers (APM, "Legacy PAE Mode").
 *
 * Bits that guests change without an exit are not among those that load nothing: Bochs loads the entries then, too.
 */
#include "guest.h"

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

static void test_loads(void)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, steps_start, steps_end);
	struct vm *vm = vcpu->vm;
	u32 *out = vm_hva(vm, OUT);
	unsigned int i;

	REQUIRE(!guest_is_amd() || host_pages_by_shadow(), "with nested paging AMD's CPUs read the entries at each walk");
	*(u64 *)vm_hva(vm, PD_A) = PAGE_A | 0x83;
	*(u64 *)vm_hva(vm, PD_B) = PAGE_B | 0x83;
	*(u32 *)vm_hva(vm, PAGE_A) = 'a';
	*(u32 *)vm_hva(vm, PAGE_B) = 'b';
	*(u64 *)vm_hva(vm, VM_PAE_PDPT + 24) = PD_A | 1;
	vcpu_start_pae(vcpu, CODE);
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

static const struct test_case cases[] = {
	{ "loads", test_loads },
	{ "reserved", test_reserved },
};

TEST_MAIN(cases)
