// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions per operation. Run in an emulated host whose TSC counts
 * instructions (QEMU -icount shift=0), the guest times loops of one operation
 * with RDTSC; the empty loop is subtracted and the best of several batches
 * kept, since a host timer tick inside a batch only ever adds. It is a count of
 * host instructions, not time.
 *
 * With --shadow the rows are those of guests that have no nested paging; the module was loaded so.
 *
 * With --trace a row's operation runs a few times more, each time between two instructions that stop
 * Bochs's debugger (magic_break), for trace_exit.
 *
 * usage: keel_bench [--shadow] [-o FILE.json | --trace] [ROW]...
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"
#include "hostmem.h"

#define BATCHES		9
#define OPS		200
#define PORT_USER	0x1000
#define PORT_EVENT	0x1100
#define MMIO_USER	VM_MMIO
#define MMIO_EVENT	(VM_MMIO + 0x1000)
#define TOUCH_GPA	0x40000000ULL
#define TOUCH_PAGES	512UL	/* a batch: one page of last-level entries */
#define MAPPED_GVA	0x8000000000ULL	/* TOUCH_GPA by the guest's own tables, with 4K pages */
#define V		0x61
#define TRACES		3	/* as in selftests/lab/trace_exit */
#define TRACE_GAP	64	/* pages from one that is touched to the next, more than are mapped at once */

static u64 ticks[BATCHES];

/* --- guest: one function per operation --------------------------------------- */

/* Bochs's own sign for its debugger; nothing to other machines. */
static inline void magic_break(void)
{
	asm volatile("xchg %%bx, %%bx" : : : "memory");
}

/* @traced: how often the operation runs once more between two magic breaks */
#define GUEST_OP(name, setup, body)					\
	static void op_##name(u64 traced)				\
	{								\
		u64 b, i, t;						\
									\
		setup;							\
		for (b = 0; b < BATCHES; b++) {				\
			t = rdtsc();					\
			for (i = OPS; i; i--) {				\
				body;					\
				asm volatile("" : : : "memory");	\
			}						\
			ticks[b] = rdtsc() - t;				\
		}							\
		for (b = 0; b < traced; b++) {				\
			magic_break();					\
			body;						\
			magic_break();					\
		}							\
	}

static void setup_irq(enum apic_mode mode);

GUEST_OP(empty, , )
GUEST_OP(cpuid, u32 r[4], cpuid(0, 0, r))
GUEST_OP(hypercall, int amd = guest_is_amd(),
	 u64 rax = 0x7fff;
	 if (amd)
		asm volatile("vmmcall" : "+a" (rax) : "b" (0), "c" (0), "d" (0), "S" (0));
	 else
		asm volatile("vmcall" : "+a" (rax) : "b" (0), "c" (0), "d" (0), "S" (0)))
GUEST_OP(rdmsr_apic_base, , rdmsr(MSR_APIC_BASE))
GUEST_OP(wrmsr_deadline, apic_enable(APIC_X1), wrmsr(MSR_TSC_DEADLINE, 0))
GUEST_OP(wrmsr_deadline_armed,
	 apic_enable(APIC_X1); apic_write(APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | V); u64 far = rdtsc() + (1ULL << 40),
	 wrmsr(MSR_TSC_DEADLINE, far))
