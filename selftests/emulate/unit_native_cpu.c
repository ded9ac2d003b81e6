// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's side of unit_native_test.  INT3 enters a signal handler that puts the wanted state into its frame, with the trap
 * flag; the instruction runs when it returns, and the trap behind it, or the fault that it raised, is the next signal, whose
 * handler takes the new state out of its frame and puts the test's own back.
 *
 * 16-bit code and the data that it addresses have segments in the LDT; 32-bit code has the kernel's. A kernel whose hypervisor has neither
 * (one that runs Linux without VMX and SVM, at privilege level 3) runs 64-bit code alone.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "test.h"
#include "unit_native.h"

#define PAGE		4096
#define LDT_CODE	((0 << 3) | 7)
#define LDT_DATA	((1 << 3) | 7)
#define USER_CS		0x33
#define USER32_CS	0x23
#define USER_DS		0x2b
#define XSTATE_MAGIC	0x46505853	/* of a frame with an XSAVE header */

static const u16 code_selectors[NR_NATIVE_WIDTHS] = { USER_CS, USER32_CS, LDT_CODE };
static const int gregs[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static u8 *pages;	/* code, window's page, one that faults */
static bool has_width[NR_NATIVE_WIDTHS];
static struct {
	enum native_width width;
	struct native_state *state;
	bool runs;
	gregset_t home;
	struct emu_fx home_fx;
} now;

/*
 * NT and ID, which the last instruction may have set, would stay: a handler's return leaves them alone. AC is still set in the handler, and an AMD
 * CPU checks the alignment of what MOVDQU and VMOVDQU reach too.
 */
static __always_inline void clear_flags(void)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandl $~0x244000, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" : : : "memory", "cc");
}

/* The registers in a frame count only where the header says that they are in use. */
static struct emu_fx *frame_fx(ucontext_t *uc)
{
	u8 *fx = (u8 *)uc->uc_mcontext.fpregs;
	u32 magic;
	u64 in_use;

	memcpy(&magic, fx + 464, 4);
	if (magic == XSTATE_MAGIC) {
		memcpy(&in_use, fx + 512, 8);
		in_use |= 3;
		memcpy(fx + 512, &in_use, 8);
	}
	return (struct emu_fx *)fx;
}

/* Not the last bytes, which are the kernel's. */
static void copy_fx(void *to, const void *from)
{
	memcpy(to, from, offsetof(struct emu_fx, unused));
}

static void leave_home(ucontext_t *uc)
{
	long long *g = uc->uc_mcontext.gregs;
	struct native_state *s = now.state;
	unsigned int i;

	memcpy(now.home, g, sizeof(now.home));
	copy_fx(&now.home_fx, frame_fx(uc));
	for (i = 0; i < 16; i++)
		g[gregs[i]] = (long long)s->gpr[i];
	g[REG_RIP] = (long long)s->rip;
	g[REG_EFL] = (long long)(s->flags | FLAG_TF);
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffLL) | code_selectors[now.width];
	copy_fx(frame_fx(uc), &s->fx);
	now.runs = true;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	long long *g = uc->uc_mcontext.gregs;
	struct native_state *s = now.state;
	unsigned int i;

	(void)info;
	clear_flags();
	if (!s) {	/* a fault of the test's own */
		signal(sig, SIG_DFL);
		return;
	}
	if (!now.runs) {
		leave_home(uc);
		return;
	}
	for (i = 0; i < 16; i++)
		s->gpr[i] = (u64)g[gregs[i]];
	s->rip = (u64)g[REG_RIP];
	s->flags = (u64)g[REG_EFL];
	s->vector = (unsigned int)g[REG_TRAPNO];
	s->error = (u64)g[REG_ERR];
	s->address = (u64)g[REG_CR2];
	copy_fx(&s->fx, frame_fx(uc));
	memcpy(g, now.home, sizeof(now.home));
	copy_fx(frame_fx(uc), &now.home_fx);
	now.runs = false;
	now.state = NULL;
}

static void load_data_segments(u16 selector)
{
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r" ((u32)selector));
}

