// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start states of a vCPU and the tables behind them: 64-bit mode with an
 * identity map of the low 4 GB, real mode, 16-bit and flat 32-bit protected
 * mode, 32-bit paging and PAE. Also vcpu_run_ucall(), the host half of ucalls.
 */
#include "guest.h"

#define PTE_P	BIT(0)
#define PTE_W	BIT(1)
#define PTE_U	BIT(2)
#define PTE_PS	BIT(7)

extern const char guest_stubs[], guest_return[];

struct gate64 {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset1;
	u32 offset2, zero;
};

/* The ring 0 stack of a TSS is the middle of the vCPU's stack. */
static void put_gdt(struct vm *vm)
{
	u64 *gdt = vm_hva(vm, VM_GDT);
	u32 i;

	gdt[SEL_CODE64 >> 3] = 0x00af9b000000ffff;
	gdt[SEL_DATA >> 3] = 0x00cf93000000ffff;
	gdt[SEL_CODE32 >> 3] = 0x00cf9b000000ffff;
	gdt[SEL_CODE16 >> 3] = 0x008f9b000000ffff;
	gdt[SEL_DATA16 >> 3] = 0x008f93000000ffff;
	gdt[SEL_USER_DATA >> 3] = 0x00cff3000000ffff;
	gdt[SEL_USER_CODE64 >> 3] = 0x00affb000000ffff;
	for (i = 0; i < VM_MAX_STACKS; i++) {
		u64 base = VM_TSS + 0x80 * i, rsp0 = VM_STACKS + i * VM_STACK_SIZE + 0x2000;

		memcpy(vm_hva(vm, base + 4), &rsp0, sizeof(rsp0));
		gdt[SEL_TSS(i) >> 3] = 0x67 | (base & 0xffffff) << 16 | 0x8bULL << 40 |
				       (base >> 24 & 0xff) << 56;
	}
}

static void put_idt(struct vm *vm)
{
	struct gate64 *idt = vm_hva(vm, VM_IDT);
	u32 i;

	for (i = 0; i < 256; i++) {
		u64 a = (uintptr_t)guest_stubs + 16 * i;

		idt[i] = (struct gate64){ .offset0 = a, .selector = SEL_CODE64, .type = 0x8e,
					  .offset1 = a >> 16, .offset2 = a >> 32 };
	}
}

void guest_tables_init(struct vm *vm)
{
	u64 *pml4 = vm_hva(vm, VM_PML4), *pdpt = vm_hva(vm, VM_PDPT);
	u64 *pae = vm_hva(vm, VM_PAE_PDPT), *pd = vm_hva(vm, VM_PD);
	u32 *pd32 = vm_hva(vm, VM_PD32);
	u64 i;

	pml4[0] = VM_PDPT | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 4; i++) {
		pdpt[i] = (VM_PD + i * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
		pae[i] = (VM_PD + i * PAGE_SIZE) | PTE_P;
	}
	for (i = 0; i < 2048; i++)
		pd[i] = i << 21 | PTE_PS | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 1024; i++)
		pd32[i] = i << 22 | PTE_PS | PTE_P | PTE_W | PTE_U;
	put_gdt(vm);
	put_idt(vm);
}

/* Tables made by vm_map() come from the top of slot 0, downwards; one VM's cursor is its page. */
static u64 alloc_table(struct vm *vm)
{
	u64 *cursor = vm_hva(vm, VM_MEM_SIZE - 8);

	if (!*cursor)
		*cursor = VM_MEM_SIZE - PAGE_SIZE;
	*cursor -= PAGE_SIZE;
	return *cursor;
}

void vm_map(struct vm *vm, u64 gva, u64 gpa, u64 size)
{
	ASSERT(gva >> 32, "0x%llx is in the identity map", (unsigned long long)gva);
	for (; size; gva += PAGE_SIZE, gpa += PAGE_SIZE, size -= PAGE_SIZE) {
		u64 table = VM_PML4;
		int shift;

		for (shift = 39; shift > 12; shift -= 9) {
			u64 *e = (u64 *)vm_hva(vm, table) + (gva >> shift & 511);

			if (!(*e & PTE_P))
				*e = alloc_table(vm) | PTE_P | PTE_W | PTE_U;
			table = *e & 0xffffffffff000ULL;
		}
		((u64 *)vm_hva(vm, table))[gva >> 12 & 511] = gpa | PTE_P | PTE_W | PTE_U;
	}
}

static struct kvm_segment segment(u16 sel, u8 type, u8 db, u8 l)
{
	return (struct kvm_segment){ .selector = sel, .limit = 0xffffffff, .type = type,
				     .present = 1, .s = 1, .g = 1, .db = db, .l = l };
}

static void set_data(struct kvm_sregs *s, struct kvm_segment seg)
{
	s->ds = s->es = s->fs = s->gs = s->ss = seg;
}

static void set_system(struct kvm_sregs *s, u32 id)
{
	s->gdt.base = VM_GDT;
	s->gdt.limit = SEL_TSS(VM_MAX_STACKS) - 1;
	s->idt.base = VM_IDT;
	s->idt.limit = 256 * 16 - 1;
	s->tr = (struct kvm_segment){ .selector = SEL_TSS(id), .base = VM_TSS + 0x80 * id,
				      .limit = 0x67, .type = 11, .present = 1 };
	s->ldt = (struct kvm_segment){ .unusable = 1 };
}