GUEST_OP(wrmsr_pat, u64 pat = rdmsr(0x277), wrmsr(0x277, pat))
GUEST_OP(out_user, , outb(PORT_USER, 1))
GUEST_OP(in_user, , inb(PORT_USER))
GUEST_OP(in_pic, , inb(PIC1 + 1))
GUEST_OP(out_event, , outb(PORT_EVENT, 1))
GUEST_OP(mmio_store, , mmio_write32(MMIO_USER, 1))
GUEST_OP(mmio_load, , mmio_read32(MMIO_USER))
GUEST_OP(mmio_event, , mmio_write32(MMIO_EVENT, 1))
GUEST_OP(apic_read, apic_enable(APIC_X1), mmio_read32(APIC_MMIO + APIC_LVR))
GUEST_OP(apic_eoi, apic_enable(APIC_X1), mmio_write32(APIC_MMIO + APIC_EOI, 0))
GUEST_OP(self_ipi, setup_irq(APIC_X1), mmio_write32(APIC_MMIO + APIC_ICR, APIC_DEST_SELF | V))
GUEST_OP(x2apic_read, apic_enable(APIC_X2), rdmsr(MSR_X2APIC(APIC_LVR)))
GUEST_OP(x2apic_eoi, apic_enable(APIC_X2), wrmsr(MSR_X2APIC(APIC_EOI), 0))
GUEST_OP(x2apic_self_ipi, setup_irq(APIC_X2), wrmsr(MSR_X2APIC(APIC_SELF_IPI), V))
GUEST_OP(mov_cr3, u64 cr3 = read_cr3(), write_cr3(cr3))
GUEST_OP(mov_cr0, u64 cr0 = read_cr0(), write_cr0(cr0 ^= BIT(3)))
/* The entry of an address in the table of a level, 1 the lowest. */
static volatile u64 *entry_of(u64 address, unsigned int level)
{
	u64 table = VM_PML4;
	unsigned int at;

	for (at = 4; at > level; at--)
		table = ((u64 *)table)[address >> (3 + 9 * at) & 511] & 0xffffffffff000ULL;
	return (u64 *)table + (address >> (3 + 9 * level) & 511);
}

#define LOAD(address)	(*(volatile u8 *)(address))
#define PTE_ACCESSED	BIT(5)
#define PTE_DIRTY	BIT(6)
#define PTE_SOFTWARE	BIT(9)

static u64 other_root(void)
{
	u64 i, *from = (u64 *)VM_PML4, *to = (u64 *)VM_SCRATCH;

	for (i = 0; i < 512; i++)
		to[i] = from[i];
	return VM_PML4 ^ VM_SCRATCH;
}

GUEST_OP(mov_cr3_other, u64 cr3 = read_cr3(); u64 other = other_root(), write_cr3(cr3 ^= other); LOAD(VM_SCRATCH2))
GUEST_OP(invlpg, LOAD(MAPPED_GVA), invlpg(MAPPED_GVA))
GUEST_OP(invlpg_load, , invlpg(MAPPED_GVA); LOAD(MAPPED_GVA))
GUEST_OP(store_leaf, volatile u64 *entry = entry_of(MAPPED_GVA, 1); LOAD(MAPPED_GVA),
	 *entry ^= PTE_SOFTWARE; invlpg(MAPPED_GVA); LOAD(MAPPED_GVA))
GUEST_OP(store_leaf_cr3, volatile u64 *entry = entry_of(MAPPED_GVA, 1); u64 cr3 = read_cr3(); LOAD(MAPPED_GVA),
	 *entry ^= PTE_SOFTWARE; write_cr3(cr3); LOAD(MAPPED_GVA))
GUEST_OP(store_directory, volatile u64 *entry = entry_of(MAPPED_GVA, 2); LOAD(MAPPED_GVA),
	 *entry ^= PTE_SOFTWARE; LOAD(MAPPED_GVA))
GUEST_OP(hlt_wake, setup_irq(APIC_X1), cli(); mmio_write32(APIC_MMIO + APIC_ICR, APIC_DEST_SELF | V);
	 sti_hlt())

/* Interrupt handlers of their own: the library's save far more than these need. */
asm(".pushsection .text\n"
    "bench_irq_x1:\n"
    "	push %rax\n"
    "	mov $0xfee000b0, %eax\n"
    "	movl $0, (%rax)\n"
    "	pop %rax\n"
    "	iretq\n"
    "bench_irq_x2:\n"
    "	push %rax\n"
    "	push %rcx\n"
    "	push %rdx\n"
    "	mov $0x80b, %ecx\n"
    "	xor %eax, %eax\n"
    "	xor %edx, %edx\n"
    "	wrmsr\n"
    "	pop %rdx\n"
    "	pop %rcx\n"
    "	pop %rax\n"
    "	iretq\n"
    ".popsection\n");
extern const char bench_irq_x1[], bench_irq_x2[];

static void setup_irq(enum apic_mode mode)
{
	u64 a = (uintptr_t)(mode == APIC_X2 ? bench_irq_x2 : bench_irq_x1);
	u16 *gate = (u16 *)(VM_IDT + 16 * V);

	gate[0] = a;
	gate[3] = a >> 16;
	apic_enable(mode);
	sti();
}

