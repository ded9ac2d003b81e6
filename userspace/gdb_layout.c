// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row for each register: where it stands in KVM's structures, how wide gdb has it, which feature it
 * belongs to. Numbers follow the rows.
 *
 * Source: GDB manual, "Standard Target Features", "i386 Features", "Target Description Format".
 */
#include <stdarg.h>
#include <stdio.h>

#include "gdb_layout.h"
#include "gdb_regs.h"
#include "util.h"

#define GENERAL_ROW(name, bits, field, type)	{ name, bits, GENERAL, offsetof(struct kvm_regs, field), type }
#define SELECTOR_ROW(name)	{ #name, 32, SELECTOR, offsetof(struct kvm_sregs, name), NULL }
#define BASE_ROW(name, bits)	{ #name "_base", bits, BASE, offsetof(struct kvm_sregs, name), NULL }
#define STACK_ROW(n)		{ "st" #n, 80, STACK, n, "i387_ext" }
#define VECTOR_ROW(n)		{ "xmm" #n, 128, VECTOR, n, "vec128" }

#define SELECTOR_ROWS	SELECTOR_ROW(cs), SELECTOR_ROW(ss), SELECTOR_ROW(ds), SELECTOR_ROW(es), SELECTOR_ROW(fs), SELECTOR_ROW(gs)
#define STACK_ROWS	STACK_ROW(0), STACK_ROW(1), STACK_ROW(2), STACK_ROW(3), STACK_ROW(4), STACK_ROW(5), STACK_ROW(6), STACK_ROW(7)
#define VECTOR_ROWS	VECTOR_ROW(0), VECTOR_ROW(1), VECTOR_ROW(2), VECTOR_ROW(3), VECTOR_ROW(4), VECTOR_ROW(5), VECTOR_ROW(6), VECTOR_ROW(7)

#define CONTROL_ROWS							\
	{ "fctrl", 32, CONTROL, FCTRL, NULL }, { "fstat", 32, CONTROL, FSTAT, NULL }, { "ftag", 32, CONTROL, FTAG, NULL },	\
	{ "fiseg", 32, CONTROL, FISEG, NULL }, { "fioff", 32, CONTROL, FIOFF, NULL }, { "foseg", 32, CONTROL, FOSEG, NULL },	\
	{ "fooff", 32, CONTROL, FOOFF, NULL }, { "fop", 32, CONTROL, FOP, NULL }

#define SPECIAL_ROW(name, bits)	{ #name, bits, SPECIAL, offsetof(struct kvm_sregs, name), NULL }
#define SYSTEM_ROWS(bits)						\
	SPECIAL_ROW(cr0, bits), SPECIAL_ROW(cr2, bits), SPECIAL_ROW(cr3, bits), SPECIAL_ROW(cr4, bits),		\
	{ "gdt_base", bits, TABLE_BASE, offsetof(struct kvm_sregs, gdt), NULL },					\
	{ "gdt_limit", 32, TABLE_LIMIT, offsetof(struct kvm_sregs, gdt), NULL },					\
	{ "idt_base", bits, TABLE_BASE, offsetof(struct kvm_sregs, idt), NULL },					\
	{ "idt_limit", 32, TABLE_LIMIT, offsetof(struct kvm_sregs, idt), NULL },					\
	SELECTOR_ROW(tr), BASE_ROW(tr, bits), SELECTOR_ROW(ldt), BASE_ROW(ldt, bits),					\
	BASE_ROW(cs, bits), BASE_ROW(ss, bits), BASE_ROW(ds, bits), BASE_ROW(es, bits)

static const struct row rows_64[] = {
	GENERAL_ROW("rax", 64, rax, NULL), GENERAL_ROW("rbx", 64, rbx, NULL), GENERAL_ROW("rcx", 64, rcx, NULL),
	GENERAL_ROW("rdx", 64, rdx, NULL), GENERAL_ROW("rsi", 64, rsi, NULL), GENERAL_ROW("rdi", 64, rdi, NULL),
	GENERAL_ROW("rbp", 64, rbp, "data_ptr"), GENERAL_ROW("rsp", 64, rsp, "data_ptr"), GENERAL_ROW("r8", 64, r8, NULL),
	GENERAL_ROW("r9", 64, r9, NULL), GENERAL_ROW("r10", 64, r10, NULL), GENERAL_ROW("r11", 64, r11, NULL),
	GENERAL_ROW("r12", 64, r12, NULL), GENERAL_ROW("r13", 64, r13, NULL), GENERAL_ROW("r14", 64, r14, NULL),
	GENERAL_ROW("r15", 64, r15, NULL),
	{ "rip", 64, PC, 0, "code_ptr" }, GENERAL_ROW("eflags", 32, rflags, "i386_eflags"),
	SELECTOR_ROWS, STACK_ROWS, CONTROL_ROWS,
	VECTOR_ROWS, VECTOR_ROW(8), VECTOR_ROW(9), VECTOR_ROW(10), VECTOR_ROW(11), VECTOR_ROW(12), VECTOR_ROW(13),
	VECTOR_ROW(14), VECTOR_ROW(15), { "mxcsr", 32, VECTOR_CONTROL, 0, NULL },
	BASE_ROW(fs, 64), BASE_ROW(gs, 64),
	SYSTEM_ROWS(64), SPECIAL_ROW(cr8, 64), SPECIAL_ROW(efer, 64),
};

