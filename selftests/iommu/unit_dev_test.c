// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's Device Exclusion Vector: devices of a model reach what they may and nothing else, on every northbridge, at every moment; each
 * call is refused where it must be; and for each register a bug between code and register is found by these very tests.
 */
#include "unit_dev_model.h"
#include "test.h"

#define SMALL		(1ull << 20)	/* pages of the smallest vector: 4 GB */
#define NODES		2

/* Devices, as bus and unit. The first two are where firmware's map registers point at the start. */
static const struct exclusion_device disk = { 0, 4 }, net = { 0, 9 }, far = { 2, 4 };

static struct exclusion x;
static unsigned int mismatches;
static bool quiet;		/* a seeded bug is meant to be found */

static void expect(const char *name, u64 wanted, u64 got)
{
	if (wanted == got)
		return;
	mismatches++;
	if (!quiet)
		CHECK_EQ(name, wanted, got);
}

static bool reaches(unsigned int node, struct exclusion_device d, u64 page)
{
	return model_dma(node, d.bus, d.unit, page << 12 | 0x124, MODEL_WRITE);
}

/* On each northbridge. */
static void expect_reach(const char *name, struct exclusion_device d, u64 page, bool wanted)
{
	unsigned int node;

	for (node = 0; node < x.nr_nodes; node++)
		expect(name, wanted, reaches(node, d, page));
}

static void expect_no_rule_broken(void)
{
	unsigned int node;

	for (node = 0; node < NODES; node++) {
		expect("rules kept", 0, model_nodes[node].undefined);
		if (model_nodes[node].undefined && !quiet)
			test_note("northbridge %u: %s", node, model_nodes[node].why);
	}
}

static void start(u64 pages)
{
	const struct model_bug *bug = model_bug;

	model_reset(NODES);
	model_bug = bug;
	expect("discover", 0, exclusion_discover(&x, &model_ops));
	expect("start", 0, exclusion_start(&x, pages));
}

/* ---- what must hold; run as it is, and once for each seeded bug ---- */

static void run_start(void)
{
	unsigned int node;
	u64 vector;

	start(SMALL);
	vector = x.vectors[0].base >> 12;
	expect("northbridges", NODES, x.nr_nodes);
	expect("domains", 4, x.nr_domains);
	expect("map registers", MODEL_MAPS, x.nr_maps);
	expect_reach("first page", net, 0, true);
	expect_reach("a page", disk, 0x1234, true);
	expect_reach("last page", far, SMALL - 1, true);
	expect_reach("beyond the vector", net, SMALL, false);
	expect_reach("far beyond", disk, SMALL * 200, false);
	expect_reach("before the vector's memory", net, vector - 1, true);
	expect_reach("the vector's memory", net, vector, false);
	expect_reach("its last page", net, vector + 31, false);
	expect_reach("behind it", net, vector + 32, true);
	for (node = 0; node < NODES; node++) {
		expect("I/O space", false, model_io(node));
		expect("DEV_CR: on, I/O space blocked, firmware's bit kept", 7, model_nodes[node].cr);
	}
	expect_no_rule_broken();
	expect("stop", 0, exclusion_stop(&x));
	expect("vectors freed", 0, model_vectors);
	expect_reach("after stop", net, SMALL, true);
	for (node = 0; node < NODES; node++)
		expect("DEV_CR after stop", 2, model_nodes[node].cr);
}

/* Random ranges against one bit a page; every device looks before each change too, so that old parts are cached. */
static void run_pages(void)
{
	static u8 shadow[SMALL];
	u64 seed = 0x1234567, vector;
	unsigned int i, j;

	memset(shadow, 0, sizeof(shadow));
	start(SMALL);
	vector = x.vectors[0].base >> 12;
	memset(shadow + vector, 1, 32);
	for (i = 0; i < 300; i++) {
		const u64 count = 1 + xorshift(&seed) % (i % 3 ? 200 : 100000);
		const u64 first = xorshift(&seed) % (SMALL - count);
		const bool exclude = xorshift(&seed) & 1;
		int ret = exclude ? exclusion_exclude(&x, 0, first, count) : exclusion_permit(&x, 0, first, count);

		if (first < vector + 32 && vector < first + count) {
			expect("a range with the vector in it", -EPERM, ret);
			continue;
		}
		expect("change", 0, ret);
		memset(shadow + first, exclude, count);
		for (j = 0; j < 40; j++) {
			const u64 edge = (j & 1 ? first + count : first) + j / 2 % 5 - 2;
			const u64 page = j < 20 && edge < SMALL ? edge : xorshift(&seed) % SMALL;

			expect_reach("page", j % 3 ? net : far, page, !shadow[page]);
		}
	}
	expect_no_rule_broken();
	exclusion_stop(&x);
}

