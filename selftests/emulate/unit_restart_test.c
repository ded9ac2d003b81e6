// SPDX-License-Identifier: GPL-2.0-only
/*
 * The restart rule: while user space answers, no register, flag or memory has
 * changed; each access is asked exactly once; the result is as if the device
 * had answered at once.  REP commits by iteration.
 */
#include "test.h"
#include "unit_machine.h"

#define L EMU_MODE_LONG

struct row {
	const char *name;
	u8 n;
	u8 bytes[15];
	u8 asked;	/* accesses that user space sees */
	u8 writes;	/* of which writes, as a bit mask by order */
	u64 rax, rcx;	/* afterwards */
	u64 stored;	/* data of the last write */
};

/* RDI and RSI point to the device, RBX to RAM holding 0x1111, RAX = 0x55, RCX = 3, device gives 0x10, 0x11... */
static const struct row rows[] = {
	{ "mov load", 2, { 0x8b, 0x07 }, 1, 0, 0x10, 3, 0 },
	{ "mov store", 2, { 0x89, 0x0f }, 1, 1, 0x55, 3, 3 },
	{ "movzx", 3, { 0x0f, 0xb6, 0x07 }, 1, 0, 0x10, 3, 0 },
	{ "mov imm", 6, { 0xc7, 0x07, 9, 0, 0, 0 }, 1, 1, 0x55, 3, 9 },
	{ "add to device", 2, { 0x01, 0x07 }, 2, 2, 0x55, 3, 0x65 },
	{ "lock or", 3, { 0xf0, 0x09, 0x07 }, 2, 2, 0x55, 3, 0x55 },
	{ "cmp", 2, { 0x3b, 0x07 }, 1, 0, 0x55, 3, 0 },
	{ "xchg", 2, { 0x87, 0x07 }, 2, 2, 0x10, 3, 0x55 },
	{ "lock xadd", 4, { 0xf0, 0x0f, 0xc1, 0x07 }, 2, 2, 0x10, 3, 0x65 },
	{ "cmpxchg fails", 3, { 0x0f, 0xb1, 0x0f }, 2, 2, 0x10, 3, 0x10 },
	{ "inc", 2, { 0xff, 0x07 }, 2, 2, 0x55, 3, 0x11 },
	{ "push from device", 2, { 0xff, 0x37 }, 1, 0, 0x55, 3, 0 },
	{ "movs device to device", 1, { 0xa5 }, 2, 2, 0x55, 3, 0x10 },
	{ "rep movs", 2, { 0xf3, 0xa5 }, 6, 0x2a, 0x55, 0, 0x12 },
	{ "rep stos", 2, { 0xf3, 0xab }, 3, 7, 0x55, 0, 0x55 },
	{ "rep lods", 2, { 0xf3, 0xad }, 3, 0, 0x12, 0, 0 },
	{ "cmps", 1, { 0xa7 }, 2, 0, 0x55, 3, 0 },
	{ "bts", 3, { 0x0f, 0xab, 0x07 }, 2, 2, 0x55, 3, 0x10 | 1 << (0x55 & 31) },
	{ "shl", 2, { 0xd1, 0x27 }, 2, 2, 0x55, 3, 0x20 },
	{ "not", 2, { 0xf7, 0x17 }, 2, 2, 0x55, 3, 0xffffffef },
	{ "setne", 3, { 0x0f, 0x95, 0x07 }, 1, 1, 0x55, 3, 1 },
	{ "pop to device", 2, { 0x8f, 0x07 }, 1, 1, 0x55, 3, 0x2222 },
	{ "movdqu load", 4, { 0xf3, 0x0f, 0x6f, 0x07 }, 1, 0, 0x55, 3, 0 },
	{ "movdqa store", 4, { 0x66, 0x0f, 0x7f, 0x07 }, 1, 1, 0x55, 3, 0x777 },
	{ "sgdt", 3, { 0x0f, 0x01, 0x07 }, 2, 3, 0x55, 3, 0x9000 },
};

static void setup(struct machine *m, u64 device)
{
	machine_init(m, L);
	m->gpr[GPR_RDI] = device;
	m->gpr[GPR_RSI] = device;
	m->gpr[GPR_RBX] = 0x2000;
	m->gpr[GPR_RAX] = 0x55;
	m->gpr[GPR_RCX] = 3;
	m->xmm[0][0] = 0x777;
	m->device_value = 0x10;
	machine_poke(m, 0x2000, 0x1111, 8);
	machine_poke(m, STACK, 0x2222, 8);
}

