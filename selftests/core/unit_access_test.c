// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator with its owner's own accesses: RAM, a device here and one that user space answers, in one instruction. User space is asked for
 * each piece once, and in the end everything is as if the devices had been memory.
 */
#include "test.h"
#include "emulator.h"
#include "emulator_access.h"
#include "io.h"

#define RAM_SIZE	0x10000
#define RAM_AT		0x2000
#define CODE		0x1000
#define STACK		0x8000
#define HERE		0x20000		/* a device here */
#define USER		0x30000		/* one that user space answers */
#define TSS		0x9000

static struct vm vm;
static struct kvm_run run;
static u8 pio[PAGE_SIZE], ram[RAM_SIZE] __attribute__((aligned(16)));
static u8 user[2 * PAGE_SIZE];		/* what user space's device holds */
static u8 here[PAGE_SIZE];
static unsigned int here_reads, here_writes;
static struct segment segments[NR_SEGS];
static u64 gpr[16], xmm[2];

/* ---- the rooms around ---- */

int keel_walk(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk)
{
	walk->gpa = gva;
	return 0;
}

bool keel_memory_has_slot(struct vcpu *vcpu, gpa_t gpa)
{
	return gpa < RAM_SIZE;
}

bool keel_memory_is_writable(struct vcpu *vcpu, gpa_t gpa)
{
	return gpa < RAM_SIZE;
}

int keel_read_guest(struct vm *v, gpa_t gpa, void *data, unsigned long len)
{
	if (gpa + len > RAM_SIZE)
		return -EFAULT;
	memcpy(data, ram + gpa, len);
	return 0;
}

int keel_write_guest(struct vm *v, gpa_t gpa, const void *data, unsigned long len)
{
	if (gpa + len > RAM_SIZE)
		return -EFAULT;
	memcpy(ram + gpa, data, len);
	return 0;
}

int keel_cmpxchg_guest(struct vm *v, gpa_t gpa, unsigned int size, u64 *old, u64 new)
{
	u64 found = 0;

	memcpy(&found, ram + gpa, size);
	if (found == *old)
		memcpy(ram + gpa, &new, size);
	*old = found;
	return 0;
}

/* Another CPU stores between the read and the exchange. */
static bool is_raced;

int keel_cmpxchg16_guest(struct vm *v, gpa_t gpa, u64 old[2], const u64 new[2])
{
	bool is_same;

	if (is_raced)
		ram[gpa + 8]++;
	is_same = !memcmp(ram + gpa, old, 16);
	memcpy(is_same ? (void *)(ram + gpa) : old, is_same ? (const void *)new : ram + gpa, 16);
	return !is_same;
}

bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa)
{
	return false;
}

bool keel_lapic_hole(const struct vcpu *vcpu, gpa_t gpa)
{
	return false;
}

int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data)
{
	return -EOPNOTSUPP;
}

int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data)
{
	return -EOPNOTSUPP;
}

static bool is_here(struct bus *bus, gpa_t addr)
{
	return bus == &vm.mmio && addr >= HERE && addr < HERE + PAGE_SIZE;
}

int keel_bus_read(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, void *data)
{
	if (!is_here(bus, addr))
		return -EOPNOTSUPP;
	here_reads++;
	memcpy(data, here + (addr - HERE), len);
	return 0;
}

int keel_bus_write(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, const void *data)
{
	if (!is_here(bus, addr))
		return -EOPNOTSUPP;
	here_writes++;
	memcpy(here + (addr - HERE), data, len);
	return 0;
}

bool keel_bus_has(struct bus *bus, gpa_t addr)
{
	return false;
}

void keel_shadow_stored(struct vcpu *vcpu, gpa_t gpa, unsigned int len)
{
	FAIL("no shadow paging here");
}

void keel_watch_access(struct vcpu *vcpu, u64 at, unsigned int size, u32 kinds)
{
	FAIL("no breakpoints here");
}

/* ---- registers ---- */

static void get_segment(struct emu *e, unsigned int nr, struct segment *s)
{
	*s = segments[nr];
}

static u64 get_cr(struct emu *e, unsigned int nr)
{
	return nr == 4 ? 0x200 : nr ? 0 : 0x80000011;
}

static void read_vector(struct emu *e, unsigned int nr, void *data, unsigned int size)
{
	memcpy(data, xmm, size);
}