/* The memory of the vector that comes next: devices go there all the time, so that every northbridge has its bits cached. */
static u64 coming;

static void warm(void)
{
	coming = model_next_base >> 12;
	model_watch();
}

/* At each access to a register no device can write what a northbridge takes for a vector. */
static void watch_vectors(void)
{
	unsigned int node, domain;

	for (node = 0; node < NODES; node++) {
		const struct model_node *n = &model_nodes[node];

		reaches(node, net, coming);
		reaches(node, disk, coming);

		for (domain = 0; domain < n->domains; domain++) {
			expect("the vector in use", false, reaches(node, net, n->base_lo[domain] >> 12));
			expect("the vector in use", false, reaches(node, disk, n->base_lo[domain] >> 12));
		}
	}
}

/* And what is excluded stays so. */
#define KEPT	0x777u

static void watch_all(void)
{
	unsigned int node;

	for (node = 0; node < NODES; node++) {
		expect("excluded all the time", false, reaches(node, net, KEPT));
		expect("excluded all the time", false, reaches(node, disk, KEPT));
	}
	watch_vectors();
}

static void run_domains(void)
{
	int closed, open;

	start(SMALL);
	model_watch = watch_vectors;
	warm();
	closed = exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING);
	warm();
	open = exclusion_domain_open(&x, EXCLUSION_REACH_ALL);
	expect("first domain", 1, closed);
	expect("second domain", 2, open);
	expect("disk into the first", 0, exclusion_assign(&x, disk, closed));
	expect("net into the second", 0, exclusion_assign(&x, net, open));
	expect("far into the first", 0, exclusion_assign(&x, far, closed));
	expect("permit 70 pages", 0, exclusion_permit(&x, closed, 0x5000 - 3, 70));
	expect("exclude them in domain 0", 0, exclusion_exclude(&x, 0, 0x5000 - 3, 70));
	expect_reach("disk: its own", disk, 0x5000, true);
	expect_reach("far: the same", far, 0x5000 + 66, true);
	expect_reach("disk: before", disk, 0x5000 - 4, false);
	expect_reach("disk: behind", disk, 0x5000 + 67, false);
	expect_reach("net: all", net, 0x5000, true);
	expect_reach("another: not that", (struct exclusion_device){ 0, 5 }, 0x5000, false);
	expect_reach("the same unit on another bus: not that", (struct exclusion_device){ 1, 4 }, 0x5000, false);
	expect_reach("another: the rest", (struct exclusion_device){ 0, 5 }, 0x6000, true);
	for (unsigned int d = 0; d < 3; d++) {
		const u64 page = x.vectors[d].base >> 12;

		expect_reach("vectors: disk", disk, page, false);
		expect_reach("vectors: net", net, page + 31, false);
		expect_reach("vectors: another", (struct exclusion_device){ 7, 7 }, page, false);
	}
	expect("disk back", 0, exclusion_unassign(&x, disk));
	expect_reach("disk is as others", disk, 0x6000, true);
	expect_reach("disk is as others", disk, 0x5000, false);
	expect_reach("net is where it was", net, 0x5000, true);
	expect("far back", 0, exclusion_unassign(&x, far));
	expect("close", 0, exclusion_domain_close(&x, closed));
	model_watch = NULL;
	expect("vectors left", 2, model_vectors);
	expect_no_rule_broken();
	exclusion_stop(&x);
}

static void expect_error(unsigned int index, u64 address, bool more)
{
	struct exclusion_error e = { };

	expect("an error", 1, exclusion_error_read(&x, index, &e));
	expect("northbridge", index, e.node);
	expect("a write", MODEL_WRITE, e.access);
	expect("by a device", 2, e.source);
	expect("to DRAM", 1, e.target);
	expect("address known", true, e.has_address);
	expect("address", address, e.address);
	expect("more", more, e.more);
	expect("taken", 0, exclusion_error_read(&x, index, &e));
}

static void run_errors(void)
{
	struct exclusion_error e;

	start(SMALL);
	expect("firmware's is cleared", 0, exclusion_error_read(&x, 0, &e));
	reaches(1, net, 0x123456789);
	expect("nothing on the other", 0, exclusion_error_read(&x, 0, &e));
	expect_error(1, 0x123456789124, false);
	reaches(0, net, SMALL + 1);
	reaches(0, net, SMALL + 2);
	expect_error(0, (SMALL + 1) << 12 | 0x124, true);
	reaches(0, net, SMALL + 3);
	expect_error(0, (SMALL + 3) << 12 | 0x124, false);
	expect_no_rule_broken();
	exclusion_stop(&x);
}