/* Each batch touches its own run of pages once, in order. */
static void touch_from(u64 address)
{
	u64 b, i, t;

	for (b = 0; b < BATCHES; b++) {
		t = rdtsc();
		for (i = TOUCH_PAGES; i; i--, address += PAGE_SIZE)
			*(volatile u8 *)address = 1;
		ticks[b] = rdtsc() - t;
	}
}

static void touch_traced(u64 base, u64 traced)
{
	for (u64 b = 0; b < traced; b++) {
		u64 page = base + b * TRACE_GAP * PAGE_SIZE;

		magic_break();
		*(volatile u8 *)page = 1;
		magic_break();
	}
}

static void op_touch(u64 traced)
{
	touch_traced(TOUCH_GPA, traced);
	touch_from(TOUCH_GPA);
}

/* The guest's tables say that the pages have been touched: no fault is for the guest or changes its tables. */
static void op_touch_mapped(u64 traced)
{
	u64 i;

	for (i = 0; i < BATCHES * TOUCH_PAGES; i++)
		*entry_of(MAPPED_GVA + i * PAGE_SIZE, 1) |= PTE_ACCESSED | PTE_DIRTY;
	touch_traced(MAPPED_GVA, traced);
	touch_from(MAPPED_GVA);
}

/* --- host --------------------------------------------------------------------- */

enum kind { LOOP, TOUCH_ABSENT, TOUCH_PRESENT, TOUCH_HUGE, TOUCH_MAPPED, LIFE, LIFE_CPU, MEMORY };

struct row {
	const char *name;
	enum kind kind;
	void *op;
	u64 arg;
};

static const struct row nested_rows[] = {
	{ "CPUID", LOOP, op_cpuid },
	{ "unknown hypercall", LOOP, op_hypercall },
	{ "RDMSR IA32_APIC_BASE", LOOP, op_rdmsr_apic_base },
	{ "WRMSR TSC deadline", LOOP, op_wrmsr_deadline },
	{ "WRMSR TSC deadline, timer armed", LOOP, op_wrmsr_deadline_armed },
	{ "WRMSR PAT", LOOP, op_wrmsr_pat },
	{ "OUT to user space", LOOP, op_out_user },
	{ "IN from user space", LOOP, op_in_user },
	{ "IN from the in-kernel 8259", LOOP, op_in_pic },
	{ "OUT to an ioeventfd", LOOP, op_out_event },
	{ "MMIO store to user space", LOOP, op_mmio_store },
	{ "MMIO load from user space", LOOP, op_mmio_load },
	{ "MMIO store to an ioeventfd (any length)", LOOP, op_mmio_event },
	{ "local APIC register read", LOOP, op_apic_read },
	{ "local APIC EOI", LOOP, op_apic_eoi },
	{ "self-IPI, taken and ended", LOOP, op_self_ipi },
	{ "x2APIC register read", LOOP, op_x2apic_read },
	{ "x2APIC EOI", LOOP, op_x2apic_eoi },
	{ "x2APIC self-IPI, taken and ended", LOOP, op_x2apic_self_ipi },
	{ "MOV to CR3", LOOP, op_mov_cr3 },
	{ "MOV to CR0 (TS)", LOOP, op_mov_cr0 },
	{ "HLT with an interrupt pending", LOOP, op_hlt_wake },
	{ "first touch of a page, host memory not there yet", TOUCH_ABSENT, op_touch },
	{ "first touch of a page, host memory there (4K)", TOUCH_PRESENT, op_touch },
	{ "first touch of a page, host memory there (2M)", TOUCH_HUGE, op_touch },
	{ "VM create and destroy, no vCPU, on the CPU", LIFE_CPU, NULL, 0 },
	{ "VM create and destroy, one vCPU, on the CPU", LIFE_CPU, NULL, 1 },
	{ "VM create and destroy, no vCPU, elapsed", LIFE, NULL, 0 },
	{ "VM create and destroy, one vCPU, elapsed", LIFE, NULL, 1 },
	{ "kernel memory of a VM, no vCPU", MEMORY, NULL, 0 },
	{ "kernel memory of a VM, one vCPU", MEMORY, NULL, 1 },
};

