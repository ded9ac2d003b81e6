// SPDX-License-Identifier: GPL-2.0-only
/* See unit_dev_model.h. Nothing here is taken from iommu/dev.c but the numbers of registers. */
#include "unit_dev_model.h"

struct model_node model_nodes[DEV_NODES];
unsigned int model_vectors, model_vectors_left;
u64 model_next_base;
const struct model_bug *model_bug;
void (*model_watch)(void);

static struct {
	u64 base, size;
	u8 *bytes;
} memory[MODEL_VECTORS];

static void break_rule(struct model_node *n, const char *why)
{
	if (!n->undefined)
		n->why = why;
	n->undefined = true;
}

/* ---- memory ---- */

static u8 *memory_at(u64 address)
{
	unsigned int i;

	for (i = 0; i < MODEL_VECTORS; i++) {
		if (memory[i].bytes && address >= memory[i].base && address < memory[i].base + memory[i].size)
			return memory[i].bytes + (address - memory[i].base);
	}
	return NULL;
}

u8 *model_memory(u64 base)
{
	return memory_at(base);
}

static int model_alloc(struct exclusion_vector *vector)
{
	unsigned int i;

	if (!model_vectors_left)
		return -ENOMEM;
	for (i = 0; i < MODEL_VECTORS && memory[i].bytes; i++)
		;
	if (i == MODEL_VECTORS)
		return -ENOMEM;
	memory[i].size = EXCLUSION_BYTES(vector->size);
	memory[i].base = model_next_base;
	memory[i].bytes = calloc(1, memory[i].size);
	if (!memory[i].bytes)
		abort();
	vector->bits = (u64 *)memory[i].bytes;
	vector->base = memory[i].base;
	model_next_base += memory[i].size;
	model_vectors_left--;
	model_vectors++;
	return 0;
}

static void model_free(struct exclusion_vector *vector)
{
	unsigned int i;

	for (i = 0; i < MODEL_VECTORS; i++) {
		if (memory[i].bytes == (u8 *)vector->bits) {
			free(memory[i].bytes);
			memory[i].bytes = NULL;
			model_vectors--;
			return;
		}
	}
	abort();
}

static void model_pause(void)
{
}

/* ---- registers ---- */

/* The register that DEV_OP selects, or NULL. */
static u32 *selected(struct model_node *n)
{
	const unsigned int index = n->op & 0xff;

	switch (n->op >> 8) {
	case 0:
		return index < n->domains ? &n->base_lo[index] : NULL;
	case 1:
		return index < n->domains ? &n->base_hi[index] : NULL;
	case 2:
		return index < n->maps ? &n->map[index] : NULL;
	case 4:
		return &n->cr;
	case 5:
		return &n->err_status;
	case 6:
		return &n->err_lo;
	case 7:
		return &n->err_hi;
	default:
		return NULL;
	}
}

/* Must-be-zero bits, by function. */
static const u32 reserved[8] = { 0xf80, 0xffffff00, 0, ~0u, 0xffffff80 };

static void cr_written(struct model_node *n, u32 value)
{
	if (n->refuses_enable)
		value &= ~1u;
	n->cr = value;
	if (value & 0x10)
		n->polls_left = n->invd_polls;
}

static void data_written(struct model_node *n, u32 value)
{
	const unsigned int function = n->op >> 8;
	u32 *reg = selected(n);

	if (!reg) {
		break_rule(n, "a register is written that is not there, or read-only");
		return;
	}
	if (value & reserved[function]) {
		break_rule(n, "a must-be-zero bit is written as 1");
		return;
	}
	if (function == 4)
		cr_written(n, value);
	else
		*reg = value;
}

/* The cache is forgotten when the bit goes, not when it is set. */
static void cr_polled(struct model_node *n)
{
	if (!(n->cr & 0x10) || n->polls_left < 0)
		return;
	if (n->polls_left--)
		return;
	n->cr &= ~0x10u;
	memset(n->lines, 0, sizeof(n->lines));
}

static u32 data_read(struct model_node *n)
{
	const unsigned int function = n->op >> 8;
	u32 *reg = selected(n);

	if (function == 3)
		return 1u | (u32)n->domains << 8 | (u32)n->maps << 16;
	if (!reg) {
		break_rule(n, "a register is read that is not there");
		return 0;
	}
	if (function == 4)
		cr_polled(n);
	/* reserved bits read as 1; not all of DEV_CR, which would be a function that is gone */
	return *reg | (reserved[function] & 0x5555ff80);
}

static int model_read(unsigned int node, unsigned int offset, u32 *value)
{
	struct model_node *n = &model_nodes[node];

	if (!n->present || n->lost || offset > 0xfc || offset % 4) {
		*value = ~0u;
		return offset > 0xfc || offset % 4 ? -EIO : 0;
	}
	if (n->cap && offset == n->cap + 8u) {
		*value = data_read(n);
		if (model_bug && model_bug->read)
			model_bug->read(node, n->op >> 8, value);
		if (model_watch)
			model_watch();
		return 0;
	}
	*value = n->config[offset / 4];
	if (model_bug && model_bug->config)
		model_bug->config(node, offset, value);
	return 0;
}

static int model_write(unsigned int node, unsigned int offset, u32 value)
{
	struct model_node *n = &model_nodes[node];
	u32 index;

	if (!n->present || !n->fails_writes)
		return -EIO;
	if (n->fails_writes > 0)
		n->fails_writes--;
	if (n->lost)
		return 0;
	if (n->cap && offset == n->cap + 4u) {
		n->op = value;
		if (value >> 16)
			break_rule(n, "a must-be-zero bit of DEV_OP is written as 1");
		return 0;
	}
	if (!n->cap || offset != n->cap + 8u) {
		break_rule(n, "configuration space is written that is not the DEV's");
		return 0;
	}
	index = n->op & 0xff;
	if (model_bug && model_bug->write && !model_bug->write(node, n->op >> 8, &index, &value))
		return 0;
	n->op = (n->op & ~0xffu) | index;
	data_written(n, value);
	if (model_watch)
		model_watch();
	return 0;
}