static void run_grow(void)
{
	int domain;
	u64 old;

	start(SMALL - 7);
	domain = exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING);
	expect("disk", 0, exclusion_assign(&x, disk, domain));
	expect("exclude", 0, exclusion_exclude(&x, 0, KEPT, 1));
	expect("permit", 0, exclusion_permit(&x, domain, 0x888, 1));
	old = x.vectors[0].base >> 12;
	model_watch = watch_all;
	warm();
	expect("what is covered", 0, exclusion_grow(&x, SMALL));
	expect("the same vectors", old, x.vectors[0].base >> 12);
	expect("more memory", 0, exclusion_grow(&x, 3 * SMALL));
	expect("vectors", 2, model_vectors);
	expect("size", 2, x.size);
	expect_reach("new memory", net, SMALL, true);
	expect_reach("its end", net, 4 * SMALL - 1, true);
	expect_reach("beyond", net, 4 * SMALL, false);
	expect_reach("new memory, by the disk", disk, SMALL + 5, false);
	expect_reach("what was permitted", disk, 0x888, true);
	expect_reach("the old vector's memory", net, old, true);
	expect_reach("the old vector's memory, by the disk", disk, old, false);
	expect("exclude there", 0, exclusion_exclude(&x, 0, 2 * SMALL - 1, 2));
	expect_reach("there", net, 2 * SMALL, false);
	expect("another domain", 2, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	expect("closed", 0, exclusion_domain_close(&x, 2));
	expect_no_rule_broken();
	model_watch = NULL;
	exclusion_stop(&x);
	expect("vectors freed", 0, model_vectors);
}

static void (*const runs[])(void) = { run_start, run_pages, run_domains, run_errors, run_grow };

/* ---- seeded bugs ---- */

#define WRITE_BUG(name, fn, code)									\
	static bool name(unsigned int node, unsigned int function, u32 *index, u32 *value)		\
	{												\
		if (function == (fn))									\
			code;										\
		return true;										\
	}
#define READ_BUG(name, fn, code)									\
	static void name(unsigned int node, unsigned int function, u32 *value)				\
	{												\
		if (function == (fn))									\
			code;										\
	}

WRITE_BUG(lo_no_valid, DEV_BASE_LO, *value &= ~1u)
WRITE_BUG(lo_no_protect, DEV_BASE_LO, *value &= ~2u)
WRITE_BUG(lo_size, DEV_BASE_LO, *value += *value & 1 ? 4 : 0)
WRITE_BUG(lo_address, DEV_BASE_LO, *value += *value & 1 ? 0x1000 : 0)
WRITE_BUG(lo_reserved, DEV_BASE_LO, *value |= 0x80)
WRITE_BUG(lo_lost, DEV_BASE_LO, return false)
WRITE_BUG(hi_lost, DEV_BASE_HI, return false)
WRITE_BUG(hi_set, DEV_BASE_HI, *value |= 1)
WRITE_BUG(map_no_valid0, DEV_MAP, *value &= ~0x20u)
WRITE_BUG(map_no_valid1, DEV_MAP, *value &= ~0x800u)
WRITE_BUG(map_bus, DEV_MAP, *value &= ~0xff000u)
WRITE_BUG(map_domains, DEV_MAP, *value = (*value & 0xfffff) | *value >> 26 << 20 | (*value >> 20 & 0x3f) << 26)
WRITE_BUG(map_units, DEV_MAP, *value = (*value & ~0xfffu) | (*value & 0x3f) << 6 | (*value >> 6 & 0x3f))
WRITE_BUG(map_lost, DEV_MAP, return *value != 0)
READ_BUG(cap_swapped, DEV_CAP, *value = (*value & 0xff) | (*value >> 8 & 0xff) << 16 | (*value >> 16 & 0xff) << 8)
READ_BUG(cap_more, DEV_CAP, *value += 0x100)
WRITE_BUG(cr_no_enable, DEV_CR, *value &= ~1u)
WRITE_BUG(cr_no_io, DEV_CR, *value &= ~4u)
WRITE_BUG(cr_no_invalidation, DEV_CR, *value &= ~0x10u)
WRITE_BUG(cr_no_memclr, DEV_CR, *value &= ~2u)
WRITE_BUG(cr_mce, DEV_CR, *value |= 8)
WRITE_BUG(cr_walkprobe, DEV_CR, *value |= 0x40)
WRITE_BUG(cr_reserved, DEV_CR, *value |= 0x100)
READ_BUG(cr_no_wait, DEV_CR, *value &= ~0x10u)
WRITE_BUG(cr_one_only, DEV_CR, return !node)
WRITE_BUG(status_lost, DEV_ERR_STATUS, return false)
READ_BUG(status_no_valid, DEV_ERR_STATUS, *value &= ~0x80000000u)
READ_BUG(status_no_overflow, DEV_ERR_STATUS, *value &= ~0x40000000u)
READ_BUG(status_fields, DEV_ERR_STATUS, *value = (*value & ~0xffu) | (*value & 3) << 6 | (*value >> 2 & 0x3f))
READ_BUG(addr_lo, DEV_ERR_ADDR_LO, *value &= ~0x1000u)
READ_BUG(addr_hi, DEV_ERR_ADDR_HI, *value = 0)
WRITE_BUG(index_zero, DEV_BASE_LO, *index = 0)
WRITE_BUG(index_next, DEV_MAP, *index += 1)

