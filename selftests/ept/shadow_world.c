/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's memory, its slots and the launcher's pages behind them; what the shadow engine calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <keel/host_mode.h>
#include <linux/mm.h>
#include "shadow_world.h"

long shim_pages;
struct host_mode keel_host_mode = { .efer = HOST_MODE_NXE };
struct world w;

static struct mm_struct mm;
static struct task_struct task = { &mm };
struct task_struct *current = &task;
static jmp_buf caught;
static u64 random_state;

const struct layout layout[NR_SLOTS] = {
	{ RAM_BASE, RAM_PAGES, 0, 0 },
	{ SKEW_BASE, SKEW_PAGES, 1536 + 77, 0 },
	{ ROM_BASE, ROM_PAGES, 2560, KVM_MEM_READONLY },
	{ HIGH_BASE, HIGH_PAGES, 3584, 0 },
};

u64 world_random(void)
{
	return xorshift(&random_state);
}

void world_fail(const char *check, const char *fmt, ...)
{
	int n = snprintf(w.failure, sizeof(w.failure), "%s: ", check);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w.failure + n, sizeof(w.failure) - n, fmt, ap);
	va_end(ap);
	longjmp(caught, 1);
}

const char *world_catch(void (*body)(void))
{
	if (setjmp(caught))
		return w.failure;
	body();
	return NULL;
}

/* ---- what the engine calls ---- */

u64 shim_random = USUAL_RANDOM;

static const struct vendor_ops no_ops;
const struct vendor_ops *keel_vendor = &no_ops;

void keel_host_count_table(void *page, int n)
{
}

unsigned int keel_host_paging_levels(void)
{
	return 4;
}

void dirty_ring_note(struct vm *vm, struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn)
{
}

bool apic_moved_in(struct vm *vm, gfn_t first, gfn_t last)
{
	return false;
}

void memory_flush(struct vm *vm, struct pt_update *up)
{
	unsigned int i;

	if (!up->flush)
		return;
	up->flush = false;
	w.flushes++;
	for (i = 0; i < w.nr_cpus; i++) {
		memset(w.cpu[i].tlb, 0, sizeof(w.cpu[i].tlb));
		memset(w.cpu[i].upper, 0, sizeof(w.cpu[i].upper));
	}
}

void shim_before_lock(void)
{
	if (w.meanwhile && !w.depth && w.watched) {
		w.depth++;
		w.meanwhile();
		w.depth--;
	}
}

void shim_before_cmpxchg(void *p)
{
	shim_before_lock();
}

static unsigned int page_at(const void *p)
{
	unsigned long page = ((const u8 *)p - w.ram) / PAGE_SIZE;

	ASSERT(page < HOST_PAGES, "access beyond the launcher's memory");
	return page;
}

bool shim_page_is_out(const void *p, unsigned long size)
{
	return !w.host[page_at(p)].present;
}

/* Who has a page of the launcher's; true only where host[].pfn agrees. */
static u16 owner[1 << 20];

static void give_page(unsigned int page)
{
	struct host_frame *h = &w.host[page];

	owner[w.next_pfn % ARRAY_SIZE(owner)] = page;
	h->pfn = w.next_pfn++;
	h->present = true;
	h->writable = !h->is_fixed;
	h->is_clean = !(h->pfn % 5);
}

static void come_back(unsigned int page)
{
	unsigned int i, block = page & ~511u;

	if (!w.is_large[page / 512]) {
		give_page(page);
		return;
	}
	w.next_pfn = (w.next_pfn + 511) & ~511ull;
	for (i = block; i < block + 512; i++)
		give_page(i);
}

int host_page_fault_in(struct mm_struct *m, hva_t hva, bool write)
{
	unsigned int page = page_at((void *)hva);

	if (write && w.host[page].is_fixed)
		return -EFAULT;
	if (w.host[page].present && (!write || w.host[page].writable))
		return 0;
	/* copy on write: another page */
	if (w.host[page].present)
		world_take(page, 1);
	come_back(page);
	return 0;
}

/* The launcher's table with the entry of a page, as it is now. */
static const pte_t *small_entry(unsigned int page)
{
	static pte_t table[512] __attribute__((aligned(4096)));
	unsigned int i;

	for (i = 0; i < 512; i++) {
		const struct host_frame *h = &w.host[(page & ~511u) + i];

		table[i].pte = h->pfn << PAGE_SHIFT | _PAGE_USER | (h->present ? _PAGE_PRESENT : 0) | (h->writable ? _PAGE_RW : 0) |
			       (h->is_clean ? 0 : _PAGE_DIRTY);
	}
	return &table[page % 512];
}

bool host_page_lookup(struct mm_struct *m, hva_t hva, bool write, struct host_page *p)
{
	unsigned int page = page_at((void *)hva);
	const struct host_frame *h = &w.host[page];

	if (!h->present || (write && !h->writable))
		return false;
	*p = (struct host_page){ .pfn = h->pfn, .level = w.is_large[page / 512] ? 2 : 1, .writable = h->writable, .type = PTE_MEM_WB };
	if (!w.is_large[page / 512])
		p->entry = small_entry(page);
	return true;
}

unsigned int memory_fault_around(void)
{
	return w.around;
}

const struct memslot *world_slot(gfn_t gfn)
{
	return slots_find(w.slots, gfn);
}

unsigned int world_host(gfn_t gfn)
{
	const struct memslot *slot = world_slot(gfn);

	return page_at((void *)(slot->hva + ((gfn - slot->base) << PAGE_SHIFT)));
}

