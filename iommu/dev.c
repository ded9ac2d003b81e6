// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's Device Exclusion Vector, the way to keep devices from memory on hosts that have no IOMMU.
 *
 * Each northbridge checks what its own devices send (APM volume 2, "External Access Protection"), so all are programmed alike, and
 * what succeeds on some of them only is taken back. Three things keep protection without a gap:
 *
 * - Vectors lie below 4 GB, so DEV_BASE_HI is 0 for ever, and one write of DEV_BASE_LO replaces a vector as a whole.
 * - Pages beyond a vector are excluded (P), and so are the vectors' own pages, in every domain.
 * - A domain that nobody opened uses the vector of domain 0. A northbridge may cache a vector: no change is told as done before
 *   every northbridge has said that it has forgotten the old one.
 *
 * No emulator has a DEV, and this code was never run on hardware.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <asm/barrier.h>
#include "dev.h"

#define PCI_VENDOR_OF(word)	((word) & 0xffff)
#define VENDOR_AMD		0x1022
#define PCI_STATUS_WORD		0x04		/* command and status */
#define PCI_HAS_CAPABILITIES	BIT(20)
#define PCI_FIRST_CAPABILITY	0x34
#define CAPABILITIES_MAX	48		/* that fit behind the header */
#define LAST_BLOCK		0xf4		/* where a block of three words still fits */

#define INVALIDATION_POLLS	1000
#define PAGE_BITS		12

/* ---- registers ---- */

static int reg_select(struct exclusion *x, const struct exclusion_node *n, enum dev_function function, unsigned int index)
{
	return x->ops->write(n->node, n->cap + DEV_OP, function << DEV_OP_FUNCTION_SHIFT | index);
}

static int reg_read(struct exclusion *x, const struct exclusion_node *n, enum dev_function function, unsigned int index,
		    u32 *value)
{
	int ret = reg_select(x, n, function, index);

	return ret ?: x->ops->read(n->node, n->cap + DEV_DATA, value);
}

static int reg_write(struct exclusion *x, const struct exclusion_node *n, enum dev_function function, unsigned int index,
		     u32 value)
{
	int ret = reg_select(x, n, function, index);

	return ret ?: x->ops->write(n->node, n->cap + DEV_DATA, value);
}

/* DEV_CR, without the bits that must be written as 0 whatever they read as. */
static int cr_read(struct exclusion *x, const struct exclusion_node *n, u32 *cr)
{
	int ret = reg_read(x, n, DEV_CR, 0, cr);

	if (ret)
		return ret;
	if (*cr == ~0u)
		return -EIO;
	*cr &= DEV_CR_DEVEN | DEV_CR_MEMCLR | DEV_CR_IOSPEN | DEV_CR_MCEEN | DEV_CR_INVD | DEV_CR_SL_DEV_EN | DEV_CR_WALKPROBE;
	return 0;
}

/* Have the northbridge hold @bits in DEV_CR, beside the firmware's own, and see that it does. */
static int cr_set(struct exclusion *x, const struct exclusion_node *n, u32 bits)
{
	u32 cr;
	int ret = cr_read(x, n, &cr);

	ret = ret ?: reg_write(x, n, DEV_CR, 0, (cr & DEV_CR_MEMCLR) | bits);
	ret = ret ?: cr_read(x, n, &cr);
	if (ret)
		return ret;
	return (cr & ~(u32)DEV_CR_MEMCLR) == bits ? 0 : -EIO;
}

static int invalidation_wait(struct exclusion *x, const struct exclusion_node *n)
{
	unsigned int i;
	u32 cr;
	int ret;

	for (i = 0; i < INVALIDATION_POLLS; i++) {
		ret = cr_read(x, n, &cr);
		if (ret)
			return ret;
		if (!(cr & DEV_CR_INVD))
			return 0;
		x->ops->pause();
	}
	return -EIO;
}

static int invalidation_begin(struct exclusion *x, const struct exclusion_node *n)
{
	u32 cr;
	int ret = cr_read(x, n, &cr);

	return ret ?: reg_write(x, n, DEV_CR, 0, cr | DEV_CR_INVD);
}