/* The IOMMU's block is taken for the DEV's. */
static void type_ignored(unsigned int node, unsigned int offset, u32 *value)
{
	if (offset == 0xa0)
		*value &= ~0x70000u;
}

static void header_lost(unsigned int node, unsigned int offset, u32 *value)
{
	if (offset == 0xf0 && node)
		*value = 0;
}

static const struct model_bug bugs[] = {
	{ "DEV_HDR: the type is ignored", .config = type_ignored },
	{ "DEV_HDR: one northbridge's is missed", .config = header_lost },
	{ "DEV_OP: INDEX is always 0", index_zero },
	{ "DEV_OP: INDEX is one too high", index_next },
	{ "DEV_BASE_LO: V is not set", lo_no_valid },
	{ "DEV_BASE_LO: P is not set", lo_no_protect },
	{ "DEV_BASE_LO: SIZE is one too large", lo_size },
	{ "DEV_BASE_LO: the address is a page off", lo_address },
	{ "DEV_BASE_LO: a reserved bit is set", lo_reserved },
	{ "DEV_BASE_LO: not written", lo_lost },
	{ "DEV_BASE_HI: not written", hi_lost },
	{ "DEV_BASE_HI: a bit too many", hi_set },
	{ "DEV_MAP: V0 is not set", map_no_valid0 },
	{ "DEV_MAP: V1 is not set", map_no_valid1 },
	{ "DEV_MAP: no BUSNO", map_bus },
	{ "DEV_MAP: DOM0 and DOM1 change places", map_domains },
	{ "DEV_MAP: UNIT0 and UNIT1 change places", map_units },
	{ "DEV_MAP: firmware's stay", map_lost },
	{ "DEV_CAP: N_DOMAINS and N_MAPS change places", .read = cap_swapped },
	{ "DEV_CAP: a domain too many", .read = cap_more },
	{ "DEV_CR: DEVEN is not set", cr_no_enable },
	{ "DEV_CR: IOSPEN is not set", cr_no_io },
	{ "DEV_CR: nothing is invalidated", cr_no_invalidation },
	{ "DEV_CR: firmware's bit is lost", cr_no_memclr },
	{ "DEV_CR: machine checks are on", cr_mce },
	{ "DEV_CR: probes are off", cr_walkprobe },
	{ "DEV_CR: a reserved bit is set", cr_reserved },
	{ "DEV_CR: the end of invalidation is not waited for", .read = cr_no_wait },
	{ "DEV_CR: only the first northbridge's is written", cr_one_only },
	{ "DEV_ERR_STATUS: not cleared", status_lost },
	{ "DEV_ERR_STATUS: VAL is not seen", .read = status_no_valid },
	{ "DEV_ERR_STATUS: OVF is not seen", .read = status_no_overflow },
	{ "DEV_ERR_STATUS: fields are read elsewhere", .read = status_fields },
	{ "DEV_ERR_ADDR_LO: a bit is lost", .read = addr_lo },
	{ "DEV_ERR_ADDR_HI: ignored", .read = addr_hi },
};

static void test_bugs(void)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		quiet = true;
		mismatches = 0;
		for (j = 0; j < ARRAY_SIZE(runs); j++) {
			model_bug = &bugs[i];
			runs[j]();
		}
		quiet = false;
		test_note("%s: %u mismatches", bugs[i].name, mismatches);
		ASSERT(mismatches, "%s: not found", bugs[i].name);
	}
}

/* ---- refusals ---- */

static void no_dev(void) { model_nodes[0].config[0x34 / 4] = model_nodes[1].config[0x34 / 4] = 0; }
static void one_without(void) { model_nodes[1].config[0xb0 / 4] = 8; }
static void no_list(void) { model_nodes[0].config[1] = model_nodes[1].config[1] = 0; }
static void endless(void) { model_nodes[0].config[0xb0 / 4] = 0xa008; }
static void too_high(void) { model_nodes[0].cap = 0; model_nodes[0].config[0xb0 / 4] = 0xf808; model_nodes[0].config[0xf8 / 4] = 0xf; }
static void no_domains(void) { model_nodes[0].domains = model_nodes[1].domains = 0; }
static void one_no_domains(void) { model_nodes[1].domains = 0; }
static void other_maker(void) { model_nodes[0].config[0] = model_nodes[1].config[0] = 0x12038086; }
static void gone(void) { model_nodes[0].present = model_nodes[1].present = false; }
static void no_maps(void) { model_nodes[0].maps = 0; }
static void nothing(void) { }