bool world_frame_of(u64 pfn, gfn_t *gfn)
{
	unsigned int page = owner[pfn % ARRAY_SIZE(owner)], i;

	if (!w.host[page].present || w.host[page].pfn != pfn)
		return false;
	for (i = 0; i < NR_SLOTS; i++) {
		if (w.has_slot[i] && page - layout[i].host < layout[i].npages) {
			*gfn = layout[i].base + (page - layout[i].host);
			return true;
		}
	}
	return false;
}

static void *pointer(gpa_t gpa)
{
	return w.ram + world_host(gpa_to_gfn(gpa)) * PAGE_SIZE + offset_in_page(gpa);
}

int keel_read_guest(struct vm *vm, gpa_t gpa, void *data, unsigned long len)
{
	if (!world_slot(gpa_to_gfn(gpa)))
		return -EFAULT;
	host_page_fault_in(&mm, (hva_t)pointer(gpa), false);
	memcpy(data, pointer(gpa), len);
	return 0;
}

int keel_write_guest(struct vm *vm, gpa_t gpa, const void *data, unsigned long len) { return -EFAULT; }
int keel_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, unsigned long len) { return -EFAULT; }
int keel_write_guest_atomic(struct vm *vm, gpa_t gpa, const void *data, unsigned long len) { return -EFAULT; }

int keel_cmpxchg_guest(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new)
{
	const struct memslot *slot = world_slot(gpa_to_gfn(gpa));
	u64 now = 0;

	if (!slot || slot->flags & KVM_MEM_READONLY)
		return -EFAULT;
	shim_before_cmpxchg(NULL);
	memcpy(&now, pointer(gpa), size);
	if (now != *old) {
		*old = now;
		return 1;
	}
	memcpy(pointer(gpa), &new, size);
	slot_mark_dirty(&w.vm, NULL, slot, gpa_to_gfn(gpa));
	return 0;
}

/* ---- stores ---- */

u64 world_read(gpa_t gpa, unsigned int size)
{
	u64 val = 0;

	memcpy(&val, pointer(gpa), size);
	return val;
}

void world_write(gpa_t gpa, unsigned int size, u64 val, bool by_launcher)
{
	ASSERT(w.nr_edits < MAX_EDITS, "too many stores for one episode");
	w.edit[w.nr_edits++] = (struct edit){ ++w.time, gpa & ~7ull, world_read(gpa & ~7ull, 8), by_launcher };
	memcpy(pointer(gpa), &val, size);
	slot_mark_dirty(&w.vm, NULL, world_slot(gpa_to_gfn(gpa)), gpa_to_gfn(gpa));
	ref_note();
}

/* ---- a VM ---- */

void world_start(unsigned int nr_cpus, u64 seed)
{
	unsigned int i;
	u8 *ram = w.ram;

	if (!ram) {
		ram = mmap(NULL, (HOST_PAGES + 512) * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT(ram != MAP_FAILED, "out of memory");
		ram = (u8 *)(((unsigned long)ram + 512 * PAGE_SIZE - 1) & ~(512 * PAGE_SIZE - 1));
	}
	free(w.slots);
	memset(&w, 0, sizeof(w));
	w.ram = ram;
	/* all that a guest has for tables */
	memset(ram, 0, 512 * PAGE_SIZE);
	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
	w.slots = calloc(1, sizeof(*w.slots) + NR_SLOTS * sizeof(w.slots->slot[0]));
	ASSERT(w.slots, "out of memory");
	w.slots->generation = 1;
	w.next_pfn = 0x100000;
	w.time = 1;
	w.nr_cpus = nr_cpus;
	w.vm.nr_vcpus = nr_cpus;
	w.around = 1u << seed % 6;
	w.vm.mm = &mm;
	w.vm.mem.notifier = &w.notifier;
	w.vm.mem.slots = w.slots;
	for (i = 0; i < NR_SLOTS; i++)
		world_add_slot(i);
	keel_pte_npt.setup(&keel_pte_npt);
	w.s = shadow_create(&w.vm, &keel_pte_npt, MAX_TABLES);
	ASSERT(w.s, "out of memory");
	for (i = 0; i < nr_cpus; i++) {
		struct cpu *cpu = &w.cpu[i];

		cpu->v.vm = &w.vm;
		cpu->v.cpuid.reserved_gpa = GENMASK_ULL(63, 46);
		cpu->v.cpuid.flags = GUEST_HAS_GBPAGES;
		cpu->v.regs.efer = EFER_NX;
		cpu->sv.pae = aligned_alloc(32, 32);
		ASSERT(cpu->sv.pae, "out of memory");
	}
}

void world_end(void)
{
	unsigned int i;

	for (i = 0; i < w.nr_cpus; i++) {
		shadow_unload(w.s, &w.cpu[i].sv);
		free(w.cpu[i].sv.pae);
	}
	shadow_destroy(w.s);
	w.s = NULL;
	WORLD_CHECK("free", !shim_pages, "%ld allocations left", shim_pages);
	WORLD_CHECK("statistics", !(w.vm.stats.pages_4k | w.vm.stats.pages_2m | w.vm.stats.table_pages), "%llu 4K, %llu 2M, %llu tables",
		    (unsigned long long)w.vm.stats.pages_4k, (unsigned long long)w.vm.stats.pages_2m,
		    (unsigned long long)w.vm.stats.table_pages);
}
