/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's own tables say, written from the manual (SDM volume 3, chapter "Paging": "32-Bit Paging", "PAE Paging", "4-Level
 * Paging and 5-Level Paging", "Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags", "Caching Translation Information") and
 * independent of ept/walk.c: one recursion over all values that an entry had since a given time. With the present values alone it is a walk; with
 * older ones it is everything that a CPU which was not told to flush may still know: each entry was read no earlier than those above it, so
 * old upper entries go with newer lower ones, but not the other way round.
 */
#include "shadow_bits.h"
#include "shadow_world.h"

#define NOW	(~0ull)

#define ERR_P	0x01
#define ERR_W	0x02
#define ERR_U	0x04
#define ERR_RSVD 0x08
#define ERR_ID	0x10
#define ERR_PK	0x20

/**
 * struct ref - one question
 * @cpu, @gva, @access: which access
 * @since: values that entries had at this time or later count; NOW: the present ones
 * @pfn: the launcher's page that the CPU has come to
 * @walk: what the present tables say
 * @found: with @since: a way to that page that permits the access
 * @gpa: by that way
 * @path, @n: entries read, without @since
 */
struct ref {
	const struct cpu *cpu;
	u64 gva;
	u32 access;
	u64 since;
	u64 pfn;
	struct walk walk;
	int ret;
	bool found;
	gpa_t gpa;
	gpa_t path[5];
	unsigned int n;
};

struct rights {
	bool write, user, exec, accessed;
};

static bool nxe(const struct ref *r)
{
	return r->cpu->v.regs.efer & EFER_NX && r->cpu->v.regs.cr4 & X86_CR4_PAE;
}

static bool is_long(const struct ref *r)
{
	return r->cpu->v.regs.efer & EFER_LMA;
}

/* "Page-Fault Exceptions": what follows from the access alone. */
static u32 base_error(const struct ref *r)
{
	u32 error = 0;

	if (r->access & WALK_WRITE)
		error |= ERR_W;
	if (r->access & WALK_USER)
		error |= ERR_U;
	if (r->access & WALK_FETCH && (nxe(r) || r->cpu->v.regs.cr4 & X86_CR4_SMEP))
		error |= ERR_ID;
	return error;
}

static void answer_fault(struct ref *r, u32 error)
{
	if (r->since != NOW)
		return;
	r->ret = WALK_FAULT;
	r->walk.error = base_error(r) | error;
}

/* "Determination of Access Rights" */
static bool has_rights(const struct ref *r, struct rights x)
{
	const struct vcpu_regs *regs = &r->cpu->v.regs;
	bool write = r->access & WALK_WRITE, fetch = r->access & WALK_FETCH;

	if (!(regs->cr0 & X86_CR0_PG))
		return true;
	if (r->access & WALK_USER)
		return x.user && (!write || x.write) && (!fetch || x.exec);
	if (fetch)
		return x.exec && !(x.user && regs->cr4 & X86_CR4_SMEP);
	if (x.user && regs->cr4 & X86_CR4_SMAP && (r->access & WALK_IMPLICIT || !(regs->rflags & X86_EFLAGS_AC)))
		return false;
	return !write || x.write || !(regs->cr0 & X86_CR0_WP);
}

/* "Protection Keys" */
static bool key_forbids(const struct ref *r, struct rights x, u64 entry)
{
	const struct vcpu_regs *regs = &r->cpu->v.regs;
	unsigned int key = entry >> 59 & 15;
	bool ad = r->cpu->v.xstate.pkru >> (2 * key) & 1, wd = r->cpu->v.xstate.pkru >> (2 * key + 1) & 1;

	if (!is_long(r) || !(regs->cr4 & X86_CR4_PKE) || !x.user || r->access & WALK_FETCH)
		return false;
	return ad || (wd && r->access & WALK_WRITE && (r->access & WALK_USER || regs->cr0 & X86_CR0_WP));
}