static const struct {
	const char *name;
	void (*change)(void);
	int wanted;
} discoveries[] = {
	{ "as it is", nothing, 0 },
	{ "no capability of that kind", no_dev, -ENODEV },
	{ "no capabilities", no_list, -ENODEV },
	{ "no northbridges", gone, -ENODEV },
	{ "of another maker", other_maker, -ENODEV },
	{ "no domains (family 15h)", no_domains, -ENODEV },
	{ "one northbridge without", one_without, -ENXIO },
	{ "one northbridge without domains", one_no_domains, -ENXIO },
	{ "an endless list", endless, -EIO },
	{ "a block that does not fit", too_high, -EIO },
	{ "no map registers", no_maps, 0 },
};

static void test_discovery(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(discoveries); i++) {
		model_reset(NODES);
		discoveries[i].change();
		CHECK_RET(discoveries[i].name, discoveries[i].wanted, exclusion_discover(&x, &model_ops));
		CHECK_EQ(discoveries[i].name, discoveries[i].wanted ? 0 : NODES, x.nr_nodes);
		CHECK_RET("start without discovery", discoveries[i].wanted ? -ENODEV : 0, exclusion_start(&x, 1));
		CHECK_EQ("nothing written", discoveries[i].wanted ? 0x4a : 7, model_nodes[0].cr);
	}
}

static void dev_on(void) { model_nodes[1].cr |= 1; }
static void skinit(void) { model_nodes[1].cr |= 0x20; }
static void no_memory(void) { model_vectors_left = 0; }
static void high_memory(void) { model_next_base = 1ull << 32; }
static void across_4g(void) { model_next_base = (1ull << 32) - 0x1000; }
static void crooked_memory(void) { model_next_base += 0x200; }
static void first_refuses(void) { model_nodes[0].refuses_enable = true; }
static void second_refuses(void) { model_nodes[1].refuses_enable = true; }

static const struct {
	const char *name;
	void (*change)(void);
	u64 pages;
	int wanted;
} starts[] = {
	{ "one page", nothing, 1, 0 },
	{ "no pages", nothing, 0, -EINVAL },
	{ "48 bits of address and one page", nothing, (1ull << 36) + 1, -EINVAL },
	{ "all pages", nothing, ~0ull, -EINVAL },
	{ "on already", dev_on, SMALL, -EBUSY },
	{ "SKINIT's protection is on", skinit, SMALL, -EBUSY },
	{ "no memory", no_memory, SMALL, -ENOMEM },
	{ "memory above 4 GB", high_memory, SMALL, -EIO },
	{ "memory across 4 GB", across_4g, SMALL, -EIO },
	{ "memory between pages", crooked_memory, SMALL, -EIO },
	{ "the first cannot be turned on", first_refuses, SMALL, -EIO },
	{ "the second cannot be turned on", second_refuses, SMALL, -EIO },
};

static void test_start(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		model_reset(NODES);
		ASSERT_EQ(exclusion_discover(&x, &model_ops), 0);
		starts[i].change();
		CHECK_RET(starts[i].name, starts[i].wanted, exclusion_start(&x, starts[i].pages));
		if (!starts[i].wanted)
			continue;
		CHECK_EQ(starts[i].name, 0, model_vectors);
		CHECK_EQ(starts[i].name, EXCLUSION_OFF, x.state);
		CHECK_EQ(starts[i].name, 0, model_nodes[0].cr & 1);
		CHECK_EQ(starts[i].name, 0, model_nodes[0].undefined | model_nodes[1].undefined);
	}
	for (i = 0; i < 4; i++)
		CHECK_EQ("nothing is left in the one that refused", 0, model_nodes[1].base_lo[i]);
	CHECK_RET("no page can be excluded then", -ENODEV, exclusion_exclude(&x, 0, 1, 1));
	start(SMALL);
	CHECK_RET("twice", -EBUSY, exclusion_start(&x, SMALL));
	CHECK_RET("stop", 0, exclusion_stop(&x));
	CHECK_RET("stop twice", 0, exclusion_stop(&x));
	CHECK_RET("again", 0, exclusion_start(&x, SMALL));
}