static void write_vector(struct emu *e, unsigned int nr, const void *data, unsigned int size)
{
	memcpy(xmm, data, size);
}

static const struct emu_ops ops = {
	.fetch = emulator_fetch, .read = emulator_read, .write = emulator_write, .cmpxchg = emulator_cmpxchg, .probe = emulator_probe,
	.port_in = emulator_port_in, .port_out = emulator_port_out, .get_segment = get_segment, .get_cr = get_cr,
	.read_vector = read_vector, .write_vector = write_vector,
};

static struct vcpu vcpu = { .vm = &vm, .run = &run, .pio_data = pio, .emu = { .ops = &ops, .gpr = gpr, .va_bits = 48, .io_buf = pio } };

/* ---- user space, and core/io.c on the way back from it ---- */

#define MOST_EXITS	64

static unsigned int exits;

static void answer_mmio(void)
{
	u8 *at = user + (run.mmio.phys_addr - USER);

	if (run.mmio.phys_addr < USER || run.mmio.phys_addr + run.mmio.len > USER + sizeof(user))
		FAIL("user space was asked for %#llx", run.mmio.phys_addr);
	if (run.mmio.is_write)
		memcpy(at, run.mmio.data, run.mmio.len);
	else
		memcpy(run.mmio.data, at, run.mmio.len);
}

/* As complete_emulated_mmio() of core/io.c. */
static void complete_mmio(void)
{
	if (!vcpu.io.is_write)
		memcpy(vcpu.io.data + vcpu.io.pos, run.mmio.data, vcpu.io.len);
	vcpu.io.have = vcpu.io.pos + vcpu.io.len;
	vcpu.io.complete = COMPLETE_NONE;
}

/* The instruction to its end. */
static int execute(const u8 *bytes, unsigned int n)
{
	struct emu *e = &vcpu.emu;
	int ret;

	exits = 0;
	emu_forget(e);
	vcpu.io.have = 0;
	vcpu.io.answered = false;
	e->rip = CODE;
	e->nr_bytes = n;
	memcpy(e->bytes, bytes, n);
	ret = emu_decode(e, bytes, n);
	while (ret == EMU_CONTINUE) {
		ret = emu_execute(e);
		if (ret == EMU_IO || vcpu.io.answered) {
			if (exits++ == MOST_EXITS)
				FAIL("user space is asked again and again");
			if (run.exit_reason == KVM_EXIT_MMIO)
				answer_mmio();
		}
		vcpu.io.answered = ret == EMU_IO && vcpu.io.complete == COMPLETE_STRING_IO;
		if (ret == EMU_IO && vcpu.io.complete == COMPLETE_MMIO)
			complete_mmio();
		else if (ret != EMU_IO && !e->repeat)
			break;
		ret = EMU_CONTINUE;
	}
	return ret;
}

struct row {
	const char *name;
	u8 n, bytes[8];
	u8 cpl;
	u64 si, di, cx;
	unsigned int exits;
	u64 si_after, di_after, cx_after;
	u8 zf;
};

/* "abcdefghijklmnop..." is in RAM at RAM_AT, in the device here and in user space's, at each 32 bytes anew. */
static const struct row rows[] = {
	{ "cmpsb, RAM and user space", 1, { 0xa6 }, 0, RAM_AT, USER, 1, 1, RAM_AT + 1, USER + 1, 1, 1 },
	{ "cmpsb, user space and RAM", 1, { 0xa6 }, 0, USER, RAM_AT, 1, 1, USER + 1, RAM_AT + 1, 1, 1 },
	{ "cmpsq, the device here and user space", 2, { 0x48, 0xa7 }, 0, HERE, USER, 1, 1, HERE + 8, USER + 8, 1, 1 },
	{ "cmpsb, user space alone", 1, { 0xa6 }, 0, USER + 1, USER, 1, 2, USER + 2, USER + 1, 1, 0 },
	{ "repe cmpsl, RAM and user space", 2, { 0xf3, 0xa7 }, 0, RAM_AT, USER, 3, 3, RAM_AT + 12, USER + 12, 0, 1 },
	{ "cmpsq, RAM and over two pages of user space's", 2, { 0x48, 0xa7 }, 0, RAM_AT + 29, USER + PAGE_SIZE - 3, 1, 2,
	  RAM_AT + 37, USER + PAGE_SIZE + 5, 1, 1 },
	{ "cmpsq, over two pages of user space's and RAM", 2, { 0x48, 0xa7 }, 0, USER + PAGE_SIZE - 3, RAM_AT + 29, 1, 2,
	  USER + PAGE_SIZE + 5, RAM_AT + 37, 1, 1 },
	{ "outsb of user space's, by the bitmap in RAM", 1, { 0x6e }, 3, USER, 0, 1, 2, USER + 1, 0, 1, 0 },
	{ "movsq, RAM to over two pages of user space's", 2, { 0x48, 0xa5 }, 0, RAM_AT, USER + PAGE_SIZE - 3, 1, 2,
	  RAM_AT + 8, USER + PAGE_SIZE + 5, 1, 0 },
};