static u64 stack_top(u32 id)
{
	ASSERT(id < VM_MAX_STACKS, "no stack for vCPU %u", id);
	return VM_STACKS + (id + 1) * VM_STACK_SIZE;
}

void vcpu_start64(struct vcpu *vcpu, void *fn)
{
	u64 top = stack_top(vcpu->id) - 16;
	struct kvm_regs r = { .rip = (uintptr_t)fn, .rflags = 2, .rsp = top - 8 };
	struct kvm_sregs s = vcpu_sregs(vcpu);

	*(u64 *)vm_hva(vcpu->vm, top - 8) = (uintptr_t)guest_return;
	set_system(&s, vcpu->id);
	s.cs = segment(SEL_CODE64, 11, 0, 1);
	set_data(&s, segment(SEL_DATA, 3, 1, 0));
	s.cr0 = 0x80050033;	/* PG AM WP NE ET MP PE */
	s.cr3 = VM_PML4;
	s.cr4 = 0x620;		/* OSXMMEXCPT OSFXSR PAE */
	s.efer = 0x501;		/* LMA LME SCE */
	if (cpuid_row(supported_cpuid(), 0x80000001, 0)->edx & BIT(20))
		s.efer |= 0x800;	/* NXE */
	vcpu_set_sregs(vcpu, &s);
	vcpu_set_regs(vcpu, &r);
}

struct vcpu *vcpu_create_guest(struct vm *vm, u32 id, void *fn)
{
	struct vcpu *vcpu = vcpu_create(vm, id);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu_set_supported_cpuid(vcpu);
	vcpu_start64(vcpu, fn);
	if (id && vm->flags & VM_ANY_APIC)
		vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &mp);
	return vcpu;
}

void vcpu_let_host_in(struct vcpu *vcpu)
{
	struct kvm_regs r = vcpu_regs(vcpu);

	if (!host_is_bochs())
		return;
	r.rflags |= BIT(9);
	vcpu_set_regs(vcpu, &r);
}

void vcpu_args(struct vcpu *vcpu, u64 a0, u64 a1, u64 a2)
{
	struct kvm_regs r = vcpu_regs(vcpu);

	r.rdi = a0;
	r.rsi = a1;
	r.rdx = a2;
	vcpu_set_regs(vcpu, &r);
}

void vcpu_start_real(struct vcpu *vcpu, u16 cs, u16 ip)
{
	struct kvm_regs r = { .rip = ip, .rflags = 2, .rsp = 0x7000 };
	struct kvm_sregs s = vcpu_sregs(vcpu);
	struct kvm_segment seg = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };

	set_data(&s, seg);
	seg.selector = cs;
	seg.base = (u64)cs << 4;
	seg.type = 11;
	s.cs = seg;
	s.cr0 = 0x60000010;
	s.cr4 = s.efer = 0;
	s.idt.base = 0;
	s.idt.limit = 0x3ff;
	vcpu_set_sregs(vcpu, &s);
	vcpu_set_regs(vcpu, &r);
}

static void start_prot(struct vcpu *vcpu, u64 gpa, struct kvm_segment cs, struct kvm_segment ds,
		       u64 paging)
{
	struct kvm_regs r = { .rip = gpa, .rflags = 2, .rsp = stack_top(vcpu->id) };
	struct kvm_sregs s = vcpu_sregs(vcpu);

	set_system(&s, vcpu->id);
	/* what QEMU 7.2's TCG goes on with (Documentation/differences.rst) */
	if (host_is_tcg())
		s.tr.type = 9;
	s.cs = cs;
	set_data(&s, ds);
	s.cr0 = paging ? 0x80000011 : 0x11;
	s.cr3 = paging;
	s.cr4 = paging == VM_PAE_PDPT ? 0x620 : paging ? 0x610 : 0x600;
	s.efer = 0;
	vcpu_set_sregs(vcpu, &s);
	vcpu_set_regs(vcpu, &r);
}

void vcpu_start_prot16(struct vcpu *vcpu, u64 gpa)
{
	start_prot(vcpu, gpa, segment(SEL_CODE16, 11, 0, 0), segment(SEL_DATA16, 3, 0, 0), 0);
}

void vcpu_start_prot32(struct vcpu *vcpu, u64 gpa)
{
	start_prot(vcpu, gpa, segment(SEL_CODE32, 11, 1, 0), segment(SEL_DATA, 3, 1, 0), 0);
}

void vcpu_start_paged32(struct vcpu *vcpu, u64 gpa)
{
	start_prot(vcpu, gpa, segment(SEL_CODE32, 11, 1, 0), segment(SEL_DATA, 3, 1, 0), VM_PD32);
}

void vcpu_start_pae(struct vcpu *vcpu, u64 gpa)
{
	start_prot(vcpu, gpa, segment(SEL_CODE32, 11, 1, 0), segment(SEL_DATA, 3, 1, 0),
		   VM_PAE_PDPT);
}

void vm_copy_code(struct vm *vm, u64 gpa, const void *start, const void *end)
{
	memcpy(vm_hva(vm, gpa), start, (const char *)end - (const char *)start);
}

struct vcpu *vcpu_create_code(u64 gpa, const void *start, const void *end)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_set_supported_cpuid(vcpu);
	vm_copy_code(vm, gpa, start, end);
	return vcpu;
}
