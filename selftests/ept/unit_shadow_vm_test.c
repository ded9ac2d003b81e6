/* SPDX-License-Identifier: GPL-2.0-only */
/* A root for the registers before each entry: what ept/shadow_vm.c makes of what ept/shadow_root.c says. */
#include <keel/guest_access.h>
#include <keel/vcpu.h>
#include "shadow.h"
#include "test.h"

long shim_pages;
struct task_struct *current;

static struct shadow tables;
static struct pgtable table = { .shadow = &tables };
static struct vm vm;
static struct vcpu vcpu;
static int load_result;
static unsigned int loads, flushes, reads;
static enum shadow_guest mode_now;
static struct shadow_vcpu shadow_vcpu;

int shadow_load(struct vcpu *v, struct shadow *s, struct shadow_vcpu *sv)
{
	loads++;
	return load_result;
}

static void count_flush(struct vcpu *v, enum tlb_scope scope)
{
	flushes++;
}

static const struct vendor_ops vendor = { .tlb_flush = count_flush };
const struct vendor_ops *keel_vendor = &vendor;

/* Not asked here. */
void shim_before_lock(void) { }
union shadow_role shadow_mode(const struct vcpu_regs *r) { return (union shadow_role){ .guest = mode_now }; }
int keel_read_guest(struct vm *v, gpa_t gpa, void *data, unsigned long len) { reads++; return -EFAULT; }
int memory_table_create(struct vm *v) { return 0; }
struct shadow *shadow_create(struct vm *v, const struct pte_format *format, u32 max) { return NULL; }
void shadow_destroy(struct shadow *s) { }
void shadow_unload(struct shadow *s, struct shadow_vcpu *sv) { }
void shadow_finish(struct shadow *s, struct pt_update *up) { }
void shadow_store(struct vcpu *v, struct shadow *s, gpa_t gpa, unsigned int len, struct pt_update *up) { }
void shadow_untrace(struct shadow *s, gpa_t gpa, struct pt_update *up) { }
void shadow_invlpg(struct vcpu *v, struct shadow *s, struct shadow_vcpu *sv, gva_t gva) { }
static enum shadow_quick quick_result;
enum shadow_quick shadow_quick_load(struct vcpu *v, struct shadow *s, struct shadow_vcpu *sv, u64 cr3) { return quick_result; }
enum shadow_quick shadow_quick_invlpg(struct vcpu *v, struct shadow *s, struct shadow_vcpu *sv, gva_t gva) { return quick_result; }
hpa_t shadow_cr3(const struct shadow *s, const struct shadow_vcpu *sv) { return 0; }
int shadow_fault(struct vcpu *v, struct shadow *s, struct shadow_vcpu *sv, gva_t gva, u32 access, struct walk *walk) { return 0; }
void pgtable_free_pages(u64 *list) { }

static void begin(void)
{
	vm.mem.table = &table;
	vcpu.vm = &vm;
	vcpu.shadow = &shadow_vcpu;
	load_result = 0;
}