/* What vectors, DEV_BASE and DEV_MAP hold now is what every northbridge goes by when this returns 0. */
static int invalidate(struct exclusion *x)
{
	unsigned int i;
	int ret = 0;

	wmb();	/* the vectors' words before the order to forget the old ones */
	for (i = 0; !ret && i < x->nr_nodes; i++)
		ret = invalidation_begin(x, &x->nodes[i]);
	for (i = 0; !ret && i < x->nr_nodes; i++)
		ret = invalidation_wait(x, &x->nodes[i]);
	if (ret)
		x->state = EXCLUSION_BROKEN;
	return ret;
}

/* ---- discovery ---- */

/* Offset of the capability block, 0 where there is none, negative errno. */
static int find_block(struct exclusion *x, unsigned int node)
{
	unsigned int i;
	u32 word;
	int ret = x->ops->read(node, PCI_STATUS_WORD, &word);

	if (ret || !(word & PCI_HAS_CAPABILITIES))
		return ret;
	ret = x->ops->read(node, PCI_FIRST_CAPABILITY, &word);
	for (i = 0; !ret && i < CAPABILITIES_MAX; i++) {
		unsigned int at = word & 0xfc;

		if (at < 0x40)
			return 0;
		ret = x->ops->read(node, at, &word);
		if (!ret && (word & 0xff) == DEV_HDR_ID && !(word >> DEV_HDR_TYPE_SHIFT & DEV_HDR_TYPE_MASK))
			return at <= LAST_BLOCK ? (int)at : -EIO;
		word >>= 8;
	}
	return ret ?: -EIO;
}

/* 1: a northbridge with a DEV, in @n; 0: one without; -ENODEV: no northbridge. */
static int probe_node(struct exclusion *x, unsigned int node, struct exclusion_node *n)
{
	u32 word;
	int ret = x->ops->read(node, 0, &word);

	if (ret)
		return ret;
	if (PCI_VENDOR_OF(word) != VENDOR_AMD)
		return -ENODEV;
	ret = find_block(x, node);
	if (ret <= 0)
		return ret;
	*n = (struct exclusion_node){ .node = node, .cap = ret };
	ret = reg_read(x, n, DEV_CAP, 0, &word);
	if (ret)
		return ret;
	if (word == ~0u)
		return -EIO;
	n->revision = word;
	n->domains = word >> 8;
	n->maps = word >> 16;
	return n->domains ? 1 : 0;	/* family 15h: the block is there, and SKINIT's protection, no domain */
}

int exclusion_discover(struct exclusion *x, const struct exclusion_ops *ops)
{
	unsigned int node, without = 0;
	int ret;

	memset(x, 0, sizeof(*x));
	mutex_init(&x->lock);
	x->ops = ops;
	x->nr_domains = EXCLUSION_DOMAINS;
	x->nr_maps = EXCLUSION_MAPS;
	for (node = 0; node < DEV_NODES; node++) {
		struct exclusion_node *n = &x->nodes[x->nr_nodes];

		ret = probe_node(x, node, n);
		if (ret == -ENODEV)
			continue;
		if (ret < 0)
			goto none;
		if (!ret) {
			without++;
			continue;
		}
		x->nr_nodes++;
		x->nr_domains = min_t(unsigned int, x->nr_domains, n->domains);
		x->nr_maps = min_t(unsigned int, x->nr_maps, n->maps);
	}
	ret = !x->nr_nodes ? -ENODEV : without ? -ENXIO : 0;
	if (!ret)
		return 0;
none:
	x->nr_nodes = 0;
	return ret;
}

/* ---- vectors ---- */

static bool is_open(const struct exclusion *x, unsigned int domain)
{
	return domain < x->nr_domains && x->vectors[domain].bits;
}

static u64 vector_first_page(const struct exclusion_vector *v)
{
	return v->base >> PAGE_BITS;
}

static u64 vector_pages(const struct exclusion_vector *v)
{
	return EXCLUSION_BYTES(v->size) >> PAGE_BITS;
}

/* Each word is stored whole: the northbridge may read it at any time. */
static void vector_fill(struct exclusion_vector *v, u64 first, u64 count, bool excluded)
{
	const u64 end = min_t(u64, first + count, EXCLUSION_PAGES(v->size));

	while (first < end) {
		const unsigned int shift = first % 64;
		const unsigned int n = min_t(u64, 64 - shift, end - first);
		const u64 mask = (n == 64 ? ~0ULL : (1ULL << n) - 1) << shift;
		u64 *word = &v->bits[first / 64];

		WRITE_ONCE(*word, excluded ? *word | mask : *word & ~mask);
		first += n;
	}
}