static const struct row shadow_rows[] = {
	{ "MOV to CR3, of the value it has", LOOP, op_mov_cr3 },
	{ "MOV to CR3, of two in turn, and a load", LOOP, op_mov_cr3_other },
	{ "INVLPG", LOOP, op_invlpg },
	{ "INVLPG, and a load from the page", LOOP, op_invlpg_load },
	{ "store to a page table, INVLPG, and a load", LOOP, op_store_leaf },
	{ "store to a page table, MOV to CR3, and a load", LOOP, op_store_leaf_cr3 },
	{ "store to a page directory, and a load", LOOP, op_store_directory },
	{ "hidden fault, in a run of pages", TOUCH_MAPPED, op_touch_mapped },
	{ "CPUID", LOOP, op_cpuid },
	{ "OUT to user space", LOOP, op_out_user },
	{ "MMIO store to user space", LOOP, op_mmio_store },
};

static const struct row *rows = nested_rows;
static size_t row_count = ARRAY_SIZE(nested_rows);

/* Serve exits in the shortest way there is until the guest makes a ucall. */
static void run_to_ucall(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	do {
		int ret = __vcpu_run(vcpu);

		ASSERT(!ret, "KVM_RUN: %s", strerror(-ret));
	} while ((run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_USER) ||
		 (run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO_USER));
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	if (vcpu_get_ucall(vcpu, &uc) != UCALL_DONE)
		FAIL("ucall %u, vector or line %llu", uc.cmd, (unsigned long long)uc.args[0]);
}

static void add_eventfds(struct vm *vm)
{
	struct kvm_ioeventfd io = { .addr = PORT_EVENT, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_ioeventfd mm = { .addr = MMIO_EVENT };

	io.fd = mm.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm_ioctl(vm, KVM_IOEVENTFD, &io);
	vm_ioctl(vm, KVM_IOEVENTFD, &mm);
}

static void touch(u8 *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE_SIZE)
		p[i] = 1;
}

static void add_touch_slot(struct vm *vm, enum kind kind)
{
	const size_t size = BATCHES * TOUCH_PAGES * PAGE_SIZE, align = 2 << 20;
	u8 *p = host_pages_aligned(size, align);

	madvise(p, size, kind == TOUCH_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	touch(p, size);
	if (kind == TOUCH_ABSENT) {
		/*
		 * As many free pages as the host will give are in the CPU's list now, whatever ran
		 * before: to cut one from larger ones costs it 200 instructions more.
		 */
		munmap(p, size);
		p = host_pages_aligned(size, align);
		madvise(p, size, MADV_NOHUGEPAGE);
	}
	vm_set_slot(vm, 1, 0, TOUCH_GPA, size, p);
}

static u64 best_of(const u64 *t)
{
	u64 best = t[0];
	int i;

	for (i = 1; i < BATCHES; i++)
		best = t[i] < best ? t[i] : best;
	return best;
}

/* Ticks of the best batch. */
static u64 run_op(const struct row *row, void *op, u64 arg)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, op);
	u64 best;

	add_eventfds(vm);
	if (row->kind != LOOP || rows == shadow_rows)
		add_touch_slot(vm, row->kind);
	if (rows == shadow_rows)
		vm_map(vm, MAPPED_GVA, TOUCH_GPA, BATCHES * TOUCH_PAGES * PAGE_SIZE);
	vcpu_args(vcpu, arg, 0, 0);
	run_to_ucall(vcpu);
	best = best_of(*GUEST_VAR(vm, ticks));
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	return best;
}

static void make_vm(struct vm **vm, struct vcpu **vcpu, u64 vcpus)
{
	*vm = vm_create(vcpus ? VM_IRQCHIP : VM_BARE);
	*vcpu = vcpus ? vcpu_create(*vm, 0) : NULL;
}

static u64 ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* TSC ticks, that is instructions, in a microsecond of the host's clock: 1000 under icount, 50 in Bochs. */
static u64 ticks_per_us(void)
{
	static u64 rate;
	u64 t, start;

	if (rate)
		return rate;
	start = ns(CLOCK_MONOTONIC_RAW);
	t = rdtsc();
	do {
		rate = ns(CLOCK_MONOTONIC_RAW) - start;
	} while (rate < 20000000);
	rate = ((rdtsc() - t) * 1000 + rate / 2) / rate;
	return rate;
}

/* CPU time of this task in instructions. */
static u64 on_cpu(void)
{
	return ns(CLOCK_THREAD_CPUTIME_ID) * ticks_per_us() / 1000;
}