/* Which changes of control registers load PAE's four entries: those of the SDM's list ("PDPTE Registers"), where PAE paging is in use. */
static void test_pdptes(void)
{
	static const struct {
		const char *name;
		u64 cr0, cr4;		/* bits that change */
		u32 dirty;
		enum shadow_guest mode;
		unsigned int reads;
	} t[] = {
		{ "nothing", 0, 0, 0, SHADOW_PAE, 0 },
		{ "CR3", 0, 0, RG_CR3, SHADOW_PAE, 1 },
		{ "CR3, 32-bit paging", 0, 0, RG_CR3, SHADOW_NARROW, 0 },
		{ "CR3, long mode", 0, 0, RG_CR3, SHADOW_LONG4, 0 },
		{ "CR0 with the same value", 0, 0, RG_CR0, SHADOW_PAE, 0 },
		{ "CR0.PG", X86_CR0_PG, 0, RG_CR0, SHADOW_PAE, 1 },
		{ "CR0.CD", X86_CR0_CD, 0, RG_CR0, SHADOW_PAE, 1 },
		{ "CR0.NW", X86_CR0_NW, 0, RG_CR0, SHADOW_PAE, 1 },
		{ "CR0.WP", X86_CR0_WP, 0, RG_CR0, SHADOW_PAE, 0 },
		{ "CR0.TS", X86_CR0_TS, 0, RG_CR0, SHADOW_PAE, 0 },
		{ "CR0.NE", X86_CR0_NE, 0, RG_CR0, SHADOW_PAE, 0 },
		{ "CR0.AM", X86_CR0_AM, 0, RG_CR0, SHADOW_PAE, 0 },
		{ "CR4.PAE", 0, X86_CR4_PAE, RG_CR4, SHADOW_PAE, 1 },
		{ "CR4.PGE", 0, X86_CR4_PGE, RG_CR4, SHADOW_PAE, 1 },
		{ "CR4.PSE", 0, X86_CR4_PSE, RG_CR4, SHADOW_PAE, 1 },
		{ "CR4.SMEP", 0, X86_CR4_SMEP, RG_CR4, SHADOW_PAE, 1 },
		{ "CR4.SMAP", 0, X86_CR4_SMAP, RG_CR4, SHADOW_PAE, 0 },
		{ "CR4.OSFXSR", 0, X86_CR4_OSFXSR, RG_CR4, SHADOW_PAE, 0 },
		{ "CR4.PGE, long mode", 0, X86_CR4_PGE, RG_CR4, SHADOW_LONG4, 0 },
	};
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		mode_now = t[i].mode;
		vcpu.regs.cr0 ^= t[i].cr0;
		vcpu.regs.cr4 ^= t[i].cr4;
		vcpu.regs.dirty = t[i].dirty;
		reads = 0;
		CHECK_EQ("result", 0, keel_shadow_prepare(&vcpu));
		CHECK_EQ(t[i].name, t[i].reads, reads);
	}
	mode_now = SHADOW_FLAT;
}

/* The request has been taken, as core/run.c does. Without a root it must be there again: KVM_RUN may come back, and would enter with the old one. */
static void test_prepare(void)
{
	static const struct {
		const char *name;
		int load, ret;
		bool again, written;
	} t[] = {
		{ "a root", 0, 0, false, true },
		{ "no memory", -ENOMEM, -ENOMEM, true, false },
		{ "others were faster", -EAGAIN, 0, true, false },
	};
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		vcpu.requests = 0;
		vcpu.regs.dirty = 0;
		loads = flushes = 0;
		load_result = t[i].load;
		CHECK_EQ(t[i].name, t[i].ret, keel_shadow_prepare(&vcpu));
		CHECK_EQ("asked for", 1, loads);
		CHECK_EQ("REQ_PAGING afterwards", t[i].again, test_bit(REQ_PAGING, &vcpu.requests));
		CHECK_EQ("the CPU is given it", t[i].written, vcpu.regs.dirty & RG_ROOT);
		CHECK_EQ("its TLB is flushed", t[i].written, flushes);
	}
}

/* What is done with interrupts off, and what the backend is told of it. */
static void test_quick(void)
{
	static const struct {
		const char *name;
		enum shadow_quick how;
		bool done, flushed, written;
	} t[] = {
		{ "not done", SHADOW_SLOW, false, false, false },
		{ "nothing to flush", SHADOW_SAME, true, false, false },
		{ "a flush", SHADOW_FLUSH, true, true, false },
		{ "another root", SHADOW_OTHER, true, true, true },
	};
	unsigned int i, k;

	begin();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (k = 0; k < 2; k++) {
			quick_result = t[i].how;
			vcpu.requests = 0;
			vcpu.regs.dirty = 0;
			flushes = 0;
			CHECK_EQ(t[i].name, t[i].done, k ? keel_shadow_quick_invlpg(&vcpu, 0) : keel_shadow_quick_load(&vcpu, 0));
			CHECK_EQ("the CPU is given another root", t[i].written, vcpu.regs.dirty & RG_ROOT);
			CHECK_EQ("its TLB is flushed", t[i].flushed, flushes);
			CHECK_EQ("REQ_PAGING", false, test_bit(REQ_PAGING, &vcpu.requests));
		}
	}
}

static const struct test_case cases[] = {
	{ "quick", test_quick },
	{ "prepare", test_prepare },
	{ "pdptes", test_pdptes },
};

TEST_MAIN(cases)