/* Memory of a vector that a northbridge can be told of, or -ENOMEM, or -EIO for what breaks the contract of alloc(). */
static int vector_create(struct exclusion *x, struct exclusion_vector *v, u8 size)
{
	int ret;

	*v = (struct exclusion_vector){ .size = size };
	ret = x->ops->alloc(v);
	if (ret) {
		v->bits = NULL;
		return ret;
	}
	if (!(v->base & ((1u << PAGE_BITS) - 1)) && v->base + EXCLUSION_BYTES(size) <= 1ULL << 32)
		return 0;
	x->ops->free(v);
	v->bits = NULL;
	return -EIO;
}

static void vector_destroy(struct exclusion *x, struct exclusion_vector *v)
{
	if (v->bits)
		x->ops->free(v);
	v->bits = NULL;
}

/* No device may write a vector: exclude the pages of @v in each of @set, or go back to each domain's rule for them. */
static void shield(struct exclusion *x, struct exclusion_vector *set, const struct exclusion_vector *v, bool on)
{
	unsigned int i;

	for (i = 0; i < x->nr_domains; i++) {
		if (set[i].bits)
			vector_fill(&set[i], vector_first_page(v), vector_pages(v), on || x->rules[i] == EXCLUSION_REACH_NOTHING);
	}
}

/* The pages of all of @vectors in each of @set. */
static void shield_all(struct exclusion *x, struct exclusion_vector *set, const struct exclusion_vector *vectors, bool on)
{
	unsigned int i;

	for (i = 0; i < x->nr_domains; i++) {
		if (vectors[i].bits)
			shield(x, set, &vectors[i], on);
	}
}

static u32 base_lo(const struct exclusion_vector *v)
{
	return (u32)v->base | (u32)v->size << DEV_BASE_SIZE_SHIFT | DEV_BASE_P | DEV_BASE_V;
}

/* Have every northbridge use @v for @domain from its next look at it on. */
static int base_write(struct exclusion *x, unsigned int domain, const struct exclusion_vector *v)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < x->nr_nodes; i++)
		ret = reg_write(x, &x->nodes[i], DEV_BASE_LO, domain, base_lo(v));
	if (ret)
		x->state = EXCLUSION_BROKEN;
	return ret;
}

/* Domains that other northbridges lack: no device is in one, but their registers name a vector, which must be there. */
static int base_write_rest(struct exclusion *x, const struct exclusion_vector *v)
{
	unsigned int i, domain;
	int ret = 0;

	for (i = 0; i < x->nr_nodes; i++) {
		for (domain = x->nr_domains; !ret && domain < x->nodes[i].domains; domain++)
			ret = reg_write(x, &x->nodes[i], DEV_BASE_LO, domain, base_lo(v));
	}
	if (ret)
		x->state = EXCLUSION_BROKEN;
	return ret;
}

static int size_for(u64 pages)
{
	int size;

	if (!pages)
		return -EINVAL;
	for (size = 0; size <= DEV_BASE_SIZE_MAX; size++) {
		if (pages <= EXCLUSION_PAGES(size))
			return size;
	}
	return -EINVAL;
}

/* ---- on and off ---- */

/* All domains that this northbridge has, also those that others lack: no register keeps what firmware left in it. */
static int node_program(struct exclusion *x, const struct exclusion_node *n)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < n->domains; i++) {
		ret = reg_write(x, n, DEV_BASE_HI, i, 0);
		ret = ret ?: reg_write(x, n, DEV_BASE_LO, i, base_lo(&x->vectors[0]));
	}
	for (i = 0; !ret && i < n->maps; i++)
		ret = reg_write(x, n, DEV_MAP, i, 0);
	ret = ret ?: reg_write(x, n, DEV_ERR_STATUS, 0, 0);
	ret = ret ?: cr_set(x, n, 0);
	ret = ret ?: invalidation_begin(x, n);
	ret = ret ?: invalidation_wait(x, n);
	return ret ?: cr_set(x, n, DEV_CR_DEVEN | DEV_CR_IOSPEN);
}

