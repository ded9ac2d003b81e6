/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest side of the library: start states, calls to the host, instructions.
 *
 * Guest code is C in the test's own file. It may use its arguments, its globals
 * (a private copy per VM, see GUEST_VAR), the inline functions below and plain
 * C; it may not call libc. It talks to the host by ucalls: an OUT of the
 * address of a struct ucall to UCALL_PORT.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include "vm.h"

#define UCALL_PORT	0x0f4e

enum ucall_cmd {
	UCALL_NONE,		/* host side: the exit was not a ucall */
	UCALL_DONE,
	UCALL_SYNC,		/* stage in args[0] */
	UCALL_PRINT,		/* format in text, arguments in args */
	UCALL_ASSERT,		/* expression in text, both values in args */
	UCALL_ROW,		/* name in text, wanted and got in args; the guest goes on */
	UCALL_EXCEPTION,	/* vector, error code, RIP, CR2 in args */
};

struct ucall {
	u32 cmd;
	u32 line;
	const char *file;
	const char *text;
	u64 args[4];
};

/* --- host side: start states and running ------------------------------------ */

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define SEL_USER_DATA	0x33
#define SEL_USER_CODE64	0x3b
#define SEL_TSS(id)	(0x80 + 16 * (id))

/* Page tables, GDT, IDT of the whole VM; called by vm_create(VM_MEMORY). */
void guest_tables_init(struct vm *vm);

/**
 * vcpu_create_guest() - a vCPU that will run a C function in 64-bit mode
 * @vm: made with VM_MEMORY
 * @id: vCPU id, below VM_MAX_STACKS
 * @fn: guest function; takes up to three u64 (vcpu_args()), returning is UCALL_DONE
 *
 * The vCPU has the supported CPUID table, SSE on, interrupts off, a handler for
 * every vector.
 */
struct vcpu *vcpu_create_guest(struct vm *vm, u32 id, void *fn);
void vcpu_args(struct vcpu *vcpu, u64 a0, u64 a1, u64 a2);
/*
 * For a guest that runs without exits until the host stops it: it starts with
 * interrupts on where the emulated host needs that, on Bochs.
 */
void vcpu_let_host_in(struct vcpu *vcpu);
/* Set the registers of an existing vCPU to the start of @fn in 64-bit mode. */
void vcpu_start64(struct vcpu *vcpu, void *fn);

/* Other start states. The code is bytes at a guest-physical address. */
void vcpu_start_real(struct vcpu *vcpu, u16 cs, u16 ip);
void vcpu_start_prot16(struct vcpu *vcpu, u64 gpa);	/* code base 0, 16-bit */
void vcpu_start_prot32(struct vcpu *vcpu, u64 gpa);	/* flat, no paging */
void vcpu_start_paged32(struct vcpu *vcpu, u64 gpa);	/* flat, 4 MB identity pages */
void vcpu_start_pae(struct vcpu *vcpu, u64 gpa);	/* flat, PAE identity pages */

/* Copy the code between two labels of the program to a guest-physical address. */
void vm_copy_code(struct vm *vm, u64 gpa, const void *start, const void *end);
#define vm_put_code(vm, gpa, name) vm_copy_code(vm, gpa, name##_start, name##_end)
/* The first vCPU of a VM of its own, with that code in memory: to be started by one of the above. */
struct vcpu *vcpu_create_code(u64 gpa, const void *start, const void *end);

/**
 * vcpu_run_ucall() - run until the guest calls
 * @vcpu: the vCPU
 * @uc: the call, copied; may be NULL
 *
 * Prints are printed and the run goes on; an assertion or an unhandled exception
 * of the guest fails the case, as does any exit that is not a ucall.
 *
 * Return: UCALL_DONE or UCALL_SYNC.
 */
enum ucall_cmd vcpu_run_ucall(struct vcpu *vcpu, struct ucall *uc);
/* The ucall of an exit that has already been taken; UCALL_NONE if it is none. */
enum ucall_cmd vcpu_get_ucall(struct vcpu *vcpu, struct ucall *uc);
/*
 * For run loops of a test's own, behind an I/O exit: serves prints and rows, fails on
 * failures. UCALL_DONE or UCALL_SYNC, UCALL_PRINT or UCALL_ROW for what was served.
 */
enum ucall_cmd vcpu_finish(struct vcpu *vcpu);
/* Run until DONE; SYNCs on the way are an error. */
void vcpu_run_done(struct vcpu *vcpu);
/* Run until SYNC of that stage. */
void vcpu_run_sync(struct vcpu *vcpu, u64 stage);
/* The whole of a simple test: one VM, one vCPU, run to DONE. */
void run_guest(unsigned int vm_flags, void *fn);

/* --- guest side -------------------------------------------------------------- */

/**
 * struct guest_regs - what a guest exception handler sees and may change
 */
struct guest_regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

typedef void (*guest_handler_t)(struct guest_regs *regs);
/* Handler per vector; NULL reports UCALL_EXCEPTION (or uses a fix-up). */
extern guest_handler_t guest_handlers[256];

void guest_call(const struct ucall *uc);

#define GUEST_CALL(c, t, a, b, d, e)					\
	do {								\
		struct ucall uc_ = { c, __LINE__, __FILE__, t,		\
				     { (u64)(a), (u64)(b), (u64)(d), (u64)(e) } }; \
		guest_call(&uc_);					\
	} while (0)