static void test_refusals(void)
{
	const struct exclusion_device bad = { 0, 32 }, other = { 3, 1 }, fifth = { 4, 0 }, sixth = { 2, 31 };
	struct exclusion_error e;
	u64 vector;
	int domain;

	start(SMALL);
	vector = x.vectors[0].base >> 12;
	domain = exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING);
	CHECK_RET("exclude nothing", -EINVAL, exclusion_exclude(&x, 0, 5, 0));
	CHECK_RET("exclude around the end", -EINVAL, exclusion_exclude(&x, 0, ~0ull, 2));
	CHECK_RET("permit around the end", -EINVAL, exclusion_permit(&x, 0, 2, ~0ull - 1));
	CHECK_RET("exclude in no domain", -EINVAL, exclusion_exclude(&x, 2, 5, 1));
	CHECK_RET("exclude in domain 64", -EINVAL, exclusion_exclude(&x, 64, 5, 1));
	CHECK_RET("exclude beyond the vector", 0, exclusion_exclude(&x, 0, SMALL - 1, ~0ull - SMALL));
	expect_reach("last page", net, SMALL - 1, false);
	CHECK_RET("permit beyond the vector", -ERANGE, exclusion_permit(&x, 0, SMALL - 1, 2));
	expect_reach("last page", net, SMALL - 1, false);
	CHECK_RET("permit the vector", -EPERM, exclusion_permit(&x, 0, vector + 31, 1));
	CHECK_RET("exclude the page before the vector", 0, exclusion_exclude(&x, 0, vector - 1, 1));
	CHECK_RET("exclude the page behind both vectors", 0, exclusion_exclude(&x, 0, vector + 64, 1));
	CHECK_RET("exclude the vector", -EPERM, exclusion_exclude(&x, 0, vector - 1, 2));
	CHECK_RET("permit the other domain's vector", -EPERM, exclusion_permit(&x, 0, vector + 32, 1));
	CHECK_RET("assign to domain 0", -EINVAL, exclusion_assign(&x, disk, 0));
	CHECK_RET("assign to a closed domain", -EINVAL, exclusion_assign(&x, disk, 3));
	CHECK_RET("assign unit 32", -EINVAL, exclusion_assign(&x, bad, domain));
	CHECK_RET("unassign what is not assigned", -ENOENT, exclusion_unassign(&x, disk));
	CHECK_RET("assign", 0, exclusion_assign(&x, disk, domain));
	CHECK_RET("assign again", -EEXIST, exclusion_assign(&x, disk, domain));
	CHECK_RET("close with a device", -EBUSY, exclusion_domain_close(&x, domain));
	CHECK_RET("close domain 0", -EINVAL, exclusion_domain_close(&x, 0));
	CHECK_RET("close what is closed", -EINVAL, exclusion_domain_close(&x, 2));
	CHECK_RET("second register", 0, exclusion_assign(&x, far, domain));
	CHECK_RET("third register", 0, exclusion_assign(&x, other, domain));
	CHECK_RET("no register for a fourth bus", -ENOSPC, exclusion_assign(&x, fifth, domain));
	CHECK_RET("room beside the second", 0, exclusion_assign(&x, sixth, domain));
	CHECK_RET("room beside the first", 0, exclusion_assign(&x, net, domain));
	CHECK_RET("domain 2", 2, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	CHECK_RET("domain 3", 3, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	CHECK_RET("no domain left", -ENOSPC, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	CHECK_RET("grow to nothing", -EINVAL, exclusion_grow(&x, 0));
	CHECK_RET("grow beyond 48 bits", -EINVAL, exclusion_grow(&x, ~0ull));
	CHECK_RET("error of a third northbridge", -EINVAL, exclusion_error_read(&x, NODES, &e));
	model_vectors_left = 3;
	CHECK_RET("no memory to grow", -ENOMEM, exclusion_grow(&x, 2 * SMALL));
	CHECK_EQ("what was taken is given back", 4, model_vectors);
	CHECK_EQ("size stays", 0, x.size);
	model_vectors_left = 0;
	CHECK_RET("close", 0, exclusion_domain_close(&x, 3));
	CHECK_RET("no memory for a domain", -ENOMEM, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	expect_no_rule_broken();
}

/* A vector's memory goes back to each domain's rule when it is freed: to no devices where the rule is nothing. */
static void test_freed_vector(void)
{
	u64 page;

	start(SMALL);
	ASSERT_EQ(exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING), 1);
	ASSERT_EQ(exclusion_domain_open(&x, EXCLUSION_REACH_ALL), 2);
	ASSERT_EQ(exclusion_assign(&x, disk, 1), 0);
	page = x.vectors[2].base >> 12;
	expect_reach("net, while it is one", net, page, false);
	ASSERT_EQ(exclusion_domain_close(&x, 2), 0);
	expect_reach("net", net, page, true);
	expect_reach("disk", disk, page, false);
	CHECK_RET("permit", 0, exclusion_permit(&x, 1, page, 1));
	expect_reach("disk, permitted", disk, page, true);
	expect_no_rule_broken();
}

/* One has more of everything: what both have counts, and the rest is not left to chance. */
static void test_unequal(void)
{
	unsigned int i;

	model_reset(NODES);
	model_nodes[1].domains = 8;
	model_nodes[0].maps = 2;
	ASSERT_EQ(exclusion_discover(&x, &model_ops), 0);
	CHECK_EQ("domains", 4, x.nr_domains);
	CHECK_EQ("map registers", 2, x.nr_maps);
	ASSERT_EQ(exclusion_start(&x, SMALL), 0);
	for (i = 0; i < 8; i++)
		CHECK_EQ("every domain has the vector", x.vectors[0].base | 3, model_nodes[1].base_lo[i]);
	CHECK_EQ("firmware's third map register", 0, model_nodes[1].map[2]);
	ASSERT_EQ(exclusion_grow(&x, 3 * SMALL), 0);
	for (i = 0; i < 8; i++)
		CHECK_EQ("and the larger one", x.vectors[0].base | 2 << 2 | 3, model_nodes[1].base_lo[i]);
	expect_no_rule_broken();
}

/* A northbridge that never says that it has forgotten its cache: nothing is promised, and nothing freed that it may read. */
static void test_hang(void)
{
	start(SMALL);
	ASSERT_EQ(exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING), 1);
	model_nodes[1].invd_polls = -1;
	CHECK_RET("exclude", -EIO, exclusion_exclude(&x, 0, 5, 1));
	CHECK_EQ("state", EXCLUSION_BROKEN, x.state);
	model_nodes[1].invd_polls = 0;
	CHECK_RET("exclude, when it works again", -EIO, exclusion_exclude(&x, 0, 5, 1));
	CHECK_RET("permit", -EIO, exclusion_permit(&x, 0, 5, 1));
	CHECK_RET("open", -EIO, exclusion_domain_open(&x, EXCLUSION_REACH_ALL));
	CHECK_RET("close", -EIO, exclusion_domain_close(&x, 1));
	CHECK_RET("assign", -EIO, exclusion_assign(&x, disk, 1));
	CHECK_RET("unassign", -EIO, exclusion_unassign(&x, disk));
	CHECK_RET("grow", -EIO, exclusion_grow(&x, 2 * SMALL));
	CHECK_RET("start", -EBUSY, exclusion_start(&x, SMALL));
	model_nodes[1].invd_polls = -1;
	CHECK_RET("stop", -EIO, exclusion_stop(&x));
	CHECK_EQ("vectors stay", 2, model_vectors);
	model_nodes[1].invd_polls = 0;
	model_nodes[1].cr = 0;
	CHECK_RET("stop, when it works again", 0, exclusion_stop(&x));
	CHECK_EQ("vectors", 0, model_vectors);
	CHECK_RET("start", 0, exclusion_start(&x, SMALL));
}

/* Its configuration space reads as all ones, and no write is told to have failed. */
static void test_gone(void)
{
	struct exclusion_error e;

	start(SMALL);
	model_nodes[1].lost = true;
	CHECK_RET("exclude", -EIO, exclusion_exclude(&x, 0, 5, 1));
	CHECK_EQ("state", EXCLUSION_BROKEN, x.state);
	CHECK_RET("stop", -EIO, exclusion_stop(&x));
	CHECK_EQ("the vector stays", 1, model_vectors);
	model_nodes[0].lost = true;
	CHECK_RET("error", -EIO, exclusion_error_read(&x, 0, &e));
	model_reset(NODES);
	ASSERT_EQ(exclusion_discover(&x, &model_ops), 0);
	model_nodes[1].lost = true;
	CHECK_RET("start", -EIO, exclusion_start(&x, SMALL));
	CHECK_EQ("nothing was allocated", 0, model_vectors);
}

static int do_exclude(void) { return exclusion_exclude(&x, 0, 0x900, 100); }
static int do_permit(void) { return exclusion_permit(&x, 1, 0x900, 100); }
static int do_open(void) { int ret = exclusion_domain_open(&x, EXCLUSION_REACH_ALL); return ret < 0 ? ret : 0; }
static int do_close(void) { return exclusion_domain_close(&x, 2); }
static int do_assign(void) { return exclusion_assign(&x, far, 1); }
static int do_unassign(void) { return exclusion_unassign(&x, disk); }
static int do_grow(void) { return exclusion_grow(&x, 2 * SMALL); }
static int do_stop(void) { return exclusion_stop(&x); }

static const struct {
	const char *name;
	int (*call)(void);
} calls[] = {
	{ "exclude", do_exclude }, { "permit", do_permit }, { "open", do_open }, { "close", do_close },
	{ "assign", do_assign }, { "unassign", do_unassign }, { "grow", do_grow },
};

static void set_up(void)
{
	start(SMALL);
	ASSERT_EQ(exclusion_domain_open(&x, EXCLUSION_REACH_NOTHING), 1);
	ASSERT_EQ(exclusion_domain_open(&x, EXCLUSION_REACH_ALL), 2);
	ASSERT_EQ(exclusion_assign(&x, disk, 1), 0);
	ASSERT_EQ(exclusion_exclude(&x, 0, KEPT, 1), 0);
}

/* Each call, with configuration space of the second northbridge lost after every number of writes. */
static void test_lost_writes(void)
{
	unsigned int i, writes, node;
	int ret;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (writes = 0, ret = -EIO; ret; writes++) {
			ASSERT(writes < 200, "%s never succeeds", calls[i].name);
			set_up();
			model_nodes[1].fails_writes = writes;
			ret = calls[i].call();
			expect(calls[i].name, ret ? -EIO : 0, ret);
			expect(calls[i].name, ret ? EXCLUSION_BROKEN : EXCLUSION_ON, x.state);
			for (node = 0; node < NODES; node++)
				expect("what was excluded", false, reaches(node, net, KEPT));
			model_nodes[1].fails_writes = -1;
			expect("stop", 0, do_stop());
			expect("vectors", 0, model_vectors);
			expect_no_rule_broken();
		}
		test_note("%s: fails after each of %u writes, succeeds with %u", calls[i].name, writes - 1, writes - 1);
		expect(calls[i].name, 1, writes > 2);
	}
}