static int node_off(struct exclusion *x, const struct exclusion_node *n)
{
	unsigned int i;
	int ret = cr_set(x, n, 0);

	for (i = 0; !ret && i < n->domains; i++)
		ret = reg_write(x, n, DEV_BASE_LO, i, 0);
	for (i = 0; !ret && i < n->maps; i++)
		ret = reg_write(x, n, DEV_MAP, i, 0);
	ret = ret ?: invalidation_begin(x, n);
	return ret ?: invalidation_wait(x, n);
}

/* The first @count northbridges; the vectors are freed if all of them let go. */
static int nodes_off(struct exclusion *x, unsigned int count)
{
	unsigned int i;
	int ret = 0, first = 0;

	for (i = 0; i < count; i++) {
		ret = node_off(x, &x->nodes[i]);
		first = first ?: ret;
	}
	if (first) {
		x->state = EXCLUSION_BROKEN;
		return first;
	}
	for (i = 0; i < x->nr_domains; i++) {
		vector_destroy(x, &x->vectors[i]);
		vector_destroy(x, &x->grown[i]);
	}
	memset(x->maps, 0, sizeof(x->maps));
	x->state = EXCLUSION_OFF;
	return 0;
}

static int nodes_unused(struct exclusion *x)
{
	unsigned int i;
	u32 cr;
	int ret = 0;

	for (i = 0; !ret && i < x->nr_nodes; i++) {
		ret = cr_read(x, &x->nodes[i], &cr);
		if (!ret && (cr & (DEV_CR_DEVEN | DEV_CR_SL_DEV_EN)))
			ret = -EBUSY;
	}
	return ret;
}

static int start_locked(struct exclusion *x, u64 pages)
{
	unsigned int i;
	int ret, size = size_for(pages);

	if (!x->nr_nodes)
		return -ENODEV;
	if (x->state != EXCLUSION_OFF)
		return -EBUSY;
	if (size < 0)
		return size;
	ret = nodes_unused(x);
	ret = ret ?: vector_create(x, &x->vectors[0], size);
	if (ret)
		return ret;
	x->size = size;
	x->rules[0] = EXCLUSION_REACH_ALL;
	shield(x, x->vectors, &x->vectors[0], true);
	wmb();	/* the vector before the first northbridge that reads it */
	for (i = 0; i < x->nr_nodes; i++) {
		ret = node_program(x, &x->nodes[i]);
		if (ret) {
			nodes_off(x, i + 1);
			return ret;
		}
	}
	x->state = EXCLUSION_ON;
	return 0;
}

int exclusion_start(struct exclusion *x, u64 pages)
{
	int ret;

	mutex_lock(&x->lock);
	ret = start_locked(x, pages);
	mutex_unlock(&x->lock);
	return ret;
}

int exclusion_stop(struct exclusion *x)
{
	int ret = 0;

	mutex_lock(&x->lock);
	if (x->state != EXCLUSION_OFF)
		ret = nodes_off(x, x->nr_nodes);
	mutex_unlock(&x->lock);
	return ret;
}

/* 0 while protection is on and believed in. */
static int must_be_on(const struct exclusion *x)
{
	switch (x->state) {
	case EXCLUSION_ON:
		return 0;
	case EXCLUSION_BROKEN:
		return -EIO;
	default:
		return -ENODEV;
	}
}

/* ---- pages ---- */

static bool overlaps(u64 first, u64 count, u64 other, u64 others)
{
	return first < other + others && other < first + count;
}

/* Vectors are excluded always, and their pages go back to the domains' rules when they are freed. */
static bool holds_vector(const struct exclusion *x, u64 first, u64 count)
{
	unsigned int i;

	for (i = 0; i < x->nr_domains; i++) {
		const struct exclusion_vector *v = &x->vectors[i];

		if (v->bits && overlaps(first, count, vector_first_page(v), vector_pages(v)))
			return true;
	}
	return false;
}

static int pages_change_locked(struct exclusion *x, unsigned int domain, u64 first, u64 count, bool excluded)
{
	int ret = must_be_on(x);

	if (ret)
		return ret;
	if (!is_open(x, domain))
		return -EINVAL;
	if (!excluded && first + count > EXCLUSION_PAGES(x->size))
		return -ERANGE;
	if (holds_vector(x, first, count))
		return -EPERM;
	vector_fill(&x->vectors[domain], first, count, excluded);
	return invalidate(x);
}

