// SPDX-License-Identifier: GPL-2.0-only
/* The debugger's registers: their order and size, the modes, values both ways, and the description that gdb is given. */
#include "test.h"
#include "userspace/gdb_regs.h"

static struct gdb_registers registers;

static void set_mode(u64 efer, u64 cr0, u64 rflags, int l, int db, u64 base)
{
	memset(&registers, 0, sizeof(registers));
	registers.special.efer = efer;
	registers.special.cr0 = cr0;
	registers.general.rflags = rflags;
	registers.special.cs.l = (u8)l;
	registers.special.cs.db = (u8)db;
	registers.special.cs.base = base;
}

static void test_modes(void)
{
	static const struct {
		const char *name;
		u64 efer, cr0, rflags;
		int l, db;
		u64 base, rip;
		enum gdb_mode mode;
		u64 pc;
	} rows[] = {
		{ "64-bit", 0x500, 0x80000011, 2, 1, 0, 0, 0xffffffff81000000, GDB_MODE_64, 0xffffffff81000000 },
		{ "compatibility", 0x500, 0x80000011, 2, 0, 1, 0x1000, 0x234, GDB_MODE_64, 0x1234 },
		{ "32-bit", 0, 0x11, 2, 0, 1, 0, 0x100000, GDB_MODE_32, 0x100000 },
		{ "32-bit with a base", 0, 0x11, 2, 0, 1, 0xf0000000, 0x20000000, GDB_MODE_32, 0x10000000 },
		{ "16-bit protected", 0, 0x11, 2, 0, 0, 0, 0x7c00, GDB_MODE_16, 0x7c00 },
		{ "virtual-8086", 0, 0x11, 0x20002, 0, 0, 0x12340, 0x10, GDB_MODE_16, 0x12350 },
		{ "real", 0, 0x10, 2, 0, 0, 0xf0000, 0xfff0, GDB_MODE_16, 0xffff0 },
		{ "after reset", 0, 0x60000010, 2, 0, 0, 0xffff0000, 0xfff0, GDB_MODE_16, 0xfffffff0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_mode(rows[i].efer, rows[i].cr0, rows[i].rflags, rows[i].l, rows[i].db, rows[i].base);
		registers.general.rip = rows[i].rip;
		CHECK_EQ(rows[i].name, rows[i].mode, gdb_mode(&registers));
		CHECK_EQ(rows[i].name, rows[i].pc, gdb_pc(&registers));
		registers.general.rip = 0;
		gdb_set_pc(&registers, rows[i].pc);
		CHECK_EQ(rows[i].name, rows[i].rip, registers.general.rip);
	}
}

/* Registers whose number and size gdb takes for granted (GDB's own amd64 and i386 descriptions), and the ends. */
static void test_layouts(void)
{
	static const struct {
		enum gdb_mode mode;
		unsigned int n;
		unsigned int size;
		const char *name;
	} rows[] = {
		{ GDB_MODE_64, 0, 8, "rax" }, { GDB_MODE_64, 1, 8, "rbx" }, { GDB_MODE_64, 6, 8, "rbp" }, { GDB_MODE_64, 7, 8, "rsp" },
		{ GDB_MODE_64, 15, 8, "r15" }, { GDB_MODE_64, 16, 8, "rip" }, { GDB_MODE_64, 17, 4, "eflags" },
		{ GDB_MODE_64, 18, 4, "cs" }, { GDB_MODE_64, 19, 4, "ss" }, { GDB_MODE_64, 23, 4, "gs" },
		{ GDB_MODE_64, 24, 10, "st0" }, { GDB_MODE_64, 31, 10, "st7" }, { GDB_MODE_64, 32, 4, "fctrl" },
		{ GDB_MODE_64, 39, 4, "fop" }, { GDB_MODE_64, 40, 16, "xmm0" }, { GDB_MODE_64, 55, 16, "xmm15" },
		{ GDB_MODE_64, 56, 4, "mxcsr" }, { GDB_MODE_64, 57, 8, "fs_base" }, { GDB_MODE_64, 58, 8, "gs_base" },
		{ GDB_MODE_64, 59, 8, "cr0" }, { GDB_MODE_64, 76, 8, "efer" }, { GDB_MODE_64, 77, 0, NULL },
		{ GDB_MODE_32, 0, 4, "eax" }, { GDB_MODE_32, 1, 4, "ecx" }, { GDB_MODE_32, 4, 4, "esp" }, { GDB_MODE_32, 8, 4, "eip" },
		{ GDB_MODE_32, 9, 4, "eflags" }, { GDB_MODE_32, 15, 4, "gs" }, { GDB_MODE_32, 16, 10, "st0" },
		{ GDB_MODE_32, 32, 16, "xmm0" }, { GDB_MODE_32, 39, 16, "xmm7" }, { GDB_MODE_32, 40, 4, "mxcsr" },
		{ GDB_MODE_32, 41, 4, "cr0" }, { GDB_MODE_16, 60, 0, NULL }, { GDB_MODE_16, UINT32_MAX, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static char xml[GDB_XML_MAX + 1];
		const struct gdb_layout *layout = gdb_layout(rows[i].mode);
		const char *at = xml;

		CHECK_EQ(rows[i].name ?: "behind the last", rows[i].size, gdb_register_size(layout, rows[i].n));
		if (!rows[i].name)
			continue;
		/* The description numbers them by their order. */
		xml[gdb_xml(layout, rows[i].mode, xml)] = 0;
		for (unsigned int n = 0; n <= rows[i].n && at; n++)
			at = strstr(at + 1, "<reg name=\"");
		ASSERT(at, "%s: no such row", rows[i].name);
		CHECK_EQ(rows[i].name, 0, strncmp(at + 11, rows[i].name, strlen(rows[i].name)));
		CHECK_EQ(rows[i].name, '"', at[11 + strlen(rows[i].name)]);
	}
}

static unsigned int occurrences(const char *text, const char *word)
{
	unsigned int count = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		count++;
	return count;
}

static void test_description(void)
{
	static const struct {
		enum gdb_mode mode;
		const char *architecture;
	} rows[] = { { GDB_MODE_64, ">i386:x86-64<" }, { GDB_MODE_32, ">i386<" }, { GDB_MODE_16, ">i8086<" } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static char xml[GDB_XML_MAX + 1];
		const struct gdb_layout *layout = gdb_layout(rows[i].mode);
		size_t length = gdb_xml(layout, rows[i].mode, xml);

		ASSERT_LE(length, GDB_XML_MAX - 1024);
		xml[length] = 0;
		CHECK_EQ(rows[i].architecture, 1, occurrences(xml, rows[i].architecture));
		CHECK_EQ("registers", gdb_layout_count(layout), occurrences(xml, "<reg "));
		CHECK_EQ("features opened", 3 + (rows[i].mode == GDB_MODE_64), occurrences(xml, "<feature "));
		CHECK_EQ("and closed", 3 + (rows[i].mode == GDB_MODE_64), occurrences(xml, "</feature>"));
		CHECK_EQ("core begins with the first", 1, occurrences(xml, "org.gnu.gdb.i386.core"));
		CHECK_EQ("whole", 0, strcmp(xml + length - 9, "</target>"));
	}
}

/* Every register keeps what is written to it, and no other changes. */
static void test_each(void)
{
	for (int mode = GDB_MODE_64; mode <= GDB_MODE_16; mode++) {
		const struct gdb_layout *layout = gdb_layout(mode);

		for (unsigned int n = 0; n < gdb_layout_count(layout); n++) {
			uint8_t before[100][GDB_REGISTER_MAX], bytes[GDB_REGISTER_MAX] = { 0 };
			unsigned int parts = 0;
			char name[48];

			set_mode(0x500, 0x80000011, 2, 1, 0, 0);
			for (unsigned int i = 0; i < gdb_layout_count(layout); i++)
				gdb_register_get(layout, &registers, i, before[i]);
			bytes[0] = 0x5a;
			snprintf(name, sizeof(name), "mode %d register %u", mode, n);
			if (!gdb_register_set(layout, &registers, n, bytes, &parts)) {
				CHECK_EQ(name, 4, gdb_register_size(layout, n));	/* selectors only */
				continue;
			}
			CHECK_EQ(name, true, parts == GDB_PART_GENERAL || parts == GDB_PART_SPECIAL || parts == GDB_PART_FPU);
			for (unsigned int i = 0; i < gdb_layout_count(layout); i++) {
				uint8_t now[GDB_REGISTER_MAX];
				unsigned int size = gdb_register_get(layout, &registers, i, now);
				bool is_same = !memcmp(now, i == n ? bytes : before[i], size);

				/* Tags follow the stack's registers only where these are in use, and here none is. */
				if (!is_same && !(i == n && size == 4))
					CHECK_EQ(name, n, i);
			}
			gdb_register_get(layout, &registers, n, before[0]);
			CHECK_EQ(name, true, before[0][0] == 0x5a || gdb_register_size(layout, n) == 4);
		}
	}
}

static void test_selectors(void)
{
	static const struct {
		const char *name;
		u64 cr0, rflags;
		unsigned int n;
		u32 value;
		bool is_good;
	} rows[] = {
		{ "real mode", 0x10, 2, 10, 0x1234, true },
		{ "virtual-8086", 0x11, 0x20002, 10, 0x1234, true },
		{ "protected", 0x11, 2, 10, 0x1234, false },
		{ "protected, as it is", 0x11, 2, 10, 0, true },
		{ "too large", 0x10, 2, 10, 0x12345, false },
		{ "TR", 0x10, 2, 49, 8, false },
	};
	const struct gdb_layout *layout = gdb_layout(GDB_MODE_16);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[GDB_REGISTER_MAX] = { 0 };
		unsigned int parts = 0;

		set_mode(0, rows[i].cr0, rows[i].rflags, 0, 0, 0);
		memcpy(bytes, &rows[i].value, 4);
		CHECK_EQ(rows[i].name, rows[i].is_good, gdb_register_set(layout, &registers, rows[i].n, bytes, &parts));
		if (rows[i].is_good && rows[i].value) {
			CHECK_EQ(rows[i].name, rows[i].value, registers.special.cs.selector);
			CHECK_EQ(rows[i].name, rows[i].value << 4, registers.special.cs.base);
		}
	}
}

/* SDM, "x87 FPU Tag Word": 0 valid, 1 zero, 2 special, 3 empty. */
static void test_tags(void)
{
	static const u8 values[8][10] = {
		{ 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f },	/* 1.0 */
		{ 0 },						/* 0 */
		{ 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f },	/* infinity */
		{ 1 },						/* denormal */
		{ 0, 0, 0, 0, 0, 0, 0, 0x40, 0xff, 0x3f },	/* unnormal */
		{ 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xbf },	/* -1.0 */
	};
	const struct gdb_layout *layout = gdb_layout(GDB_MODE_64);
	uint8_t bytes[GDB_REGISTER_MAX] = { 0 };
	unsigned int parts = 0;
	u32 tags = 0;

	set_mode(0x500, 0x80000011, 2, 1, 0, 0);
	for (unsigned int i = 0; i < 8; i++)
		memcpy(registers.fpu.fpr[i], values[i], 10);
	registers.fpu.fsw = 6 << 11;	/* ST(0) is physical register 6 */
	registers.fpu.ftwx = 0xcf;	/* 6, 7, 0, 1, 2, 3 in use: ST(0) to ST(5) */
	gdb_register_get(layout, &registers, 34, bytes);
	memcpy(&tags, bytes, 4);
	/* physical 7 ... 0: ST(1) ST(0) empty empty ST(5) ST(4) ST(3) ST(2) */
	CHECK_EQ("tags", 1u << 14 | 0u << 12 | 3u << 10 | 3u << 8 | 0u << 6 | 2u << 4 | 2u << 2 | 2u, tags);
	tags = 0xffff ^ (3u << 4);
	memcpy(bytes, &tags, 4);
	CHECK_EQ("set", true, gdb_register_set(layout, &registers, 34, bytes, &parts));
	CHECK_EQ("one in use", 4, registers.fpu.ftwx);
}

/* What a narrow layout does not show stays as it is. */
static void test_narrow(void)
{
	const struct gdb_layout *layout = gdb_layout(GDB_MODE_32);
	uint8_t bytes[GDB_REGISTER_MAX] = { 0x78, 0x56, 0x34, 0x12 };
	unsigned int parts = 0;

	set_mode(0x500, 0x80000011, 2, 1, 0, 0);
	registers.general.rax = 0xaaaaaaaabbbbbbbb;
	registers.general.rip = 0xffffffff81000000;
	CHECK_EQ("eax", true, gdb_register_set(layout, &registers, 0, bytes, &parts));
	CHECK_EQ("its upper half", 0xaaaaaaaa12345678, registers.general.rax);
	CHECK_EQ("eip", true, gdb_register_set(layout, &registers, 8, bytes, &parts));
	CHECK_EQ("its upper half", 0xffffffff12345678, registers.general.rip);
}

static const struct test_case cases[] = {
	{ "modes", test_modes },
	{ "layouts", test_layouts },
	{ "description", test_description },
	{ "each", test_each },
	{ "selectors", test_selectors },
	{ "tags", test_tags },
	{ "narrow", test_narrow },
};

TEST_MAIN(cases)
