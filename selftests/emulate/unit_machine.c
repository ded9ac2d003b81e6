// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine around the emulator.  Its device follows the restart rule as an
 * owner would: the first call of an access gives EMU_IO, the next one, after
 * "user space", completes it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit_machine.h"

static struct machine *to_machine(struct emu *e)
{
	return (struct machine *)((char *)e - offsetof(struct machine, emu));
}

static u8 *ram_at(struct machine *m, u64 la, unsigned int size)
{
	u64 host = (u64)(uintptr_t)m->host_base;

	if (m->host_only && (la < host || la - host + size > m->host_size))
		return NULL;
	if (la < RAM_SIZE && size <= RAM_SIZE - la)
		return m->ram + la;
	if (la >= READ_ONLY_PAGE && la <= READ_ONLY_PAGE + 0x1000 - size)
		return m->ram + (la - READ_ONLY_PAGE);
	if (m->host_base && la >= host && la - host + size <= m->host_size)
		return m->host_base + (la - host);
	return NULL;
}

static bool is_read_only(u64 la)
{
	return la >= READ_ONLY_PAGE && la < READ_ONLY_PAGE + 0x1000;
}

static bool is_device(const struct machine *m, u64 la)
{
	return !m->host_only && la >= DEVICE && la < DEVICE_POSTED + 0x1000;
}

/* Descriptor tables and TSSs are the CPU's own to reach. */
static bool is_denied(struct machine *m, u64 la, unsigned int acc)
{
	return m->supervisor && (la ^ m->supervisor) < 0x1000 && m->emu.cpl == 3 && !(acc & EMU_ACC_SYSTEM);
}

static int page_fault(struct emu *e, u64 la, unsigned int acc)
{
	emu_raise_error(e, 14, (acc & EMU_ACC_WRITE ? 2 : 0) | (e->cpl == 3 ? 4 : 0));
	e->fault.cr2 = la;
	return EMU_FAULT;
}

static int ask(struct machine *m, u64 la, unsigned int size, bool is_write, u64 data)
{
	struct machine_access *a = &m->asked[m->nr_asked];

	if (m->nr_asked == 64)
		return EMU_FAILED;
	*a = (struct machine_access){ la, data, size, is_write };
	m->nr_asked++;
	m->answered = false;
	return EMU_IO;
}

/* The access in flight is the last one asked: same place, same kind. */
static bool is_answer(struct machine *m, u64 la, unsigned int size, bool is_write)
{
	const struct machine_access *a;

	if (!m->answered || !m->nr_asked)
		return false;
	a = &m->asked[m->nr_asked - 1];
	if (a->la != la || a->size != size || a->is_write != is_write)
		abort();
	m->answered = false;
	return true;
}

static int op_fetch(struct emu *e, u64 la, void *data, unsigned int size)
{
	u8 *p = ram_at(to_machine(e), la, size);

	if (!p)
		return page_fault(e, la, 0);
	memcpy(data, p, size);
	return EMU_CONTINUE;
}

static int op_read(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc)
{
	struct machine *m = to_machine(e);
	u8 *p = ram_at(m, la, size);
	u64 val[64] = { 0 };

	if (is_denied(m, la, acc))
		return page_fault(e, la, acc);
	if (p && !((acc & EMU_ACC_WRITE) && is_read_only(la))) {
		memcpy(data, p, size);
		return EMU_CONTINUE;
	}
	if (!is_device(m, la))
		return page_fault(e, la, acc);
	if (!is_answer(m, la, size, false))
		return ask(m, la, size, false, 0);
	val[0] = m->device_value++;
	val[1] = ~val[0];
	memcpy(data, val, size);
	return EMU_CONTINUE;
}

static int op_write(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc)
{
	struct machine *m = to_machine(e);
	u8 *p = ram_at(m, la, size);
	u64 val = 0;

	if (is_denied(m, la, acc))
		return page_fault(e, la, EMU_ACC_WRITE);
	if (p && !is_read_only(la)) {
		memcpy(p, data, size);
		return EMU_CONTINUE;
	}
	if (!is_device(m, la))
		return page_fault(e, la, EMU_ACC_WRITE);
	if (is_answer(m, la, size, true))
		return EMU_CONTINUE;
	memcpy(&val, data, size < 8 ? size : 8);
	ask(m, la, size, true, val);
	if (la < DEVICE_POSTED || !(acc & EMU_ACC_FINAL))
		return EMU_IO;
	e->stop = true;
	return EMU_CONTINUE;
}

