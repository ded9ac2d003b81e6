/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world around ept/shadow*.c in user space: a guest's memory and slots, the launcher's pages, CPUs that walk shadow tables and keep
 * translations as long as they may, a reference walker, and an auditor.
 *
 *   shadow_world.c	memory, host pages, stores, and what the engine calls
 *   shadow_slots.c	what changes slots and host pages
 *   shadow_cpu.c	CPUs: TLB, walk of the shadow tables, accesses
 *   shadow_ref.c	what the guest's own tables say, by the manual
 *   shadow_audit.c	every entry, chain and translation against all of that
 *   shadow_bugs.c	rules of the engine that can be broken
 *   shadow_guest.c	a guest's tables
 *   shadow_fuzz.c	random guests
 *   shadow_case.h	what the directed cases have in common
 *   shadow_cases.c	directed cases
 *   shadow_progress.c	those in which somebody must get on
 *   shadow_quick.c	those of what is done with interrupts off, or mapped beside a page
 */
#ifndef SHADOW_WORLD_H
#define SHADOW_WORLD_H

#include <keel/guest_access.h>
#include <keel/vcpu.h>
#include "shadow.h"
#include "test.h"

#define NR_CPUS		3
#define HOST_PAGES	4096u		/* of the launcher's memory */
#define MAX_TABLES	96u

/* Guest physical memory, in frames. */
#define RAM_BASE	0u		/* three blocks of 2M, aligned like the launcher's */
#define RAM_PAGES	1536u
#define SKEW_BASE	2048u		/* not aligned alike */
#define SKEW_PAGES	600u
#define ROM_BASE	3072u		/* read-only */
#define ROM_PAGES	600u
#define HOLE		4100u
#define HIGH_BASE	(1u << 20)	/* above 4G */
#define HIGH_PAGES	512u
#define NR_SLOTS	4u

#define USUAL_RANDOM	0x9e3779b97f4a7c15ull	/* of each VM, so that runs are repeatable */

struct layout {
	gfn_t base;
	u64 npages;
	unsigned int host;	/* first of the launcher's pages */
	u32 flags;
};

extern const struct layout layout[NR_SLOTS];

struct host_frame {
	u64 pfn;
	bool present, writable, is_fixed;	/* is_fixed: never to be had for writing */
	bool is_clean;				/* not dirty in the launcher's entry */
};

/* What an entry was before somebody wrote it. */
struct edit {
	u64 time;
	gpa_t gpa;		/* of 8 bytes */
	u64 old;
	bool by_launcher;	/* behind the tracing: no flush brings it up to date */
};

struct xlat {
	u64 page;		/* linear address of 4K, or of what an upper entry covers */
	u64 pfn;
	bool valid, write, user, exec;
	u8 key;
	u8 level;		/* of a cached upper entry: the table it leads to */
};

#define TLB_SIZE	24
#define UPPER_SIZE	8

struct cpu {
	struct vcpu v;
	struct shadow_vcpu sv;
	u64 cr3, pdpte[4];	/* as the CPU has them */
	bool cpl3;
	struct xlat tlb[TLB_SIZE], upper[UPPER_SIZE];
	u64 flushed;		/* when all was flushed */
	struct { u64 page, time; } inv[32];
	unsigned int next_inv;
	struct { u64 gva; u32 access; gpa_t gpa; } recent[4];	/* that went well */
};

#define MAX_EDITS	4096
#define MAX_SEEN	64

struct world {
	struct vm vm;
	struct shadow *s;
	struct cpu cpu[NR_CPUS];
	unsigned int nr_cpus;
	u8 *ram;
	struct host_frame host[HOST_PAGES];
	bool is_large[HOST_PAGES / 512];
	u64 next_pfn;
	struct memslot slot[NR_SLOTS];
	bool has_slot[NR_SLOTS];
	struct memslots *slots;
	struct memory_notifier notifier;
	unsigned long dirty[NR_SLOTS][RAM_PAGES / 64 + 1];
	u64 time, flushes;
	unsigned int around;	/* pages that a fault maps at most */
	struct edit edit[MAX_EDITS];
	unsigned int nr_edits;
	/* what the reference said in the course of one access: results may be any of these */
	struct walk seen[MAX_SEEN];
	int seen_ret[MAX_SEEN];
	unsigned int nr_seen;
	const struct cpu *watched;
	u64 watched_gva;
	u32 watched_access;
	/* something that happens when the engine is about to take the lock, or to exchange an entry */
	void (*meanwhile)(void);
	unsigned int depth;
	char failure[256];
};

extern struct world w;