static int pages_change(struct exclusion *x, unsigned int domain, u64 first, u64 count, bool excluded)
{
	int ret;

	if (!count || first + count < first)
		return -EINVAL;
	mutex_lock(&x->lock);
	ret = pages_change_locked(x, domain, first, count, excluded);
	mutex_unlock(&x->lock);
	return ret;
}

int exclusion_exclude(struct exclusion *x, unsigned int domain, u64 first, u64 count)
{
	return pages_change(x, domain, first, count, true);
}

int exclusion_permit(struct exclusion *x, unsigned int domain, u64 first, u64 count)
{
	return pages_change(x, domain, first, count, false);
}

/* ---- domains ---- */

/*
 * Nothing counts that is in a vector's memory before devices are known to be kept from it: first the shield, which the northbridges
 * must have seen, then the contents, then the use.
 */
static int domain_open_locked(struct exclusion *x, enum exclusion_rule rule)
{
	struct exclusion_vector *v;
	unsigned int domain;
	int ret = must_be_on(x);

	if (ret)
		return ret;
	for (domain = 1; domain < x->nr_domains && is_open(x, domain); domain++)
		;
	if (domain >= x->nr_domains)
		return -ENOSPC;
	v = &x->vectors[domain];
	ret = vector_create(x, v, x->size);
	if (ret)
		return ret;
	shield(x, x->vectors, v, true);
	ret = invalidate(x);
	if (ret)
		return ret;
	x->rules[domain] = rule;
	vector_fill(v, 0, EXCLUSION_PAGES(v->size), rule == EXCLUSION_REACH_NOTHING);
	shield_all(x, x->vectors, x->vectors, true);
	wmb();	/* the vector before the first northbridge that reads it */
	ret = base_write(x, domain, v);
	ret = ret ?: invalidate(x);
	return ret ?: (int)domain;
}

int exclusion_domain_open(struct exclusion *x, enum exclusion_rule rule)
{
	int ret;

	mutex_lock(&x->lock);
	ret = domain_open_locked(x, rule);
	mutex_unlock(&x->lock);
	return ret;
}

/* One of the two devices of a map register. */
struct map_place {
	unsigned int index;
	unsigned int second;
};

static u32 place_device(u32 map, unsigned int second)
{
	return (second ? map >> DEV_MAP_UNIT1_SHIFT : map) & (DEV_MAP_V0 | DEV_MAP_UNIT_MASK);
}

static bool place_taken(u32 map, unsigned int second)
{
	return place_device(map, second) & DEV_MAP_V0;
}

static unsigned int place_domain(u32 map, unsigned int second)
{
	return map >> (second ? DEV_MAP_DOM1_SHIFT : DEV_MAP_DOM0_SHIFT) & DEV_MAP_DOM_MASK;
}

static u8 map_bus(u32 map)
{
	return map >> DEV_MAP_BUS_SHIFT;
}

static bool domain_has_devices(const struct exclusion *x, unsigned int domain)
{
	unsigned int i;

	for (i = 0; i < x->nr_maps; i++) {
		if ((place_taken(x->maps[i], 0) && place_domain(x->maps[i], 0) == domain) ||
		    (place_taken(x->maps[i], 1) && place_domain(x->maps[i], 1) == domain))
			return true;
	}
	return false;
}

static int domain_close_locked(struct exclusion *x, unsigned int domain)
{
	struct exclusion_vector old;
	int ret = must_be_on(x);

	if (ret)
		return ret;
	if (!domain || !is_open(x, domain))
		return -EINVAL;
	if (domain_has_devices(x, domain))
		return -EBUSY;
	ret = base_write(x, domain, &x->vectors[0]);
	ret = ret ?: invalidate(x);
	if (ret)
		return ret;
	/* From here on nobody reads it: its pages are as any other. */
	old = x->vectors[domain];
	x->vectors[domain].bits = NULL;
	shield(x, x->vectors, &old, false);
	vector_destroy(x, &old);
	return invalidate(x);
}

int exclusion_domain_close(struct exclusion *x, unsigned int domain)
{
	int ret;

	mutex_lock(&x->lock);
	ret = domain_close_locked(x, domain);
	mutex_unlock(&x->lock);
	return ret;
}

/* ---- devices ---- */