static const struct row rows_32[] = {
	GENERAL_ROW("eax", 32, rax, NULL), GENERAL_ROW("ecx", 32, rcx, NULL), GENERAL_ROW("edx", 32, rdx, NULL),
	GENERAL_ROW("ebx", 32, rbx, NULL), GENERAL_ROW("esp", 32, rsp, "data_ptr"), GENERAL_ROW("ebp", 32, rbp, "data_ptr"),
	GENERAL_ROW("esi", 32, rsi, NULL), GENERAL_ROW("edi", 32, rdi, NULL),
	{ "eip", 32, PC, 0, "code_ptr" }, GENERAL_ROW("eflags", 32, rflags, "i386_eflags"),
	SELECTOR_ROWS, STACK_ROWS, CONTROL_ROWS,
	VECTOR_ROWS, { "mxcsr", 32, VECTOR_CONTROL, 0, NULL },
	SYSTEM_ROWS(32), BASE_ROW(fs, 32), BASE_ROW(gs, 32), SPECIAL_ROW(efer, 32),
};

static const struct gdb_layout layout_64 = {
	rows_64, ARRAY_SIZE(rows_64), { 0, 40, 57, 59, ARRAY_SIZE(rows_64) },
};

static const struct gdb_layout layout_32 = {
	rows_32, ARRAY_SIZE(rows_32), { 0, 32, 41, 41, ARRAY_SIZE(rows_32) },
};

enum gdb_mode gdb_mode(const struct gdb_registers *registers)
{
	const struct kvm_sregs *special = &registers->special;

	if (special->efer & EFER_LMA)
		return GDB_MODE_64;
	if (!(special->cr0 & CR0_PE) || registers->general.rflags & FLAGS_VM || !special->cs.db)
		return GDB_MODE_16;
	return GDB_MODE_32;
}

const struct gdb_layout *gdb_layout(enum gdb_mode mode)
{
	return mode == GDB_MODE_64 ? &layout_64 : &layout_32;
}

unsigned int gdb_layout_count(const struct gdb_layout *layout)
{
	return layout->count;
}

/* The target description. */

struct xml {
	char *text;
	size_t length;
};

static void __printf(2, 3) add(struct xml *xml, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int count = vsnprintf(xml->text + xml->length, GDB_XML_MAX - xml->length, format, args);

	va_end(args);
	if (count > 0 && (size_t)count < GDB_XML_MAX - xml->length)
		xml->length += (size_t)count;
}

static void add_flags(struct xml *xml)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} flags[] = {
		{ "CF", 0 }, { "PF", 2 }, { "AF", 4 }, { "ZF", 6 }, { "SF", 7 }, { "TF", 8 }, { "IF", 9 }, { "DF", 10 }, { "OF", 11 },
		{ "NT", 14 }, { "RF", 16 }, { "VM", 17 }, { "AC", 18 }, { "VIF", 19 }, { "VIP", 20 }, { "ID", 21 },
	};

	add(xml, "<flags id=\"i386_eflags\" size=\"4\">");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		add(xml, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name, flags[i].bit, flags[i].bit);
	add(xml, "</flags>");
}

static void add_vectors(struct xml *xml)
{
	static const struct {
		const char *id, *type, *field;
		unsigned int count;
	} vectors[] = {
		{ "v4f", "ieee_single", "v4_float", 4 }, { "v2d", "ieee_double", "v2_double", 2 },
		{ "v16i8", "int8", "v16_int8", 16 }, { "v8i16", "int16", "v8_int16", 8 },
		{ "v4i32", "int32", "v4_int32", 4 }, { "v2i64", "int64", "v2_int64", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		add(xml, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", vectors[i].id, vectors[i].type, vectors[i].count);
	add(xml, "<union id=\"vec128\">");
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		add(xml, "<field name=\"%s\" type=\"%s\"/>", vectors[i].field, vectors[i].id);
	add(xml, "<field name=\"uint128\" type=\"uint128\"/></union>");
}

size_t gdb_xml(const struct gdb_layout *layout, enum gdb_mode mode, char *text)
{
	static const char *const architectures[] = { "i386:x86-64", "i386", "i8086" };
	static const char *const features[] = {
		"org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse", "org.gnu.gdb.i386.segments", "keel.system",
	};
	struct xml xml = { .text = text };

	add(&xml, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>%s</architecture>",
	    architectures[mode]);
	for (unsigned int f = 0; f < FEATURES; f++) {
		if (layout->begins[f] == layout->begins[f + 1])
			continue;
		add(&xml, "<feature name=\"%s\">", features[f]);
		if (f == CORE)
			add_flags(&xml);
		if (f == SSE)
			add_vectors(&xml);
		for (unsigned int i = layout->begins[f]; i < layout->begins[f + 1]; i++) {
			const struct row *row = &layout->rows[i];

			add(&xml, "<reg name=\"%s\" bitsize=\"%u\"", row->name, row->bits);
			if (row->type)
				add(&xml, " type=\"%s\"/>", row->type);
			else
				add(&xml, " type=\"int%u\"/>", row->bits);
		}
		add(&xml, "</feature>");
	}
	add(&xml, "</target>");
	return xml.length;
}