/* A way to @gpa is complete. */
static void answer_page(struct ref *r, struct rights x, u64 entry, gpa_t gpa)
{
	const struct memslot *slot;
	const struct host_frame *host;
	bool pk = key_forbids(r, x, entry), write = r->access & WALK_WRITE;

	if (pk || !has_rights(r, x)) {
		answer_fault(r, ERR_P | (pk ? ERR_PK : 0));
		return;
	}
	if (r->since == NOW) {
		r->ret = 0;
		r->walk.gpa = gpa;
		return;
	}
	/* the CPU caches no translation before it has set these */
	if (!x.accessed || (write && !(entry & D)))
		return;
	slot = world_slot(gpa_to_gfn(gpa));
	if (!slot || (write && slot->flags & KVM_MEM_READONLY))
		return;
	host = &w.host[world_host(gpa_to_gfn(gpa))];
	if (!host->present || host->pfn != r->pfn || (write && !host->writable))
		return;
	r->found = true;
	r->gpa = gpa;
}

static void walk_from(struct ref *r, unsigned int level, gpa_t table, struct rights x, u64 read);

/* "Reserved bits" of an entry of 8 bytes. */
static bool wide_reserved(const struct ref *r, unsigned int level, u64 entry)
{
	bool is_leaf = level == 1 || entry & PS;

	if (entry & r->cpu->v.cpuid.reserved_gpa & GENMASK_ULL(51, 12))
		return true;
	if (entry & XD && !nxe(r))
		return true;
	if (!is_long(r) && entry & GENMASK_ULL(62, 52))
		return true;
	if (level > 1 && is_leaf) {
		if (level > 3 || (level == 3 && !(r->cpu->v.cpuid.flags & GUEST_HAS_GBPAGES)))
			return true;
		return entry & (level == 3 ? GENMASK_ULL(29, 13) : GENMASK_ULL(20, 13));
	}
	return false;
}

static void take_wide(struct ref *r, unsigned int level, u64 entry, struct rights x, u64 read)
{
	u64 size = 1ull << (3 + 9 * level);

	if (!(entry & P)) {
		answer_fault(r, 0);
		return;
	}
	if (wide_reserved(r, level, entry)) {
		answer_fault(r, ERR_P | ERR_RSVD);
		return;
	}
	x.write &= !!(entry & RW);
	x.user &= !!(entry & US);
	x.exec &= !(entry & XD);
	x.accessed &= !!(entry & A);
	if (level == 1 || entry & PS)
		answer_page(r, x, entry, (entry & GENMASK_ULL(51, 12) & ~(size - 1)) | (r->gva & (size - 1)));
	else
		walk_from(r, level - 1, entry & GENMASK_ULL(51, 12), x, read);
}

static void take_narrow(struct ref *r, unsigned int level, u32 entry, struct rights x, u64 read)
{
	gpa_t gpa;

	if (!(entry & P)) {
		answer_fault(r, 0);
		return;
	}
	x.write &= !!(entry & RW);
	x.user &= !!(entry & US);
	x.accessed &= !!(entry & A);
	if (level == 1) {
		answer_page(r, x, entry, (entry & 0xfffff000u) | (r->gva & 0xfff));
	} else if (entry & PS && r->cpu->v.regs.cr4 & X86_CR4_PSE) {
		/* "Use of PSE-36": bits 20:13 are bits 39:32 of the address */
		gpa = (u64)(entry >> 13 & 0xff) << 32 | (entry & 0xffc00000u) | (r->gva & 0x3fffff);
		if (entry & BIT(21))
			answer_fault(r, ERR_P | ERR_RSVD);
		else
			answer_page(r, x, entry, gpa);
	} else {
		walk_from(r, 1, entry & 0xfffff000u, x, read);
	}
}

static void take(struct ref *r, unsigned int level, u64 entry, struct rights x, bool is_narrow, u64 read)
{
	if (is_narrow)
		take_narrow(r, level, entry, x, read);
	else
		take_wide(r, level, entry, x, read);
}