static bool place_find(const struct exclusion *x, struct exclusion_device device, struct map_place *place)
{
	for (place->index = 0; place->index < x->nr_maps; place->index++) {
		const u32 map = x->maps[place->index];

		if (map_bus(map) != device.bus)
			continue;
		for (place->second = 0; place->second < 2; place->second++) {
			if (place_device(map, place->second) == (DEV_MAP_V0 | device.unit))
				return true;
		}
	}
	return false;
}

/* A free one in a register of that bus, or in one that is free altogether. */
static bool place_free(const struct exclusion *x, u8 bus, struct map_place *place)
{
	for (place->index = 0; place->index < x->nr_maps; place->index++) {
		const u32 map = x->maps[place->index];
		const bool first = place_taken(map, 0), second = place_taken(map, 1);

		place->second = first;
		if ((first || second) && map_bus(map) == bus && !(first && second))
			return true;
	}
	for (place->index = 0; place->index < x->nr_maps; place->index++) {
		const u32 map = x->maps[place->index];

		place->second = 0;
		if (!place_taken(map, 0) && !place_taken(map, 1))
			return true;
	}
	return false;
}

/* A register is written as a whole: no device is without its domain, or in another's, for a moment. */
static int map_write(struct exclusion *x, unsigned int index, u32 map)
{
	unsigned int i;
	int ret = 0;

	x->maps[index] = map;
	for (i = 0; !ret && i < x->nr_nodes; i++)
		ret = reg_write(x, &x->nodes[i], DEV_MAP, index, map);
	if (ret)
		x->state = EXCLUSION_BROKEN;
	return ret ?: invalidate(x);
}

static u32 map_without(u32 map, unsigned int second)
{
	const u32 device = DEV_MAP_V0 | DEV_MAP_UNIT_MASK;

	return map & ~(second ? device << DEV_MAP_UNIT1_SHIFT | DEV_MAP_DOM_MASK << DEV_MAP_DOM1_SHIFT :
			       device | DEV_MAP_DOM_MASK << DEV_MAP_DOM0_SHIFT);
}

static u32 map_with(u32 map, unsigned int second, struct exclusion_device device, unsigned int domain)
{
	const u32 unit = DEV_MAP_V0 | device.unit;

	map = map_without(map, second) & ~(0xffu << DEV_MAP_BUS_SHIFT);
	map |= (u32)device.bus << DEV_MAP_BUS_SHIFT;
	return map | (second ? unit << DEV_MAP_UNIT1_SHIFT | domain << DEV_MAP_DOM1_SHIFT : unit | domain << DEV_MAP_DOM0_SHIFT);
}

static int assign_locked(struct exclusion *x, struct exclusion_device device, unsigned int domain)
{
	struct map_place place;
	int ret = must_be_on(x);

	if (ret)
		return ret;
	if (device.unit > DEV_MAP_UNIT_MASK || !domain || !is_open(x, domain))
		return -EINVAL;
	if (place_find(x, device, &place))
		return -EEXIST;
	if (!place_free(x, device.bus, &place))
		return -ENOSPC;
	return map_write(x, place.index, map_with(x->maps[place.index], place.second, device, domain));
}

int exclusion_assign(struct exclusion *x, struct exclusion_device device, unsigned int domain)
{
	int ret;

	mutex_lock(&x->lock);
	ret = assign_locked(x, device, domain);
	mutex_unlock(&x->lock);
	return ret;
}

int exclusion_unassign(struct exclusion *x, struct exclusion_device device)
{
	struct map_place place;
	int ret;

	mutex_lock(&x->lock);
	ret = must_be_on(x);
	if (!ret && !place_find(x, device, &place))
		ret = -ENOENT;
	if (!ret)
		ret = map_write(x, place.index, map_without(x->maps[place.index], place.second));
	mutex_unlock(&x->lock);
	return ret;
}

/* ---- memory hotplug ---- */

static int grown_create(struct exclusion *x, u8 size)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < x->nr_domains; i++) {
		if (is_open(x, i))
			ret = vector_create(x, &x->grown[i], size);
	}
	if (!ret)
		return 0;
	for (i = 0; i < x->nr_domains; i++)
		vector_destroy(x, &x->grown[i]);
	return ret;
}

