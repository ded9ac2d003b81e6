// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks of a 32-bit guest: GDT, IDT, LDT, TSSs and the code of task A, task B and a task for each
 * vector that a fault may have.
 */
#include <sys/mman.h>

#include "tasks.h"

static struct vm *vm;
static struct vcpu *vcpu;

/* Touch every page that the tasks, their tables or the CPU on their behalf may use. */
asm(".pushsection .rodata\n"
    "touch_start:\n"
    ".code32\n"
    "	mov	$0x6000, %esi\n"
    "1:	lock orl $0, (%esi)\n"
    "	add	$0x1000, %esi\n"
    "	cmp	$0x9000, %esi\n"
    "	jne	2f\n"
    "	mov	$0x300000, %esi\n"
    "2:	cmp	$0x314000, %esi\n"
    "	jne	1b\n"
    "	lock orl $0, 0x800000\n"
    "	lock orl $0, 0xc00000\n"
    "	hlt\n"
    ".code64\n"
    "touch_end:\n"
    ".popsection\n");
extern const char touch_start[], touch_end[];

/*
 * Not mapped yet, an address takes an exit: an emulated CPU may take it in the middle of a switch. Nor does the host gather
 * these pages into a huge one meanwhile.
 */
static void touch_pages(void)
{
	madvise(vm_hva(vm, 0), VM_MEM_SIZE, MADV_NOHUGEPAGE);
	vm_put_code(vm, CODE_A, touch);
	vcpu_start_prot32(vcpu, CODE_A);
	vcpu_run(vcpu);
	ASSERT_EXIT(vcpu, KVM_EXIT_HLT);
}

u64 tasks_peek(u64 at, unsigned int size)
{
	u64 val = 0;

	memcpy(&val, vm_hva(vm, at), size);
	return val;
}

void tasks_poke(u64 at, u64 val, unsigned int size)
{
	memcpy(vm_hva(vm, at), &val, size);
}

void tasks_put_descriptor(u16 sel, u32 base, u32 limit, u16 attr)
{
	tasks_poke(DESC(sel), (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)attr << 40 |
	     (u64)(limit >> 16 & 0xf) << 48 | (u64)(base >> 24) << 56, 8);
}

void tasks_put_task_gate(u8 vector, u16 tss, u8 access)
{
	tasks_poke(IDT + 8 * vector, (u64)tss << 16 | (u64)access << 40, 8);
}

void tasks_put_tss32(u32 at, u32 eip, u32 esp)
{
	unsigned int i;

	memset(vm_hva(vm, at), 0, 0x100);
	tasks_poke(at + T_CR3, PAGE_DIR, 4);
	tasks_poke(at + T_EIP, eip, 4);
	tasks_poke(at + T_EFLAGS, 2, 4);
	for (i = 0; i < 8; i++)
		tasks_poke(at + T_EAX + 4 * i, 0xab000000 + i, 4);
	tasks_poke(at + T_ESP, esp, 4);
	for (i = T_ES; i <= T_GS; i += 4)
		tasks_poke(at + i, i == T_CS ? S_CODE : S_DATA, 4);
}

static void put_tss16(u32 at)
{
	const u16 words[] = { CODE_B, 2, 0xab00, 0xab01, 0xab02, 0xab03, STACK_B, 0xab05, 0xab06, 0xab07,
			      S_DATA, S_CODE16, S_DATA, S_DATA, 0 };

	memset(vm_hva(vm, at), 0, 0x100);
	memcpy(vm_hva(vm, at + 0x0e), words, sizeof(words));
}

/* Vectors whose task gates lead to a task of their own. */
static const u8 fault_vectors[] = { 8, 10, 11, 12, 13, 14 };

static void put_tables(bool from_16, bool to_16)
{
	unsigned int i;

	memset(vm_hva(vm, GDT), 0, 0x1000);
	memset(vm_hva(vm, IDT), 0, 0x800);
	memset(vm_hva(vm, LDT), 0, 0x100);
	tasks_put_descriptor(S_CODE, 0, 0xfffff, 0xc09b);
	tasks_put_descriptor(S_DATA, 0, 0xfffff, 0xc093);
	tasks_put_descriptor(S_CODE3, 0, 0xfffff, 0xc0fb);
	tasks_put_descriptor(S_DATA3, 0, 0xfffff, 0xc0f3);
	tasks_put_descriptor(S_ABSENT, 0, 0xfffff, 0xc013);
	tasks_put_descriptor(S_READ_ONLY, 0, 0xfffff, 0xc091);
	tasks_put_descriptor(S_EXEC_ONLY, 0, 0xfffff, 0xc099);
	tasks_put_descriptor(S_A, TSS_A, from_16 ? 0x2b : 0x67, from_16 ? 0x83 : 0x8b);
	tasks_put_descriptor(S_B, TSS_B, to_16 ? 0x2b : 0x67, to_16 ? 0x81 : 0x89);
	tasks_put_descriptor(S_LDT, LDT, 0xff, 0x82);
	tasks_put_descriptor(S_GATE, S_B, 0, 0x85);
	tasks_put_descriptor(S_CODE_ABSENT, 0, 0xfffff, 0xc01b);
	tasks_put_descriptor(S_LDT_ABSENT, LDT, 0xff, 0x02);
	tasks_put_descriptor(S_SHORT, 0, CODE_B - 1, 0x409b);
	tasks_put_descriptor(S_SMALL, 0, STACK_B - 3, 0x4093);
	tasks_put_descriptor(S_CODE16, 0, 0xffff, 0x009b);
	memcpy(vm_hva(vm, LDT), vm_hva(vm, GDT), 0x100);
	for (i = 0; i < ARRAY_SIZE(fault_vectors); i++) {
		u8 v = fault_vectors[i];

		tasks_put_descriptor(S_FAULT(v), TSS_FAULT + 0x100 * v, 0x67, 0x89);
		tasks_put_task_gate(v, S_FAULT(v), 0x85);
		tasks_put_tss32(TSS_FAULT + 0x100 * v, CODE_FAULT, STACK_FAULT);
	}
	memset(vm_hva(vm, TSS_A), 0, 0x100);
	if (to_16)
		put_tss16(TSS_B);
	else
		tasks_put_tss32(TSS_B, CODE_B, STACK_B);
}