static int op_cmpxchg(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc)
{
	struct machine *m = to_machine(e);
	u8 *p = ram_at(m, la, size);

	if (!p || is_read_only(la) || is_denied(m, la, acc))
		return op_write(e, la, new, size, acc);
	if (m->lose_races) {
		m->lose_races--;
		p[0]++;		/* another CPU */
	}
	if (!memcmp(p, old, size))
		memcpy(p, new, size);
	else
		memcpy(old, p, size);
	return EMU_CONTINUE;
}

static int op_probe(struct emu *e, u64 la, unsigned int size, unsigned int acc)
{
	if (is_denied(to_machine(e), la, acc))
		return page_fault(e, la, acc);
	if (ram_at(to_machine(e), la, size) && !((acc & EMU_ACC_WRITE) && is_read_only(la)))
		return EMU_CONTINUE;
	return is_device(to_machine(e), la) ? EMU_CONTINUE : page_fault(e, la, acc);
}

static int op_port_in(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count)
{
	struct machine *m = to_machine(e);
	unsigned int i;

	m->nr_port_calls++;
	if (m->port_asks && !is_answer(m, port, size, false))
		return ask(m, port, size, false, 0);
	for (i = 0; i < size * count; i++)
		((u8 *)data)[i] = m->port_value++;
	return EMU_CONTINUE;
}

static int op_port_out(struct emu *e, u16 port, const void *data, unsigned int size,
		       unsigned int count)
{
	struct machine *m = to_machine(e);

	m->nr_port_calls++;
	if (m->port_asks && !is_answer(m, port, size, true))
		return ask(m, port, size, true, 0);
	if (m->nr_ports + size * count > sizeof(m->ports))
		return EMU_FAILED;
	memcpy(m->ports + m->nr_ports, data, size * count);
	m->nr_ports += size * count;
	return EMU_CONTINUE;
}

static void op_get_segment(struct emu *e, unsigned int seg, struct segment *s)
{
	if (seg >= 8)
		abort();
	*s = to_machine(e)->seg[seg];
}

static void op_set_segment(struct emu *e, unsigned int seg, const struct segment *s)
{
	if (seg >= 8)
		abort();
	to_machine(e)->seg[seg] = *s;
}

static void op_get_table(struct emu *e, enum emu_table_nr which, struct desc_table *t)
{
	*t = to_machine(e)->table[which];
}

static void op_set_table(struct emu *e, enum emu_table_nr which, const struct desc_table *t)
{
	to_machine(e)->table[which] = *t;
}

static u64 op_get_cr(struct emu *e, unsigned int nr)
{
	if (nr > EMU_EFER)
		abort();
	return to_machine(e)->cr[nr];
}

static int op_set_cr(struct emu *e, unsigned int nr, u64 val)
{
	if (nr >= 16)
		abort();
	if (nr == 3 && val == BAD_CR3)
		return emu_raise_error(e, 13, 0);
	to_machine(e)->cr[nr] = val;
	return EMU_CONTINUE;
}

static int op_get_dr(struct emu *e, unsigned int nr, u64 *val)
{
	if (nr >= 8)
		abort();
	*val = to_machine(e)->dr[nr];
	return EMU_CONTINUE;
}

static int op_set_dr(struct emu *e, unsigned int nr, u64 val)
{
	if (nr >= 8)
		abort();
	to_machine(e)->dr[nr] = val;
	return EMU_CONTINUE;
}

static void op_read_vector(struct emu *e, unsigned int nr, void *data, unsigned int size)
{
	struct machine *m = to_machine(e);

	if (nr >= 16 || (size != 16 && size != 32))
		abort();
	memcpy(data, size == 32 ? (void *)m->ymm[nr] : (void *)m->xmm[nr], size);
}

static void op_write_vector(struct emu *e, unsigned int nr, const void *data, unsigned int size)
{
	struct machine *m = to_machine(e);

	if (nr >= 16 || (size != 16 && size != 32))
		abort();
	memcpy(size == 32 ? (void *)m->ymm[nr] : (void *)m->xmm[nr], data, size);
}

static void op_fx_get(struct emu *e, struct emu_fx *fx)
{
	*fx = to_machine(e)->fx;
}

static void op_fx_set(struct emu *e, const struct emu_fx *fx)
{
	to_machine(e)->fx = *fx;
	to_machine(e)->nr_fx_sets++;
}

static void op_fx_run(struct emu *e, unsigned int insn, struct emu_fx *fx, void *memory)
{
	emu_fx_native(insn, fx, memory);
}

static void op_invlpg(struct emu *e, u64 la)
{
	to_machine(e)->invlpg = la;
}