/* As the old ones where those reach, which is all memory that holds vectors, old and new; by each domain's rule beyond. */
static void grown_fill(struct exclusion *x)
{
	const u64 old = EXCLUSION_PAGES(x->size);
	unsigned int i;

	for (i = 0; i < x->nr_domains; i++) {
		struct exclusion_vector *v = &x->grown[i];

		if (!v->bits)
			continue;
		memcpy(v->bits, x->vectors[i].bits, EXCLUSION_BYTES(x->size));
		vector_fill(v, old, EXCLUSION_PAGES(v->size) - old, x->rules[i] == EXCLUSION_REACH_NOTHING);
	}
}

/* In the order that domain_open_locked() tells. */
static int grown_use(struct exclusion *x)
{
	unsigned int i;
	int ret;

	shield_all(x, x->vectors, x->grown, true);
	ret = invalidate(x);
	if (ret)
		return ret;
	grown_fill(x);
	wmb();	/* the vectors before the first northbridge that reads them */
	for (i = 0; !ret && i < x->nr_domains; i++)
		ret = base_write(x, i, x->grown[i].bits ? &x->grown[i] : &x->grown[0]);
	ret = ret ?: base_write_rest(x, &x->grown[0]);
	return ret ?: invalidate(x);
}

static int grow_locked(struct exclusion *x, u64 pages)
{
	unsigned int i;
	int ret = must_be_on(x), size = size_for(pages);

	if (ret || size < 0)
		return ret ?: size;
	if (size <= x->size)
		return 0;
	ret = grown_create(x, size);
	ret = ret ?: grown_use(x);
	if (ret)
		return ret;	/* where northbridges may read both, both stay until exclusion_stop() */
	shield_all(x, x->grown, x->vectors, false);
	for (i = 0; i < x->nr_domains; i++) {
		vector_destroy(x, &x->vectors[i]);
		x->vectors[i] = x->grown[i];
		x->grown[i].bits = NULL;
	}
	x->size = size;
	return invalidate(x);
}

int exclusion_grow(struct exclusion *x, u64 pages)
{
	int ret;

	mutex_lock(&x->lock);
	ret = grow_locked(x, pages);
	mutex_unlock(&x->lock);
	return ret;
}

/* ---- errors ---- */

static int error_take(struct exclusion *x, const struct exclusion_node *n, struct exclusion_error *error)
{
	u32 status, now, lo, hi;
	int ret = reg_read(x, n, DEV_ERR_STATUS, 0, &status);

	if (ret || !(status & DEV_ERR_VAL))
		return ret;
	if (status == ~0u)
		return -EIO;
	ret = reg_read(x, n, DEV_ERR_ADDR_LO, 0, &lo);
	ret = ret ?: reg_read(x, n, DEV_ERR_ADDR_HI, 0, &hi);
	ret = ret ?: reg_read(x, n, DEV_ERR_STATUS, 0, &now);
	ret = ret ?: reg_write(x, n, DEV_ERR_STATUS, 0, 0);
	if (ret)
		return ret;
	*error = (struct exclusion_error){
		.node = n->node,
		.access = status & 3,
		.source = status >> 2 & 7,
		.target = status >> 5 & 7,
		.has_address = status & DEV_ERR_ADDRV,
		.more = now & DEV_ERR_OVF,
		.address = (u64)(hi & 0xffff) << 32 | (lo & ~3u),
	};
	return 1;
}

int exclusion_error_read(struct exclusion *x, unsigned int index, struct exclusion_error *error)
{
	int ret;

	if (index >= x->nr_nodes)
		return -EINVAL;
	mutex_lock(&x->lock);
	ret = error_take(x, &x->nodes[index], error);
	mutex_unlock(&x->lock);
	return ret;
}

void exclusion_error_text(const struct exclusion_error *error, char *buf, unsigned int size)
{
	static const char *const accesses[] = { "an access", "a read", "a write", "a read-modify-write" };
	static const char *const sources[8] = { "something", "a CPU", "a device" };
	static const char *const targets[8] = { "memory", "DRAM", "memory-mapped I/O", NULL, "I/O space", "configuration space" };
	char address[32] = "an unknown address";

	if (error->has_address)
		scnprintf(address, sizeof(address), "0x%llx", (unsigned long long)error->address);
	scnprintf(buf, size, "northbridge %u stopped %s by %s to %s in %s%s", error->node, accesses[error->access & 3],
		  sources[error->source & 7] ?: "something", address, targets[error->target & 7] ?: "memory",
		  error->more ? ", and others after it" : "");
}