static void test_lost_start(void)
{
	unsigned int writes;
	int ret = -EIO;

	for (writes = 0; ret; writes++) {
		ASSERT(writes < 200, "never succeeds");
		model_reset(NODES);
		ASSERT_EQ(exclusion_discover(&x, &model_ops), 0);
		model_nodes[1].fails_writes = writes;
		ret = exclusion_start(&x, SMALL);
		expect("start", ret ? -EIO : 0, ret);
		expect("the first is not left on alone", !ret, model_nodes[0].cr & 1);
		model_nodes[1].fails_writes = -1;
		expect("stop", 0, exclusion_stop(&x));
		expect("vectors", 0, model_vectors);
	}
	expect("writes", 1, writes > 10);
}

static void trespass(void)
{
	reaches(0, net, SMALL + 9);
}

/* Another one comes while the first is being read: it is told that there were more, and the first is told as it was. */
static void test_error_race(void)
{
	start(SMALL);
	reaches(0, net, SMALL + 1);
	model_watch = trespass;
	struct exclusion_error e = { };

	CHECK_RET("an error", 1, exclusion_error_read(&x, 0, &e));
	model_watch = NULL;
	CHECK_EQ("address", (SMALL + 1) << 12 | 0x124, e.address);
	CHECK_EQ("more", true, e.more);
}