static void setup(void)
{
	unsigned int i;

	memset(ram, 0, sizeof(ram));
	for (i = 0; i < sizeof(user); i++)
		user[i] = 'a' + i % 32;
	for (i = 0; i < PAGE_SIZE; i++) {
		ram[RAM_AT + i] = 'a' + i % 32;
		here[i] = 'a' + i % 32;
	}
	ram[TSS + 102] = 104;
	for (i = 0; i < NR_SEGS; i++)
		segments[i] = (struct segment){ 0, 0xffffffff, 0xc093, 8 };
	segments[SEG_TR] = (struct segment){ TSS, 104 + 8192, 0x8b, 8 };
	vcpu.emu.mode = EMU_MODE_LONG;
	vcpu.emu.cpl = 0;
	vcpu.emu.rflags = 2;
	vcpu.emu.io_buf_size = PAGE_SIZE;
	memset(gpr, 0, sizeof(gpr));
	gpr[GPR_RSP] = STACK;
}

static void test_restart(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		setup();
		vcpu.emu.cpl = r->cpl;
		gpr[GPR_RSI] = r->si;
		gpr[GPR_RDI] = r->di;
		gpr[GPR_RCX] = r->cx;
		test_note("%s", r->name);
		CHECK_EQ("  result", EMU_CONTINUE, execute(r->bytes, r->n));
		CHECK_EQ("  exits", r->exits, exits);
		CHECK_EQ("  rsi", r->si_after, gpr[GPR_RSI]);
		CHECK_EQ("  rdi", r->di_after, gpr[GPR_RDI]);
		CHECK_EQ("  rcx", r->cx_after, gpr[GPR_RCX]);
		CHECK_EQ("  zf", r->zf, !!(vcpu.emu.rflags & 0x40));
	}
	CHECK_EQ("stored over two pages", 0, memcmp(user + PAGE_SIZE - 3, "abcdefgh", 8));
}

/* CMPXCHG16B: what another CPU has stored meanwhile is found, and stays (SDM, "CMPXCHG8B/CMPXCHG16B"). */
static void test_cmpxchg16b(void)
{
	static const u8 insn[] = { 0xf0, 0x48, 0x0f, 0xc7, 0x0e };
	static const u64 at[2] = { 0x1111, 0x2222 }, by[2] = { 0x3333, 0x4444 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		setup();
		is_raced = i;
		test_note(i ? "another CPU is quicker" : "alone");
		memcpy(ram + RAM_AT, at, 16);
		gpr[GPR_RSI] = RAM_AT;
		gpr[GPR_RAX] = at[0];
		gpr[GPR_RDX] = at[1];
		gpr[GPR_RBX] = by[0];
		gpr[GPR_RCX] = by[1];
		CHECK_EQ("  result", EMU_CONTINUE, execute(insn, sizeof(insn)));
		CHECK_EQ("  zf", !is_raced, !!(vcpu.emu.rflags & 0x40));
		CHECK_EQ("  low", is_raced ? at[0] : by[0], *(u64 *)(ram + RAM_AT));
		CHECK_EQ("  high", is_raced ? at[1] + 1 : by[1], *(u64 *)(ram + RAM_AT + 8));
		CHECK_EQ("  rax", at[0], gpr[GPR_RAX]);
		CHECK_EQ("  rdx", at[1] + is_raced, gpr[GPR_RDX]);
	}
}

static const struct test_case cases[] = {
	{ "restart", test_restart },
	{ "cmpxchg16b", test_cmpxchg16b },
};

TEST_MAIN(cases)