/* Run to the end, asserting at each stop that nothing is committed but whole REP iterations. */
static void run_asking(struct machine *m, const struct row *r)
{
	bool is_rep = r->bytes[0] == 0xf3 && r->bytes[1] >= 0xa4;
	u64 gpr[16], flags = m->emu.rflags;
	int ret, stops = 0;

	memcpy(gpr, m->gpr, sizeof(gpr));
	ret = machine_step(m, r->bytes, r->n);
	while ((ret == EMU_IO || (ret == EMU_CONTINUE && m->emu.repeat)) && stops++ < 20) {
		if (!is_rep) {
			CHECK_EQ(r->name, 0, memcmp(gpr, m->gpr, sizeof(gpr)));
			CHECK_EQ(r->name, flags, m->emu.rflags);
		}
		CHECK_EQ(r->name, CODE, m->emu.rip);
		m->answered = ret == EMU_IO;
		ret = emu_execute(&m->emu);
	}
	CHECK_EQ(r->name, EMU_CONTINUE, ret);
}

static void check_row(struct machine *m, const struct row *r)
{
	unsigned int i;

	CHECK_EQ(r->name, CODE + r->n, m->emu.rip);
	CHECK_EQ(r->name, r->asked, m->nr_asked);
	for (i = 0; i < m->nr_asked; i++)
		CHECK_EQ(r->name, (r->writes >> i) & 1, m->asked[i].is_write);
	CHECK_EQ(r->name, r->rax, m->gpr[GPR_RAX]);
	CHECK_EQ(r->name, r->rcx, m->gpr[GPR_RCX]);
	if (r->writes)
		CHECK_EQ(r->name, r->stored, m->asked[m->nr_asked - 1].data);
	CHECK_EQ(r->name, 0, m->emu.log.nr);
	CHECK_EQ(r->name, 0, m->emu.log.pending);
}

static void test_asked(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(&m, DEVICE);
		run_asking(&m, &rows[i]);
		check_row(&m, &rows[i]);
	}
}

/* The same with an owner that posts final stores: same result, one stop less. */
static void test_posted(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(&m, DEVICE_POSTED);
		run_asking(&m, &rows[i]);
		check_row(&m, &rows[i]);
	}
}

/* Eight stores of one instruction: none may be posted but each is asked once. */
static void test_many_writes(void)
{
	static struct machine m;
	unsigned int i;

	machine_init(&m, EMU_MODE_PROT32);
	m.gpr[GPR_RSP] = DEVICE_POSTED + 0x100;
	m.gpr[GPR_RAX] = 7;
	CHECK_EQ("pusha", EMU_CONTINUE, RUN(&m, 0x60));
	CHECK_EQ("asked", 8, m.nr_asked);
	for (i = 0; i < 8; i++)
		CHECK_EQ("place", DEVICE_POSTED + 0xfc - 4 * i, m.asked[i].la);
	CHECK_EQ("first", 7, m.asked[0].data);
	CHECK_EQ("esp", DEVICE_POSTED + 0x100 - 32, m.gpr[GPR_RSP]);
}

/* A fault after an answered read: nothing committed, log empty. */
static void test_fault_after_read(void)
{
	static struct machine m;

	setup(&m, DEVICE);
	m.gpr[GPR_RDI] = FAULT_PAGE;
	CHECK_EQ("movs", EMU_FAULT, RUN(&m, 0xa5));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("error", 2, m.emu.fault.error);
	CHECK_EQ("cr2", FAULT_PAGE, m.emu.fault.cr2);
	CHECK_EQ("rsi", DEVICE, m.gpr[GPR_RSI]);
	CHECK_EQ("rip", CODE, m.emu.rip);
	CHECK_EQ("log", 0, m.emu.log.nr);
}

/* REP faults in the middle: the iterations before it are committed. */
static void test_rep_fault(void)
{
	static struct machine m;

	setup(&m, DEVICE);
	m.gpr[GPR_RDI] = RAM_SIZE - 8;
	m.gpr[GPR_RCX] = 5;
	CHECK_EQ("rep stos", EMU_FAULT, RUN(&m, 0xf3, 0xab));
	CHECK_EQ("rdi", RAM_SIZE, m.gpr[GPR_RDI]);
	CHECK_EQ("rcx", 3, m.gpr[GPR_RCX]);
	CHECK_EQ("rip", CODE, m.emu.rip);
	CHECK_EQ("stored", 0x55, machine_peek(&m, RAM_SIZE - 4, 4));
}