static void test_text(void)
{
	const struct exclusion_error whole = { 1, 2, 2, 1, true, true, 0x123456789abc }, bare = { 0, 0, 7, 7 };
	char text[160], tiny[8];

	exclusion_error_text(&whole, text, sizeof(text));
	ASSERT(!strcmp(text, "northbridge 1 stopped a write by a device to 0x123456789abc in DRAM, and others after it"), "%s", text);
	exclusion_error_text(&bare, text, sizeof(text));
	ASSERT(!strcmp(text, "northbridge 0 stopped an access by something to an unknown address in memory"), "%s", text);
	exclusion_error_text(&whole, tiny, sizeof(tiny));
	ASSERT(!strcmp(tiny, "northbr"), "%s", tiny);
}

static const struct test_case cases[] = {
	{ "start and stop", run_start },
	{ "pages", run_pages },
	{ "domains", run_domains },
	{ "errors", run_errors },
	{ "memory hotplug", run_grow },
	{ "seeded bugs", test_bugs, 300 },
	{ "discovery", test_discovery },
	{ "start: refusals", test_start },
	{ "refusals", test_refusals },
	{ "memory of a freed vector", test_freed_vector },
	{ "unequal northbridges", test_unequal },
	{ "a northbridge hangs", test_hang },
	{ "a northbridge goes", test_gone },
	{ "lost writes", test_lost_writes, 120 },
	{ "lost writes at the start", test_lost_start },
	{ "an error while one is read", test_error_race },
	{ "text of an error", test_text },
};

TEST_MAIN(cases)