static const struct emu_ops machine_ops = {
	.fetch = op_fetch, .read = op_read, .write = op_write, .cmpxchg = op_cmpxchg,
	.probe = op_probe, .port_in = op_port_in, .port_out = op_port_out,
	.get_segment = op_get_segment, .set_segment = op_set_segment,
	.get_table = op_get_table, .set_table = op_set_table, .get_cr = op_get_cr,
	.set_cr = op_set_cr, .get_dr = op_get_dr, .set_dr = op_set_dr,
	.read_vector = op_read_vector, .write_vector = op_write_vector, .fx_get = op_fx_get,
	.fx_set = op_fx_set, .fx_run = op_fx_run,
	.invlpg = op_invlpg,
};

void machine_init(struct machine *m, enum emu_mode mode)
{
	bool is_16 = mode == EMU_MODE_REAL || mode == EMU_MODE_VM86 ||
		     mode == EMU_MODE_PROT16 || mode == EMU_MODE_COMPAT16;
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->emu.ops = &machine_ops;
	m->emu.gpr = m->gpr;
	m->emu.mode = mode;
	m->emu.va_bits = 48;
	m->emu.rip = CODE;
	m->emu.rflags = 2;
	m->emu.cpl = mode == EMU_MODE_VM86 ? 3 : 0;
	for (i = 0; i < 8; i++)
		m->seg[i] = (struct segment){ 0, is_16 ? 0xffff : 0xffffffff,
						  is_16 ? 0x93 : 0xc093, (u16)(8 * (i + 1)) };
	m->seg[SEG_CS].ar = is_16 ? 0x9b : mode == EMU_MODE_LONG ? 0xa09b : 0xc09b;
	m->seg[SEG_TR] = (struct segment){ 0, 0x67, 0x8b, 0x40 };
	m->seg[SEG_LDTR].ar = SEG_UNUSABLE;
	m->table[EMU_GDTR] = (struct desc_table){ 0x9000, 0xff };
	m->table[EMU_IDTR] = (struct desc_table){ 0, 0x3ff };
	m->cr[0] = mode == EMU_MODE_REAL ? 0x10 : 0x80000011;
	m->cr[4] = 0x200;
	m->gpr[GPR_RSP] = STACK;
}

int machine_decode(struct machine *m, const void *bytes, unsigned int n)
{
	m->emu.nr_bytes = n > EMU_MAX_INSN ? EMU_MAX_INSN : n;
	memcpy(m->emu.bytes, bytes, m->emu.nr_bytes);
	return emu_decode(&m->emu, bytes, n);
}

u8 *machine_seen_map(bool create)
{
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	void *map = MAP_FAILED;
	int fd;

	if (n < 0)
		return NULL;
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "rows.seen");
	fd = open(path, create ? O_RDWR | O_CREAT : O_RDWR, 0644);
	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, MACHINE_KEYS))
		map = mmap(NULL, MACHINE_KEYS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

void machine_seen(const struct machine *m, enum machine_how how)
{
	const struct emu_insn *in = &m->emu.insn;
	unsigned int prefix = in->prefix & EMU_PFX_REP ? 2 : in->prefix & EMU_PFX_REPNE ? 3 : !!(in->prefix & EMU_PFX_OPSIZE);
	static u8 *map;

	if (in->escape == 0x62 || in->escape == 0x8f || in->map > 3)
		return;
	if (in->escape)
		prefix = in->vex & 3;
	if (!map)
		map = machine_seen_map(true);
	if (map)
		map[MACHINE_KEY(m->emu.mode == EMU_MODE_LONG, in->escape != 0, in->map, in->opcode, prefix, in->modrm)] |= how;
}

int machine_step(struct machine *m, const void *bytes, unsigned int n)
{
	int ret = machine_decode(m, bytes, n);

	if (ret)
		return ret;
	ret = emu_execute(&m->emu);
	if (ret != EMU_FAILED)
		machine_seen(m, MACHINE_TABLE);
	return ret;
}

int machine_run(struct machine *m, const void *bytes, unsigned int n)
{
	unsigned int i;
	int ret = machine_step(m, bytes, n);

	for (i = 0; i < 10000; i++) {
		if (ret == EMU_IO)
			m->answered = true;
		else if (ret != EMU_CONTINUE || !m->emu.repeat)
			break;
		ret = emu_execute(&m->emu);
	}
	return ret;
}

u64 machine_peek(const struct machine *m, u64 la, unsigned int size)
{
	u64 val = 0;

	memcpy(&val, m->ram + la, size);
	return val;
}

void machine_poke(struct machine *m, u64 la, u64 val, unsigned int size)
{
	memcpy(m->ram + la, &val, size);
}

void machine_descriptor(struct machine *m, unsigned int index, u32 base, u32 limit, u16 attr)
{
	u64 d = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)attr << 40 |
		(u64)(limit >> 16 & 0xf) << 48 | (u64)(base >> 24) << 56;

	machine_poke(m, 0x9000 + 8 * index, d, 8);
}