static void setup_ports(struct machine *m, u8 *buffer, bool asks)
{
	machine_init(m, L);
	m->emu.io_buf = buffer;
	m->emu.io_buf_size = buffer ? 64 : 0;
	m->port_asks = asks;
	m->gpr[GPR_RDX] = 0x1f0;
	m->gpr[GPR_RDI] = 0x2000;
	m->gpr[GPR_RSI] = 0x2000;
	m->gpr[GPR_RCX] = 50;
	m->port_value = 1;
}

/* REP INSW and OUTSW of 50 words: with a buffer of 64 bytes in two batches, without it 50 calls. */
static void test_string_ports(void)
{
	static struct machine m;
	u8 buffer[64];
	unsigned int i, way;

	for (way = 0; way < 4; way++) {
		setup_ports(&m, way & 1 ? buffer : NULL, way & 2);
		CHECK_EQ("insw", EMU_CONTINUE, RUN(&m, 0xf3, 0x66, 0x6d));
		CHECK_EQ("rcx", 0, m.gpr[GPR_RCX]);
		CHECK_EQ("rdi", 0x2000 + 100, m.gpr[GPR_RDI]);
		for (i = 0; i < 100; i++)
			CHECK_EQ("byte", (u8)(i + 1), m.ram[0x2000 + i]);
		CHECK_EQ("calls", (way & 1 ? 2 : 50) * (way & 2 ? 2 : 1), m.nr_port_calls);

		m.gpr[GPR_RCX] = 50;
		m.nr_port_calls = 0;
		m.nr_asked = 0;
		m.emu.rip = CODE;
		CHECK_EQ("outsw", EMU_CONTINUE, RUN(&m, 0xf3, 0x66, 0x6f));
		CHECK_EQ("bytes out", 100, m.nr_ports);
		CHECK_EQ("same", 0, memcmp(m.ports, m.ram + 0x2000, 100));
		CHECK_EQ("rsi", 0x2000 + 100, m.gpr[GPR_RSI]);
		CHECK_EQ("calls", (way & 1 ? 2 : 50) * (way & 2 ? 2 : 1), m.nr_port_calls);
	}
}

/* INS must not take data from the port when its destination would fault. */
static void test_ins_fault(void)
{
	static struct machine m;
	u8 buffer[64];

	setup_ports(&m, buffer, false);
	m.gpr[GPR_RDI] = READ_ONLY_PAGE;
	CHECK_EQ("insb", EMU_FAULT, RUN(&m, 0xf3, 0x6c));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("calls", 0, m.nr_port_calls);
	CHECK_EQ("rcx", 50, m.gpr[GPR_RCX]);
}

/* Nor more than there is room for: behind the limit of ES there is none, and an index of 16 bits begins anew in a page that faults. */
static void ins_beyond(const char *name, enum emu_mode mode, u32 base, u32 limit, u32 index, unsigned int fit, u8 vector)
{
	static struct machine m;
	u8 buffer[64];
	unsigned int i;

	printf("# %s\n", name);
	machine_init(&m, mode);
	m.emu.io_buf = buffer;
	m.emu.io_buf_size = sizeof(buffer);
	m.seg[SEG_ES].base = base;
	m.seg[SEG_ES].limit = limit;
	m.gpr[GPR_RDI] = index;
	m.gpr[GPR_RCX] = 20;
	m.port_value = 1;
	CHECK_EQ("result", EMU_FAULT, RUN(&m, 0xf3, 0x6c));
	CHECK_EQ("vector", vector, m.emu.fault.vector);
	CHECK_EQ("taken from the port", fit + 1, m.port_value);
	CHECK_EQ("count", 20 - fit, m.gpr[GPR_RCX]);
	for (i = 0; i < fit; i++)
		CHECK_EQ("byte", i + 1, machine_peek(&m, (u32)(base + index + i), 1));
}

static void test_ins_beyond(void)
{
	ins_beyond("limit", EMU_MODE_PROT32, 0x2000, 0xff, 0xf8, 8, 13);
	ins_beyond("limit, 16 bits", EMU_MODE_PROT16, 0x2000, 7, 0, 8, 13);
	ins_beyond("index of 16 bits", EMU_MODE_REAL, 0xffff0800, 0xffff, 0xfffc, 4, 14);
}