void native_step(enum native_width width, struct native_state *s)
{
	load_data_segments(width == NATIVE_16 ? LDT_DATA : USER_DS);
	now.width = width;
	now.state = s;
	/* the upper halves of YMM registers are 0 for both */
	if (__builtin_cpu_supports("avx"))
		asm volatile("vzeroupper" : : : "xmm0");
	clear_flags();
	asm volatile("int3" : : : "memory", "cc");
}

static bool ldt_set(unsigned int entry, void *base, unsigned int contents)
{
	struct user_desc d = {
		.entry_number = entry, .base_addr = (u32)(uintptr_t)base, .limit = 0xffff, .contents = contents,
	};

	return !syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static void signals_init(void)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = 65536, .ss_sp = malloc(65536) };
	unsigned int i;

	ASSERT(stack.ss_sp, "no memory");
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		ASSERT_EQ(0, sigaction(signals[i], &sa, NULL));
}

u8 *native_window(void)
{
	return pages + 2 * PAGE - WINDOW_SIZE;
}

u8 *native_code(void)
{
	return pages;
}

static struct emu_fx first_fx;

const struct emu_fx *native_fx(void)
{
	return &first_fx;
}

/* INC, once in that width: does it run here? */
static bool try_width(enum native_width width)
{
	struct native_state s = {
		.gpr[GPR_RAX] = 0x1ffff, .gpr[GPR_RSP] = (uintptr_t)native_window() + 512, .flags = 0x202, .fx = first_fx,
		.rip = CODE_OFFSET + (width == NATIVE_16 ? 0 : (uintptr_t)pages),
	};

	memcpy(pages + CODE_OFFSET, (const u8[]){ 0xff, 0xc0 }, 2);
	native_step(width, &s);
	test_note("%s-bit code: vector %u, rax 0x%llx", width == NATIVE_64 ? "64" : width == NATIVE_32 ? "32" : "16", s.vector,
		  (unsigned long long)s.gpr[GPR_RAX]);
	return s.vector == VECTOR_STEP && s.gpr[GPR_RAX] == (width == NATIVE_16 ? 0x10000 : 0x20000);
}

bool native_has(enum native_width width)
{
	return has_width[width];
}

void native_init(void)
{
	pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT(pages != MAP_FAILED, "mmap");
	ASSERT_EQ(0, mprotect(pages + 2 * PAGE, PAGE, PROT_NONE));
	signals_init();
	emu_fx_save(&first_fx);
	has_width[NATIVE_64] = try_width(NATIVE_64);
	REQUIRE(has_width[NATIVE_64], "nothing can be stepped here");
	has_width[NATIVE_32] = try_width(NATIVE_32);
	/* a selector of the LDT would fault before anybody looks, where there are no segments but the kernel's */
	has_width[NATIVE_16] = has_width[NATIVE_32] && ldt_set(0, pages, MODIFY_LDT_CONTENTS_CODE) &&
			       ldt_set(1, native_window(), MODIFY_LDT_CONTENTS_DATA) && try_width(NATIVE_16);
}

void native_segments(struct machine *m, enum native_width width)
{
	unsigned int i;
	u64 base;

	for (i = 0; i < 6; i++)
		m->seg[i] = (struct segment){ 0, 0xffffffff, 0xc0f3, USER_DS };
	m->seg[SEG_CS] = (struct segment){ 0, 0xffffffff, width == NATIVE_64 ? 0xa0fb : 0xc0fb, code_selectors[width] };
	if (width == NATIVE_16) {
		m->seg[SEG_CS] = (struct segment){ (uintptr_t)pages, 0xffff, 0x00fb, LDT_CODE };
		m->seg[SEG_DS] = m->seg[SEG_ES] =
			(struct segment){ (uintptr_t)native_window(), 0xffff, 0x00f3, LDT_DATA };
	}
	for (i = SEG_FS; i <= SEG_GS; i++) {
		base = 0;
		syscall(SYS_arch_prctl, i == SEG_FS ? ARCH_GET_FS : ARCH_GET_GS, &base);
		m->seg[i] = (struct segment){ base, 0, SEG_UNUSABLE, 0 };
	}
}
