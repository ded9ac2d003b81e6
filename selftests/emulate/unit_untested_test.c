// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each row of the opcode tables that is executed has been reached by a test that knows what to expect: by the CPU's answer
 * (unit_native_test) or by a table of cases.  The other tests leave notes in a file beside the programs; this one comes behind
 * them, by its name in "make check" and by its prerequisites in make, reads the notes and wipes them out.
 */
#include "emulate/internal.h"
#include "test.h"
#include "unit_machine.h"

#define MAX_ROWS	2000

static struct reached {
	const struct emu_opcode *row;
	unsigned int key;	/* one that leads there */
	u8 how;
} rows[MAX_ROWS];
static unsigned int nr_rows;

static unsigned int next_index(const struct emu_opcode *row, bool is_long, unsigned int prefix, u8 modrm)
{
	switch (row->class) {
	case CLASS_BY_REG:
		return (modrm >> 3) & 7;
	case CLASS_BY_RM:
		return modrm & 7;
	case CLASS_BY_MOD:
		return modrm >= 0xc0;
	case CLASS_BY_PREFIX:
		return prefix;
	default:
		return is_long;
	}
}

/* The row that a key leads to, by the tables alone; NULL where nothing is executed. */
static const struct emu_opcode *find_row(unsigned int key)
{
	unsigned int modrm = key & 255, prefix = (key >> 8) & 3, opcode = (key >> 10) & 255, map = (key >> 18) & 3;
	bool is_vex = (key >> 20) & 1, is_long = (key >> 21) & 1;
	const struct emu_opcode *row;

	if (is_vex)
		row = emu_vex_row(map, opcode, prefix);
	else
		row = map == 0 ? &emu_one_byte[opcode] : map == 1 ? &emu_two_byte[opcode] :
		      map == 2 ? &emu_map_38[opcode] : NULL;
	while (row && row->class > CLASS_ESCAPE)
		row = &emu_extension[row->op][next_index(row, is_long, prefix, modrm)];
	if (!row || row->class == CLASS_UD || row->class == CLASS_LENGTH || row->class >= CLASS_PREFIX)
		return NULL;
	return row;
}

static struct reached *find_reached(const struct emu_opcode *row, unsigned int key)
{
	static unsigned int last;
	unsigned int i;

	if (last < nr_rows && rows[last].row == row)
		return &rows[last];
	for (i = 0; i < nr_rows && rows[i].row != row; i++)
		;
	ASSERT(i < MAX_ROWS, "more than %u rows", MAX_ROWS);
	if (i == nr_rows)
		rows[nr_rows++] = (struct reached){ row, key, 0 };
	last = i;
	return &rows[i];
}

static const char *op_name(unsigned int op)
{
#define NAME(id, name) #id,
	static const char *const names[] = { EMU_OP_LIST(NAME) };

	return names[op];
}

static void test_rows(void)
{
	unsigned int key, i, by_cpu = 0, by_table = 0, elsewhere = 0, missing = 0;
	const struct emu_opcode *row;
	u8 *seen = machine_seen_map(false);

	REQUIRE(seen, "no notes of the other tests, which are to run before");
	for (key = 0; key < MACHINE_KEYS; key++) {
		row = find_row(key);
		if (row)
			find_reached(row, key)->how |= seen[key];
	}
	memset(seen, 0, MACHINE_KEYS);
	for (i = 0; i < nr_rows; i++) {
		by_cpu += !!(rows[i].how & MACHINE_CPU);
		by_table += (rows[i].how & (MACHINE_TABLE | MACHINE_CPU)) == MACHINE_TABLE;
		elsewhere += rows[i].how == MACHINE_OTHER_CPU;
		if (rows[i].how)
			continue;
		missing++;
		key = rows[i].key;
		test_note("not reached: map %u, opcode 0x%02x, prefix %u, ModRM 0x%02x%s: %s", (key >> 18) & 3,
			  (key >> 10) & 255, (key >> 8) & 3, key & 255, key >> 20 & 1 ? ", VEX" : "", op_name(rows[i].row->op));
	}
	test_note("%u rows: %u compared with the CPU, %u by tables of cases alone, %u only where 16- and 32-bit code runs, %u by none of these", nr_rows,
		  by_cpu, by_table, elsewhere, missing);
	CHECK_EQ("rows that no test reaches", 0, missing);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
};

TEST_MAIN(cases)