/* A batch from the port into a device that posts: all units arrive, in order, one by one. */
static void test_ins_to_device(void)
{
	static struct machine m;
	u8 buffer[64];
	unsigned int i;

	setup_ports(&m, buffer, false);
	m.gpr[GPR_RDI] = DEVICE_POSTED;
	m.gpr[GPR_RCX] = 10;
	CHECK_EQ("insb", EMU_CONTINUE, RUN(&m, 0xf3, 0x6c));
	CHECK_EQ("asked", 10, m.nr_asked);
	CHECK_EQ("calls", 1, m.nr_port_calls);
	for (i = 0; i < 10; i++) {
		CHECK_EQ("place", DEVICE_POSTED + i, m.asked[i].la);
		CHECK_EQ("data", i + 1, m.asked[i].data);
	}
}

/* Lost races are repeated; too many of them give the guest a turn. */
static void test_races(void)
{
	static struct machine m;

	setup(&m, 0x3000);
	m.lose_races = 5;
	CHECK_EQ("lock inc", EMU_CONTINUE, STEP(&m, 0xf0, 0xff, 0x07));
	CHECK_EQ("value", 6, machine_peek(&m, 0x3000, 4));
	CHECK_EQ("repeat", false, m.emu.repeat);
	setup(&m, 0x3000);
	m.lose_races = 1000;
	CHECK_EQ("lock inc", EMU_CONTINUE, STEP(&m, 0xf0, 0xff, 0x07));
	CHECK_EQ("repeat", true, m.emu.repeat);
	CHECK_EQ("rip", CODE, m.emu.rip);
	setup(&m, 0x3000);
	m.lose_races = 1000;
	CHECK_EQ("xchg", EMU_CONTINUE, STEP(&m, 0x87, 0x07));
	CHECK_EQ("rax", 0x55, m.gpr[GPR_RAX]);
	CHECK_EQ("repeat", true, m.emu.repeat);
}

/* A REP of many iterations comes back now and then. */
static void test_long_rep(void)
{
	static struct machine m;

	setup(&m, 0x2000);
	m.gpr[GPR_RCX] = 5000;
	CHECK_EQ("rep stosb", EMU_CONTINUE, STEP(&m, 0xf3, 0xaa));
	CHECK_EQ("repeat", true, m.emu.repeat);
	CHECK_EQ("rcx", 5000 - 1024, m.gpr[GPR_RCX]);
	CHECK_EQ("rdi", 0x2000 + 1024, m.gpr[GPR_RDI]);
	CHECK_EQ("rip", CODE, m.emu.rip);
}

/* A far call marks its segment as accessed before it pushes: begun again, it finds that done, and must not push twice. */
static void test_far_call(void)
{
	static struct machine m;

	machine_init(&m, EMU_MODE_PROT32);
	machine_descriptor(&m, 1, 0, 0xfffff, 0xc09a);
	m.gpr[GPR_RSP] = DEVICE + 0x10;
	CHECK_EQ("result", EMU_CONTINUE, RUN(&m, 0x9a, 0x00, 0x20, 0x00, 0x00, 0x08, 0x00));
	CHECK_EQ("accesses", 2, m.nr_asked);
	CHECK_EQ("first", DEVICE + 0xc, m.asked[0].la);
	CHECK_EQ("second", DEVICE + 8, m.asked[1].la);
	CHECK_EQ("return address", CODE + 7, m.asked[1].data);
	CHECK_EQ("rip", 0x2000, m.emu.rip);
	CHECK_EQ("accessed", 0x9b, machine_peek(&m, 0x900d, 1));
}

static const struct test_case cases[] = {
	{ "asked", test_asked },
	{ "posted", test_posted },
	{ "many_writes", test_many_writes },
	{ "fault_after_read", test_fault_after_read },
	{ "rep_fault", test_rep_fault },
	{ "string_ports", test_string_ports },
	{ "ins_fault", test_ins_fault },
	{ "ins_beyond", test_ins_beyond },
	{ "ins_to_device", test_ins_to_device },
	{ "races", test_races },
	{ "long_rep", test_long_rep },
	{ "far_call", test_far_call },
};

TEST_MAIN(cases)