const struct exclusion_ops model_ops = {
	.read	= model_read,
	.write	= model_write,
	.alloc	= model_alloc,
	.free	= model_free,
	.pause	= model_pause,
};

/* ---- DMA ---- */

static unsigned int domain_of(const struct model_node *n, u8 bus, u8 unit)
{
	unsigned int i;

	for (i = 0; i < n->maps; i++) {
		const u32 map = n->map[i];

		if ((map >> 12 & 0xff) != bus)
			continue;
		if ((map & 0x20) && (map & 0x1f) == unit)
			return map >> 20 & 0x3f;
		if ((map & 0x800) && (map >> 6 & 0x1f) == unit)
			return map >> 26;
	}
	return 0;
}

/* With probes off, DRAM is read as it was before the CPUs wrote: all clear here. */
static bool line_fill(struct model_node *n, struct model_line *line, unsigned int domain, u64 index)
{
	const u64 base = (u64)(n->base_hi[domain] & 0xff) << 32 | (n->base_lo[domain] & 0xfffff000);
	const u8 *bytes = memory_at(base + index * MODEL_LINE);

	if (!bytes) {
		break_rule(n, "a vector is read from memory that holds none");
		return false;
	}
	*line = (struct model_line){ .valid = true, .domain = domain, .index = index };
	if (!(n->cr & 0x40))
		memcpy(line->bytes, bytes, MODEL_LINE);
	return true;
}

static bool bit_is_set(struct model_node *n, unsigned int domain, u64 pfn)
{
	const u64 index = pfn / 8 / MODEL_LINE;
	struct model_line *line = &n->lines[(index * 31 + domain) % MODEL_LINES];

	if (!line->valid || line->domain != domain || line->index != index) {
		if (!line_fill(n, line, domain, index))
			return false;
	}
	return line->bytes[pfn / 8 % MODEL_LINE] >> (pfn % 8) & 1;
}

static bool is_excluded(struct model_node *n, unsigned int domain, u64 pfn)
{
	const u32 lo = n->base_lo[domain];

	if (!(lo & 1))
		return false;
	if (pfn >= 1ull << (20 + (lo >> 2 & 0x1f)))
		return lo & 2;
	return bit_is_set(n, domain, pfn);
}

static void error_log(struct model_node *n, u64 address, enum model_access access)
{
	if (n->err_status & 0x80000000) {
		n->err_status |= 0x40000000;
		return;
	}
	n->err_status = 0xa0000000 | 1 << 5 | 2 << 2 | access;
	n->err_lo = address & ~3u;
	n->err_hi = address >> 32 & 0xffff;
}

bool model_dma(unsigned int node, u8 bus, u8 unit, u64 address, enum model_access access)
{
	struct model_node *n = &model_nodes[node];
	unsigned int domain;

	if (n->undefined || !(n->cr & 1))
		return true;
	domain = domain_of(n, bus, unit);
	if (domain >= n->domains) {
		break_rule(n, "a device is in a domain that is not there");
		return true;
	}
	if (!is_excluded(n, domain, address >> 12))
		return true;
	error_log(n, address, access);
	return false;
}

bool model_io(unsigned int node)
{
	struct model_node *n = &model_nodes[node];

	return n->undefined || (n->cr & 5) != 5;
}

/* ---- as firmware leaves it ---- */

static void node_reset(struct model_node *n, unsigned int seed)
{
	unsigned int i;

	n->present = true;
	n->cap = 0xf0;
	n->domains = 4;
	n->maps = MODEL_MAPS;
	n->invd_polls = 3;
	n->fails_writes = -1;
	n->config[0] = 0x12031022;
	n->config[1] = 0x00100000;
	n->config[0x34 / 4] = 0xa0;
	n->config[0xa0 / 4] = 0x0003b00f;	/* an IOMMU's block: the same number, another type */
	n->config[0xb0 / 4] = 0x0000f008;	/* HyperTransport */
	n->config[0xf0 / 4] = 0xffc8000f;	/* DEV; all reserved bits read as 1 */
	for (i = 0; i < MODEL_DOMAINS; i++) {
		n->base_hi[i] = 0x55;
		n->base_lo[i] = 0x12340000 | seed << 12;
	}
	for (i = 0; i < MODEL_MAPS; i++)
		n->map[i] = 3u << 26 | 2u << 20 | seed << 12 | 1 << 11 | 9 << 6 | 1 << 5 | 4;
	n->cr = 0x4a;				/* probes off, machine checks on, no clearing at reset */
	n->err_status = 0x80000000 | seed;
	for (i = 0; i < 1024; i++)		/* cached when all was permitted */
		n->lines[i * 31 % MODEL_LINES] = (struct model_line){ .valid = true, .index = i };
}

void model_reset(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < MODEL_VECTORS; i++) {
		free(memory[i].bytes);
		memory[i].bytes = NULL;
	}
	memset(model_nodes, 0, sizeof(model_nodes));
	model_vectors = 0;
	model_vectors_left = MODEL_VECTORS;
	model_next_base = 0x10000000;
	model_bug = NULL;
	model_watch = NULL;
	for (i = 0; i < count; i++)
		node_reset(&model_nodes[i], i);
}
