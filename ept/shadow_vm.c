// SPDX-License-Identifier: GPL-2.0-only
/* Shadow paging of a VM and its vCPUs: when roots are made, and what the other rooms tell of the guest. */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>
#include <keel/access.h>
#include <keel/pdpte.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include "shadow.h"

static char *paging = "auto";
module_param(paging, charp, 0444);
MODULE_PARM_DESC(paging, "second-level tables of guests: nested (the CPU's), shadow (made from the guest's), auto (nested where the CPU has it, default)");

static bool is_shadow __ro_after_init;

/* Tables of a VM at most: 16 KB each. */
#define SHADOW_TABLES	8192u

#define ROOT_GROUPS	(RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER)

int keel_paging_init(bool has_nested, bool has_shadow)
{
	bool nested = !strcmp(paging, "nested"), shadow = !strcmp(paging, "shadow");

	if (!nested && !shadow && strcmp(paging, "auto")) {
		pr_err("paging=%s: auto, nested or shadow\n", paging);
		return -EINVAL;
	}
	is_shadow = shadow || (!nested && !has_nested);
	if (is_shadow ? has_shadow : has_nested)
		return 0;
	pr_err("%s\n", is_shadow ? "this CPU's guests cannot be run on shadow tables yet: use a CPU with nested paging, and paging=auto" :
		       "this CPU has no nested paging: load with paging=auto or shadow");
	return -EOPNOTSUPP;
}

bool keel_paging_is_shadow(void)
{
	return is_shadow;
}

/* All vCPUs' current roots, which stay, and as much again for what is below them. */
static_assert(SHADOW_TABLES >= 2 * SHADOW_MAX_TOPS * KEEL_MAX_VCPUS);

/* The VM's tables, made with its first vCPU. */
static int vm_create(struct vm *vm)
{
	struct memory *mem = &vm->mem;
	struct shadow *s = NULL;
	int ret;

	mutex_lock(&mem->slots_lock);
	ret = memory_table_create(vm);
	if (!ret && !mem->table->shadow) {
		s = shadow_create(vm, mem->table->format, SHADOW_TABLES);
		ret = s ? 0 : -ENOMEM;
	}
	if (s) {
		spin_lock(&mem->lock);
		mem->table->shadow = s;
		spin_unlock(&mem->lock);
	}
	mutex_unlock(&mem->slots_lock);
	return ret;
}

int keel_shadow_vcpu_create(struct vcpu *vcpu)
{
	struct shadow_vcpu *sv;
	int ret = vm_create(vcpu->vm);

	if (ret)
		return ret;
	sv = kzalloc(sizeof(*sv), GFP_KERNEL_ACCOUNT);
	if (!sv)
		return -ENOMEM;
	/* outside long mode the CPU's CR3 has 32 bits */
	sv->pae = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT | GFP_DMA32);
	if (!sv->pae) {
		kfree(sv);
		return -ENOMEM;
	}
	vcpu->shadow = sv;
	return 0;
}

void keel_shadow_vcpu_destroy(struct vcpu *vcpu)
{
	struct shadow_vcpu *sv = vcpu->shadow;

	if (!sv)
		return;
	if (mem_shadow(&vcpu->vm->mem))
		shadow_unload(mem_shadow(&vcpu->vm->mem), sv);
	free_page((unsigned long)sv->pae);
	kfree(sv);
	vcpu->shadow = NULL;
}

void shadow_vm_destroy(struct vm *vm)
{
	struct shadow *s = mem_shadow(&vm->mem);
	struct vcpu *vcpu;
	unsigned long i;

	if (!s)
		return;
	vm_for_each_vcpu(vm, i, vcpu) {
		if (vcpu->shadow)
			shadow_unload(s, vcpu->shadow);
	}
	vm->mem.table->shadow = NULL;
	shadow_destroy(s);
}

/* The guest has changed its control registers. core/cr.c has looked at the entries. */
static void load_pdptes(struct vcpu *vcpu)
{
	const struct vcpu_regs *r = &vcpu->regs;
	struct shadow_vcpu *sv = vcpu->shadow;
	bool loads = r->dirty & RG_CR3 || shadow_loads_pdptes(sv, r->cr0, r->cr4);

	sv->cr0 = r->cr0;
	sv->cr4 = r->cr4;
	if (!loads || shadow_mode(r).guest != SHADOW_PAE)
		return;
	if (keel_read_guest(vcpu->vm, r->cr3 & 0xffffffe0, sv->pdpte, sizeof(sv->pdpte)))
		memset(sv->pdpte, 0, sizeof(sv->pdpte));
}

int keel_shadow_prepare(struct vcpu *vcpu)
{
	int ret;

	vcpu_need(vcpu, ROOT_GROUPS);
	/* else the root has gone, or a flush was asked for */
	if (vcpu->regs.dirty & ROOT_GROUPS)
		load_pdptes(vcpu);
	ret = shadow_load(vcpu, vcpu->vm->mem.table->shadow, vcpu->shadow);
	if (ret) {
		/* what the CPU has is not the root for the registers, and may be freed: not without another try */
		vcpu_request(vcpu, REQ_PAGING);
		return ret == -EAGAIN ? 0 : ret;
	}
	vcpu_dirty(vcpu, RG_ROOT);
	keel_vendor->tlb_flush(vcpu, TLB_VM);
	return 0;
}

void keel_shadow_invlpg(struct vcpu *vcpu, gva_t gva)
{
	shadow_invlpg(vcpu, vcpu->vm->mem.table->shadow, vcpu->shadow, gva);
}

/* What @how asks for. */
static bool quick(struct vcpu *vcpu, enum shadow_quick how)
{
	if (how == SHADOW_SLOW)
		return false;
	if (how == SHADOW_SAME)
		return true;
	if (how == SHADOW_OTHER)
		vcpu_dirty(vcpu, RG_ROOT);
	keel_vendor->tlb_flush(vcpu, TLB_VM);
	return true;
}

bool keel_shadow_quick_load(struct vcpu *vcpu, u64 cr3)
{
	return quick(vcpu, shadow_quick_load(vcpu, vcpu->vm->mem.table->shadow, vcpu->shadow, cr3));
}

bool keel_shadow_quick_invlpg(struct vcpu *vcpu, gva_t gva)
{
	return quick(vcpu, shadow_quick_invlpg(vcpu, vcpu->vm->mem.table->shadow, vcpu->shadow, gva));
}

void keel_shadow_stored(struct vcpu *vcpu, gpa_t gpa, unsigned int len)
{
	struct memory *mem = &vcpu->vm->mem;
	struct pt_update up = {};

	spin_lock(&mem->lock);
	shadow_store(vcpu, mem->table->shadow, gpa, len, &up);
	shadow_finish(mem->table->shadow, &up);
	spin_unlock(&mem->lock);
	pgtable_free_pages(up.dead);
}

void keel_shadow_untrace(struct vm *vm, gpa_t gpa)
{
	struct memory *mem = &vm->mem;
	struct pt_update up = {};

	spin_lock(&mem->lock);
	shadow_untrace(mem->table->shadow, gpa, &up);
	shadow_finish(mem->table->shadow, &up);
	spin_unlock(&mem->lock);
	pgtable_free_pages(up.dead);
}

hpa_t keel_shadow_cr3(struct vcpu *vcpu)
{
	return shadow_cr3(vcpu->vm->mem.table->shadow, vcpu->shadow);
}

int keel_shadow_fault(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk)
{
	return shadow_fault(vcpu, vcpu->vm->mem.table->shadow, vcpu->shadow, gva, access, walk);
}