#define GUEST_DONE()		GUEST_CALL(UCALL_DONE, NULL, 0, 0, 0, 0)
#define GUEST_SYNC(stage)	GUEST_CALL(UCALL_SYNC, NULL, stage, 0, 0, 0)
#define GUEST_SYNC2(stage, v)	GUEST_CALL(UCALL_SYNC, NULL, stage, v, 0, 0)
#define GUEST_PRINT(fmt, a, b)	GUEST_CALL(UCALL_PRINT, fmt, a, b, 0, 0)
#define GUEST_ASSERT(cond)						\
	do {								\
		if (!(cond))						\
			GUEST_CALL(UCALL_ASSERT, #cond, 1, 0, 0, 0);	\
	} while (0)
#define GUEST_EQ(a, b)							\
	do {								\
		u64 x_ = (u64)(a), y_ = (u64)(b);			\
		if (x_ != y_)						\
			GUEST_CALL(UCALL_ASSERT, #a " == " #b, x_, y_, 0, 0); \
	} while (0)
/* A row of a table: printed with wanted and got, and the guest goes on. */
#define GUEST_ROW(name, wanted, got)	GUEST_CALL(UCALL_ROW, name, wanted, got, 0, 0)

/*
 * Run one instruction that may fault. The result is NO_FAULT or the vector of
 * the exception; guest code sees the error code in guest_fault_error().
 */
#define NO_FAULT	(-1)
#define VEC_DE	0
#define VEC_DB	1
#define VEC_NMI	2
#define VEC_BP	3
#define VEC_UD	6
#define VEC_NM	7
#define VEC_DF	8
#define VEC_TS	10
#define VEC_NP	11
#define VEC_SS	12
#define VEC_GP	13
#define VEC_PF	14
#define VEC_MF	16
#define VEC_AC	17
#define VEC_XM	19

#define GUEST_TRY_ASM(insn)						\
	"mov $-1, %%r10\n\t"						\
	"1: " insn "\n"							\
	"2:\n\t"							\
	".pushsection guest_fixups, \"a\"\n\t"				\
	".quad 1b, 2b\n\t"						\
	".popsection\n\t"						\
	"mov %%r10, %[vec]"
#define GUEST_TRY(insn, ins...)						\
	({								\
		s64 vec_;						\
		asm volatile(GUEST_TRY_ASM(insn) : [vec] "=&r" (vec_)	\
			     : ins : "r10", "r11", "memory", "cc");	\
		(int)vec_;						\
	})
u64 guest_fault_error(void);
u64 guest_fault_address(void);

static inline void outb(u16 port, u8 v)  { asm volatile("outb %0, %1" : : "a" (v), "Nd" (port) : "memory"); }
static inline void outw(u16 port, u16 v) { asm volatile("outw %0, %1" : : "a" (v), "Nd" (port) : "memory"); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" : : "a" (v), "Nd" (port) : "memory"); }
static inline u8 inb(u16 port)  { u8 v;  asm volatile("inb %1, %0" : "=a" (v) : "Nd" (port) : "memory"); return v; }
static inline u16 inw(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a" (v) : "Nd" (port) : "memory"); return v; }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a" (v) : "Nd" (port) : "memory"); return v; }

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "a" ((u32)v), "d" ((u32)(v >> 32)), "c" (msr) : "memory");
}

/* NO_FAULT or the vector. */
static inline int rdmsr_safe(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;
	s64 vec;

	asm volatile(GUEST_TRY_ASM("rdmsr") : [vec] "=&r" (vec), "+a" (lo), "+d" (hi)
		     : "c" (msr) : "r10", "r11", "memory");
	*v = lo | (u64)hi << 32;
	return vec;
}

static inline int wrmsr_safe(u32 msr, u64 v)
{
	return GUEST_TRY("wrmsr", "a" ((u32)v), "d" ((u32)(v >> 32)), "c" (msr));
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a" (r[0]), "=b" (r[1]), "=c" (r[2]), "=d" (r[3])
		     : "a" (leaf), "c" (sub) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a" (lo), "=d" (hi) : : "memory");
	return lo | (u64)hi << 32;
}

#define DEFINE_CR(n)								\
	static inline u64 read_cr##n(void)					\
	{									\
		u64 v;								\
		asm volatile("mov %%cr" #n ", %0" : "=r" (v) : : "memory");	\
		return v;							\
	}									\
	static inline void write_cr##n(u64 v)					\
	{									\
		asm volatile("mov %0, %%cr" #n : : "r" (v) : "memory");		\
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

static inline void cli(void) { asm volatile("cli" : : : "memory"); }
static inline void sti(void) { asm volatile("sti" : : : "memory"); }
static inline void sti_nop(void) { asm volatile("sti; nop" : : : "memory"); }
static inline void sti_hlt(void) { asm volatile("sti; hlt" : : : "memory"); }
static inline void hlt(void) { asm volatile("hlt" : : : "memory"); }
static inline void pause_insn(void) { asm volatile("pause" : : : "memory"); }
static inline void invlpg(u64 a) { asm volatile("invlpg (%0)" : : "r" (a) : "memory"); }

#define MMIO_FN(n, t)								\
	static inline void mmio_write##n(u64 a, t v)				\
	{									\
		asm volatile("mov %0, (%1)" : : "r" (v), "r" (a) : "memory");	\
	}									\
	static inline t mmio_read##n(u64 a)					\
	{									\
		t v;								\
		asm volatile("mov (%1), %0" : "=r" (v) : "r" (a) : "memory");	\
		return v;							\
	}
MMIO_FN(8, u8)
MMIO_FN(16, u16)
MMIO_FN(32, u32)
MMIO_FN(64, u64)

/* The hypercall instruction of this CPU's vendor, chosen by CPUID. */
u64 guest_hypercall(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3);
int guest_is_amd(void);

#endif