/* A mismatch: noted as "@check: ..." and thrown to world_catch(). */
void world_fail(const char *check, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* Run @body. The mismatch it ended with, or NULL. */
const char *world_catch(void (*body)(void));
#define WORLD_CHECK(check, cond, ...)			\
	do {						\
		if (!(cond))				\
			world_fail(check, __VA_ARGS__);	\
	} while (0)

u64 world_random(void);
static inline u64 below(u64 n) { return world_random() % n; }
static inline bool chance(u64 n) { return !below(n); }

/* ---- shadow_world.c ---- */

/* A new VM with @nr_cpus CPUs and all slots; the guest's tables are empty. */
void world_start(unsigned int nr_cpus, u64 seed);
/* Everything is freed; checks that nothing is left. */
void world_end(void);
const struct memslot *world_slot(gfn_t gfn);
/* The frame that has the launcher's page @pfn, through a slot; false if none has it any more. */
bool world_frame_of(u64 pfn, gfn_t *gfn);
/* Number of the launcher's page behind a frame; the frame has a slot. */
unsigned int world_host(gfn_t gfn);
u64 world_read(gpa_t gpa, unsigned int size);
/* By the guest's CPU, where it may; by the launcher, behind the tracing. Both are noted for the reference. */
void world_write(gpa_t gpa, unsigned int size, u64 val, bool by_launcher);
/* The launcher's pages [first, first + n) go; they come back when wanted. */
void world_take(unsigned int first, unsigned int n);
/* A block of 2M of the launcher's becomes one large page, or small ones. */
void world_resize(unsigned int block, bool is_large);
void world_remove_slot(unsigned int i);
void world_add_slot(unsigned int i);
void world_set_logging(unsigned int i, bool on);
/* KVM_GET_DIRTY_LOG: bits are taken, pages protected. */
void world_get_log(unsigned int i);
void world_unmap(gfn_t gfn, gfn_t end);
void world_finish(struct pt_update *up);

/* ---- shadow_cpu.c ---- */

enum outcome { ACCESS_DONE, ACCESS_FAULT, ACCESS_MMIO, ACCESS_MMIO_RO, ACCESS_EMULATE, ACCESS_ERROR, NR_OUTCOMES };

/* What happened so far, over all guests: that the rare things did. */
struct tally {
	u64 outcome[NR_OUTCOMES][5];	/* by paging mode */
	u64 hidden, stale, reloads, meanwhile, unsync, large, flips, ops, quick;
};

extern struct tally tally;

void cpu_flush(struct cpu *cpu);
/* MOV to CR3, the quick way if there is one. */
void cpu_mov_cr3(struct cpu *cpu, u64 cr3);
/* After registers were changed as by MOV to CR0, CR3, CR4: PAE's entries are read, the root is made, the TLB flushed. */
void cpu_load(struct cpu *cpu);
void cpu_invlpg(struct cpu *cpu, u64 gva);
/* The quick way, by which it must go: nobody has the lock. */
void cpu_quick_invlpg(struct cpu *cpu, u64 gva);
/* One access, faults and all, checked against the reference. ACCESS_DONE: @gpa is where. */
enum outcome cpu_access(struct cpu *cpu, u64 gva, u32 access, gpa_t *gpa);
/* A store of the guest's, of a naturally aligned @size bytes, emulated if need be. Was it made? */
bool cpu_store(struct cpu *cpu, u64 gva, unsigned int size, u64 val);
/* Walk the shadow tables as the CPU does, without TLB. */
bool cpu_walk(struct cpu *cpu, u64 gva, u32 access, struct xlat *x);

/* ---- shadow_ref.c ---- */

/* What the guest's tables say now: 0 and walk->gpa, or WALK_FAULT and walk->error, or -EFAULT where there is no table. */
int ref_walk(const struct cpu *cpu, u64 gva, u32 access, struct walk *walk);
/* Where the entries are that it went by: addresses, from the top. Return: how many. */
unsigned int ref_path(const struct cpu *cpu, u64 gva, gpa_t path[5]);
/* May the CPU have @pfn for @gva, by entries that were there at @since or later? Then @gpa is the address. */
bool ref_permits(const struct cpu *cpu, u64 gva, u32 access, u64 since, u64 pfn, gpa_t *gpa);
/* Note what it says, for the access under way. */
void ref_note(void);

/* ---- shadow_audit.c ---- */

void audit(void);

/* ---- shadow_cases.c ---- */

struct scenario {
	const char *name;
	void (*run)(void);
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

/* ---- shadow_progress.c ---- */

void case_others_are_faster(void);
void case_store_to_own_table(void);
void case_long_chains(void);
void case_many_roots(void);
void case_buckets(void);

/* ---- shadow_quick.c ---- */

void case_cr3_after_stores(void);
void case_cr3_not_alone(void);
void case_cr3_many_stores(void);
void case_cr3_owed(void);
void case_cr3_dead_root(void);
void case_quick_invlpg(void);
void case_invlpg_key(void);
void case_around(void);
void case_around_log(void);
void case_around_host(void);

/* ---- shadow_bugs.c ---- */

struct bug {
	const char *name;
	const char *rule;	/* that it breaks */
};

extern const struct bug bugs[];
extern const unsigned int nr_bugs;
/* Which one is broken now; -1: none. */
extern int bug_now;

/* ---- shadow_guest.c ---- */

#define POOL	32u		/* frames of tables, by the level they are mostly used at */
#define DATA	100u
#define NR_DATA	8u
#define POOL_INDEXES 5u
#define AT(frame)	((gpa_t)(frame) << PAGE_SHIFT)

extern enum shadow_guest mode[NR_CPUS];
extern bool has_4k_window;
extern const u16 pool_index[POOL_INDEXES];	/* that are used in each table of the pool */

gpa_t root_of(enum shadow_guest guest, unsigned int n);
u64 table_at(unsigned int level);
gfn_t any_frame(void);
/* An entry for a table that is used at @level: mostly good, sometimes anything. */
u64 random_entry(unsigned int level);
u64 random_gva(enum shadow_guest guest);
u32 random_access(void);
/* All tables anew. */
void make_window(void);
/* Registers for that mode, other bits at random. */
void set_mode(struct cpu *cpu, enum shadow_guest guest);
/* A guest whose tables map frames 0 to 511 at this address, writable, in paging mode @guest; everything else is protected as usual. */
u64 guest_start(struct cpu *cpu, enum shadow_guest guest);
u64 guest_window(enum shadow_guest guest);

/* ---- shadow_fuzz.c ---- */

/* Random operations of a new guest; fails by world_fail(). */
void fuzz_episode(u64 seed, unsigned int ops);
extern unsigned int fuzz_audit_every;

#endif