/* Pages of 4 MB, one to one. */
static void put_pages(void)
{
	u32 i;

	for (i = 0; i < 1024; i++)
		tasks_poke(PAGE_DIR + 4 * i, (u64)i << 22 | 0x83, 4);
}

void tasks_put_code(u64 at, const u8 *code, unsigned int n)
{
	memcpy(vm_hva(vm, at), code, n);
	tasks_poke(at + n, 0xf4, 1);		/* HLT */
}

static void set_registers(bool from_16, bool paging)
{
	struct kvm_regs r = {
		.rip = CODE_A, .rflags = 2, .rsp = STACK_A, .rax = 0xcd000000, .rcx = 0xcd000001,
		.rdx = 0xcd000002, .rbx = 0xcd000003, .rbp = 0xcd000005, .rsi = 0xcd000006,
		.rdi = 0xcd000007,
	};
	struct kvm_sregs s;

	if (paging)
		vcpu_start_paged32(vcpu, CODE_A);
	else
		vcpu_start_prot32(vcpu, CODE_A);
	s = vcpu_sregs(vcpu);
	if (paging) {
		s.cr3 = PAGE_DIR;
		s.cr0 |= BIT(16);	/* WP */
	}
	s.gdt.base = GDT;
	s.gdt.limit = 0x1ff;
	s.idt.base = IDT;
	s.idt.limit = 0x7ff;
	s.cs.selector = S_CODE;
	s.ds.selector = s.es.selector = s.ss.selector = s.fs.selector = s.gs.selector = S_DATA;
	s.tr.selector = S_A;
	s.tr.base = TSS_A;
	s.tr.limit = from_16 ? 0x2b : 0x67;
	/* TCG: see vcpu_start_prot32() */
	s.tr.type = (from_16 ? 1 : 9) | (host_is_tcg() ? 0 : 2);
	vcpu_set_sregs(vcpu, &s);
	vcpu_set_regs(vcpu, &r);
}

static void set_events_none(void)
{
	struct kvm_vcpu_events ev = { };

	ev.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &ev);
}

struct vcpu *tasks_prepare(unsigned int flags)
{
	/* B halts, returns if it is let, and begins again: HLT, IRET, JMP */
	static const u8 fault_code[] = { 0xf4 }, b_code[] = { 0xf4, 0xcf, 0xeb, 0xfc };

	if (!vm) {
		vm = vm_create(VM_GUEST);
		vcpu = vcpu_create(vm, 0);
		vcpu_set_supported_cpuid(vcpu);
		touch_pages();
	}
	put_tables(flags & TASKS_A_16, flags & TASKS_B_16);
	put_pages();
	tasks_put_code(CODE_B, b_code, sizeof(b_code));
	tasks_put_code(CODE_FAULT, fault_code, sizeof(fault_code));
	set_events_none();
	set_registers(flags & TASKS_A_16, flags & TASKS_PAGING);
	return vcpu;
}

void tasks_set_rflags(struct vcpu *vcpu, u64 rflags)
{
	struct kvm_regs r = vcpu_regs(vcpu);

	r.rflags = rflags;
	vcpu_set_regs(vcpu, &r);
}

void tasks_halt(struct vcpu *vcpu, const char *where)
{
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_HLT)
		test_note("%s", where);
	ASSERT_EXIT(vcpu, KVM_EXIT_HLT);
}

/* In the task of the vector: which task the fault belongs to, and what of it was saved. */
void tasks_check_fault(struct vcpu *vcpu, u8 vector, u32 error, enum context context)
{
	u32 tss = TSS_FAULT + 0x100 * vector, victim = context == IN_NEW ? TSS_B : TSS_A;
	struct kvm_sregs s = vcpu_sregs(vcpu);
	u64 esp = vcpu_regs(vcpu).rsp;

	CHECK_EQ("  vector, by TR", S_FAULT(vector), s.tr.selector);
	if (s.tr.selector != S_FAULT(vector))
		return;
	CHECK_EQ("  ESP", STACK_FAULT - 4, esp);
	CHECK_EQ("  error code", error, tasks_peek(STACK_FAULT - 4, 4));
	CHECK_EQ("  the task it belongs to", context == IN_NEW ? S_B : S_A, tasks_peek(tss, 2));
	CHECK_EQ("  its ESP", context == IN_NEW ? STACK_B : STACK_A, tasks_peek(victim + T_ESP, 4));
	CHECK_EQ("  its TSS busy", 2, tasks_peek(ACCESS(context == IN_NEW ? S_B : S_A), 1) & 2);
}

void tasks_put_jump(u8 opcode)
{
	const u8 code[] = { opcode, 0, 0, 0, 0, S_B, 0 };

	tasks_put_code(CODE_A, code, sizeof(code));
}