/* Values that the entry had before, newest first, while a CPU that has read the one above at @read could read them. */
static void take_older(struct ref *r, unsigned int level, gpa_t gpa, struct rights x, bool is_narrow, u64 read)
{
	const struct edit *e = NULL;
	unsigned int i;

	for (i = w.nr_edits; i-- && !r->found;) {
		const struct edit *before = &w.edit[i];

		if (before->gpa != (gpa & ~7ull))
			continue;
		/* what @before put there was so until @e, or is so still behind the tracing */
		if (e && (e->time >= read || e->by_launcher))
			take(r, level, is_narrow ? (u32)(e->old >> (gpa & 4) * 8) : e->old, x, is_narrow, max(read, before->time));
		e = before;
	}
	if (e && !r->found && (e->time >= read || e->by_launcher))
		take(r, level, is_narrow ? (u32)(e->old >> (gpa & 4) * 8) : e->old, x, is_narrow, read);
}

/* When the present value came to be. */
static u64 newest(gpa_t gpa)
{
	unsigned int i;

	for (i = w.nr_edits; i--;)
		if (w.edit[i].gpa == (gpa & ~7ull))
			return w.edit[i].time;
	return 0;
}

/* @read: when the entry above was, at the earliest. */
static void walk_from(struct ref *r, unsigned int level, gpa_t table, struct rights x, u64 read)
{
	bool is_narrow = !(r->cpu->v.regs.cr4 & X86_CR4_PAE);
	gpa_t gpa = is_narrow ? table + (r->gva >> (level == 2 ? 22 : 12) & 1023) * 4 : table + (r->gva >> (3 + 9 * level) & 511) * 8;
	unsigned int size = is_narrow ? 4 : 8;

	if (!world_slot(gpa_to_gfn(gpa))) {
		if (r->since == NOW)
			r->ret = -EFAULT;
		return;
	}
	if (r->since == NOW) {
		r->path[r->n++] = gpa;
		take(r, level, world_read(gpa, size), x, is_narrow, read);
		return;
	}
	take(r, level, world_read(gpa, size), x, is_narrow, max(read, newest(gpa)));
	take_older(r, level, gpa, x, is_narrow, read);
}

static void begin(struct ref *r)
{
	const struct vcpu_regs *regs = &r->cpu->v.regs;
	struct rights all = { true, true, true, true };
	u64 pdpte;

	if (!(regs->cr0 & X86_CR0_PG)) {
		answer_page(r, all, D, r->gva);
	} else if (is_long(r)) {
		walk_from(r, regs->cr4 & X86_CR4_LA57 ? 5 : 4, regs->cr3 & GENMASK_ULL(51, 12), all, r->since);
	} else if (!(regs->cr4 & X86_CR4_PAE)) {
		walk_from(r, 2, regs->cr3 & 0xfffff000u, all, r->since);
	} else {
		pdpte = r->cpu->sv.pdpte[r->gva >> 30 & 3];
		if (pdpte & P)
			walk_from(r, 2, pdpte & GENMASK_ULL(51, 12), all, r->since);
		else
			answer_fault(r, 0);
	}
}

int ref_walk(const struct cpu *cpu, u64 gva, u32 access, struct walk *walk)
{
	struct ref r = { .cpu = cpu, .gva = gva, .access = access, .since = NOW };

	begin(&r);
	*walk = r.walk;
	return r.ret;
}

unsigned int ref_path(const struct cpu *cpu, u64 gva, gpa_t path[5])
{
	struct ref r = { .cpu = cpu, .gva = gva, .since = NOW };

	begin(&r);
	memcpy(path, r.path, sizeof(r.path));
	return r.n;
}

bool ref_permits(const struct cpu *cpu, u64 gva, u32 access, u64 since, u64 pfn, gpa_t *gpa)
{
	struct ref r = { .cpu = cpu, .gva = gva, .access = access, .since = since, .pfn = pfn };

	begin(&r);
	*gpa = r.gpa;
	return r.found;
}

void ref_note(void)
{
	if (!w.watched || w.nr_seen == MAX_SEEN)
		return;
	w.seen_ret[w.nr_seen] = ref_walk(w.watched, w.watched_gva, w.watched_access, &w.seen[w.nr_seen]);
	w.nr_seen++;
}