/* The elapsed figure has waiting in it (grace periods), the other has not. */
static u64 measure_life(u64 vcpus, u64 (*clock)(void))
{
	struct vcpu *vcpu;
	struct vm *vm;
	u64 t[BATCHES];
	int i;

	for (i = 0; i < BATCHES; i++) {
		u64 start = clock();

		make_vm(&vm, &vcpu, vcpus);
		if (vcpu)
			vcpu_destroy(vcpu);
		vm_destroy(vm);
		t[i] = clock() - start;
	}
	return best_of(t);
}

#define MANY 128

static u64 measure_memory(u64 vcpus)
{
	struct vcpu *vcpu[MANY];
	struct vm *vm[MANY];
	u64 before, after;
	int i;

	make_vm(&vm[0], &vcpu[0], vcpus);
	before = host_free_memory();
	for (i = 1; i < MANY; i++)
		make_vm(&vm[i], &vcpu[i], vcpus);
	after = host_free_memory();
	for (i = 0; i < MANY; i++) {
		if (vcpu[i])
			vcpu_destroy(vcpu[i]);
		vm_destroy(vm[i]);
	}
	return before > after ? (before - after) / (MANY - 1) : 0;
}

static u64 measure(const struct row *row)
{
	static u64 empty;
	static const struct row none = { .kind = LOOP };

	switch (row->kind) {
	case LIFE:
		return measure_life(row->arg, rdtsc);
	case LIFE_CPU:
		return measure_life(row->arg, on_cpu);
	case MEMORY:
		return measure_memory(row->arg);
	case LOOP:
		if (!empty)
			empty = run_op(&none, op_empty, 0);
		return (run_op(row, row->op, 0) - empty) / OPS;
	default:
		return run_op(row, row->op, row->arg) / TOUCH_PAGES;
	}
}

static int is_wanted(int argc, char **argv, int first, const char *name)
{
	int i;

	for (i = first; i < argc; i++)
		if (strstr(name, argv[i]))
			return 1;
	return first >= argc;
}

/* Each wanted row's name, then its operation TRACES times between magic breaks. The empty one comes first, to be subtracted. */
static int trace(int argc, char **argv)
{
	static const struct row none = { .name = "nothing", .kind = LOOP };
	size_t i;

	printf("trace: %s\n", none.name);
	run_op(&none, op_empty, TRACES);
	for (i = 0; i < row_count; i++) {
		if (rows[i].kind >= LIFE || !is_wanted(argc, argv, 2, rows[i].name))
			continue;
		printf("trace: %s\n", rows[i].name);
		run_op(&rows[i], rows[i].op, TRACES);
	}
	return KSFT_PASS;
}

int main(int argc, char **argv)
{
	const char *out = "/dev/null", *sep = "";
	int first = 1;
	size_t i;
	FILE *f;

	/* for scripts that measure something else by the same clock */
	if (argc == 2 && !strcmp(argv[1], "--clock")) {
		printf("%llu\n", (unsigned long long)rdtsc());
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--shadow")) {
		rows = shadow_rows;
		row_count = ARRAY_SIZE(shadow_rows);
		argv++;
		argc--;
	}
	if (argc > 1 && !strcmp(argv[1], "--trace"))
		return trace(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "-o")) {
		out = argv[2];
		first = 3;
	}
	f = fopen(out, "w");
	ASSERT(f, "%s: %s", out, strerror(errno));
	setvbuf(stdout, NULL, _IOLBF, 0);
	fprintf(f, "{ \"device\": \"%s\", \"rows\": [\n", dev_path());
	for (i = 0; i < row_count; i++) {
		const char *unit = rows[i].kind == MEMORY ? "bytes" :
				   rows[i].kind == LIFE ? "ticks" : "instructions";
		unsigned long long v;

		if (!is_wanted(argc, argv, first, rows[i].name))
			continue;
		v = measure(&rows[i]);
		printf("%-52s %9llu %s\n", rows[i].name, v, unit);
		fprintf(f, "%s{ \"operation\": \"%s\", \"value\": %llu, \"unit\": \"%s\" }", sep,
			rows[i].name, v, unit);
		sep = ",\n";
	}
	fprintf(f, "\n] }\n");
	return fclose(f) ? KSFT_FAIL : KSFT_PASS;
}
