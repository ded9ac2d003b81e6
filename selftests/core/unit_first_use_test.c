// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU keeps of another one's until its first use: it comes with that use as it was, whichever allocation fails before, whoever is first, and over
 * several generations; and until then it takes no more than the bytes that are there.
 */
#include <keel/vcpu_life.h>

#include "core/first_use.h"
#include "test.h"

#define OWN		offsetof(struct kvm_run, exit_reason)
#define FPU_SIZE	832
#define FPU_INIT	0x37f
#define BACKEND		64

/* ---- the kernel's part ---- */

unsigned int shim_may_allocate = ~0u, shim_fails;
size_t shim_allocated;
void (*shim_meanwhile)(void);

struct allocation {
	size_t size, unused;
};

void *shim_allocate(size_t size)
{
	struct allocation *a;

	if (!shim_may_allocate || (shim_fails && !--shim_fails))
		return NULL;
	shim_may_allocate--;
	a = malloc(sizeof(*a) + size);
	a->size = size;
	shim_allocated += size;
	return a + 1;
}

void shim_free(void *p)
{
	if (!p)
		return;
	shim_allocated -= ((struct allocation *)p - 1)->size;
	free((struct allocation *)p - 1);
}

unsigned long get_zeroed_page(int flags)
{
	void (*meanwhile)(void) = shim_meanwhile;
	void *page = shim_allocate(PAGE_SIZE);

	shim_meanwhile = NULL;
	if (meanwhile)
		meanwhile();
	return (unsigned long)(page ? memset(page, 0, PAGE_SIZE) : NULL);
}

int keel_host_fpu_create(struct host_fpu *fpu)
{
	fpu->priv = shim_allocate(FPU_SIZE);
	/* whatever the kernel puts there */
	if (fpu->priv)
		memset(fpu->priv, 0xa5, FPU_SIZE);
	return fpu->priv ? 0 : -ENOMEM;
}

void keel_host_fpu_destroy(struct host_fpu *fpu)
{
	shim_free(fpu->priv);
}

void keel_host_fpu_init_state(struct host_fpu *fpu)
{
	memset(fpu->priv, 0, FPU_SIZE);
	memcpy(fpu->priv, &(u16){ FPU_INIT }, sizeof(u16));
}

void *keel_host_fpu_image(const struct host_fpu *fpu, size_t *size)
{
	*size = FPU_SIZE;
	return fpu->priv;
}

static int backend_first_use(struct vcpu *vcpu)
{
	if (!vcpu->backend)
		vcpu->backend = shim_allocate(BACKEND);
	return vcpu->backend ? 0 : -ENOMEM;
}

static const struct vendor_ops with_backend = { .vcpu_first_use = backend_first_use }, without;
const struct vendor_ops *keel_vendor = &with_backend;

/* ---- vCPUs ---- */

static struct vcpu one, two, three;

static void setup(void)
{
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	memset(&three, 0, sizeof(three));
}

static void destroy(struct vcpu *vcpu)
{
	vcpu_first_use_destroy(vcpu);
	shim_free(vcpu->backend);
}

/* Where something is, in the pages and in the FPU state; -1 for nowhere. */
struct places {
	const char *name;
	int run, pio, fpu;
	size_t kept;	/* bytes of the parts, up to there */
};

static const struct places places[] = {
	{ "as after its creation", -1, -1, 0, 8 },
	{ "the beginning", OWN, 0, 0, 24 },
	{ "what the launcher says alone", 1, -1, 0, 8 },
	{ "somewhere", 100, 9, 530, 96 + 16 + 536 },
	{ "the end", PAGE_SIZE - 1, PAGE_SIZE - 1, FPU_SIZE - 1, PAGE_SIZE - OWN + PAGE_SIZE + FPU_SIZE },
	{ "nothing at all", -1, -1, -1, 0 },
};

static void put(void *where, int at)
{
	if (at >= 0)
		((u8 *)where)[at] = 0x5a;
}

static void write_places(struct vcpu *vcpu, const struct places *p)
{
	ASSERT_EQ(vcpu_make_complete(vcpu), 0);
	memset(vcpu->run, 0, PAGE_SIZE);
	memset(vcpu->pio_data, 0, PAGE_SIZE);
	memset(vcpu->fpu.priv, 0, FPU_SIZE);
	put(vcpu->run, p->run);
	put(vcpu->pio_data, p->pio);
	put(vcpu->fpu.priv, p->fpu);
}

static void check_places(struct vcpu *vcpu, const struct places *p)
{
	u8 page[PAGE_SIZE] = { 0 }, image[FPU_SIZE] = { 0 };

	put(page, p->run);
	CHECK_EQ("struct kvm_run", 0, memcmp((u8 *)vcpu->run + OWN, page + OWN, PAGE_SIZE - OWN));
	memset(page, 0, sizeof(page));
	put(page, p->pio);
	CHECK_EQ("the page of port data", 0, memcmp(vcpu->pio_data, page, PAGE_SIZE));
	if (p->fpu < 0)
		memcpy(image, &(u16){ FPU_INIT }, sizeof(u16));
	put(image, p->fpu);
	CHECK_EQ("FPU state", 0, memcmp(vcpu->fpu.priv, image, FPU_SIZE));
}

/* ---- cases ---- */

static void test_kept(void)
{
	size_t before;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		setup();
		test_note("%s", places[i].name);
		write_places(&one, &places[i]);
		before = shim_allocated;
		CHECK_RET("kept", 0, vcpu_keep(&two, &one));
		/* a head of 24 bytes, unless there is nothing */
		CHECK_EQ("bytes", places[i].kept ? places[i].kept + 24 : 0, shim_allocated - before);
		before = shim_allocated;
		/* the first goes on, and ends */
		memset(one.run, 0xff, PAGE_SIZE);
		memset(one.pio_data, 0xff, PAGE_SIZE);
		memset(one.fpu.priv, 0xff, FPU_SIZE);
		CHECK_RET("first use", 0, vcpu_make_complete(&two));
		check_places(&two, &places[i]);
		CHECK_EQ("the launcher's word is its own", 0, *(u64 *)two.run);
		CHECK_EQ("nothing is kept any more", 1, !two.life.kept);
		destroy(&one);
		destroy(&two);
		CHECK_EQ("bytes left", 0, shim_allocated);
	}
}

/* Each allocation of the way to the first use, and of keeping, fails once and is had the next time. */
static void test_no_memory(void)
{
	const struct places *p = &places[3];
	static const char *const steps[] = { "kvm_run", "port data", "the backend's", "FPU state" };
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(steps); n++) {
		setup();
		write_places(&one, p);
		shim_may_allocate = 0;
		CHECK_RET("none to keep", -ENOMEM, vcpu_keep(&two, &one));
		CHECK_EQ("nothing kept", 1, !two.life.kept);
		shim_may_allocate = ~0u;
		ASSERT_EQ(vcpu_keep(&two, &one), 0);
		shim_fails = n + 1;
		CHECK_RET(steps[n], -ENOMEM, vcpu_make_complete(&two));
		CHECK_EQ("still kept", 1, two.life.kept && !two.fpu.priv);
		shim_may_allocate = 0;
		CHECK_RET("all", -ENOMEM, vcpu_make_complete(&two));
		/* another one is made of it in this state */
		shim_may_allocate = ~0u;
		CHECK_RET("kept of what is half there", 0, vcpu_keep(&three, &two));
		CHECK_RET("then", 0, vcpu_make_complete(&two));
		check_places(&two, p);
		CHECK_RET("and that one", 0, vcpu_make_complete(&three));
		check_places(&three, p);
		destroy(&one);
		destroy(&two);
		destroy(&three);
		CHECK_EQ("bytes left", 0, shim_allocated);
	}
}

/* A fault on the mapping finds kvm_run as it is, and what the launcher writes there is what a vCPU made of this one has. */
static void test_mapping(void)
{
	const struct places *p = &places[3];
	u8 *page;

	setup();
	write_places(&one, p);
	ASSERT_EQ(vcpu_keep(&two, &one), 0);
	shim_may_allocate = 0;
	CHECK_EQ("a fault without memory", 1, !keel_vcpu_user_page(&two, USER_PAGE_PIO));
	shim_may_allocate = ~0u;
	page = keel_vcpu_user_page(&two, USER_PAGE_PIO);
	CHECK_EQ("port data", 0x5a, page[p->pio]);
	CHECK_EQ("the same", 1, page == keel_vcpu_user_page(&two, USER_PAGE_PIO));
	page[p->pio] = 0x77;
	ASSERT_EQ(vcpu_keep(&three, &two), 0);
	ASSERT_EQ(vcpu_make_complete(&two), 0);
	CHECK_EQ("the answer stays", 0x77, ((u8 *)two.pio_data)[p->pio]);
	CHECK_EQ("kvm_run", 0x5a, ((u8 *)two.run)[p->run]);
	ASSERT_EQ(vcpu_make_complete(&three), 0);
	CHECK_EQ("and is another one's", 0x77, ((u8 *)three.pio_data)[p->pio]);
	((u8 *)three.pio_data)[p->pio] = 0x5a;
	check_places(&three, p);
	destroy(&one);
	destroy(&two);
	destroy(&three);
	CHECK_EQ("bytes left", 0, shim_allocated);
}

static void use_two(void)
{
	ASSERT_EQ(vcpu_make_complete(&two), 0);
	ASSERT_EQ(!two.life.kept, 1);
	((u8 *)two.run)[OWN] = 0x77;
}

/* The first use comes while a fault waits for its page: there is one page, and what is kept is not looked at any more. */
static void test_both_first(void)
{
	const struct places *p = &places[3];
	u8 *page;

	setup();
	write_places(&one, p);
	ASSERT_EQ(vcpu_keep(&two, &one), 0);
	shim_meanwhile = use_two;
	page = keel_vcpu_user_page(&two, USER_PAGE_RUN);
	CHECK_EQ("one page", 1, page == (u8 *)two.run);
	CHECK_EQ("with what was written since", 0x77, page[OWN]);
	page[OWN] = 0;
	check_places(&two, p);
	destroy(&one);
	destroy(&two);
	CHECK_EQ("bytes left", 0, shim_allocated);
}

/* Back to what was kept: on one that is in use, on one that has a page alone, on one that nobody has used. */
static void test_back(void)
{
	unsigned int i;
	u64 own = 0x1234;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		setup();
		test_note("%s", places[i].name);
		write_places(&one, &places[i]);
		ASSERT_EQ(vcpu_keep(&two, &one), 0);
		memset(one.run, 0xff, PAGE_SIZE);
		memset(one.pio_data, 0xff, PAGE_SIZE);
		memset(one.fpu.priv, 0xff, FPU_SIZE);
		memcpy(one.run, &own, sizeof(own));
		shim_may_allocate = 0;
		vcpu_put_kept(&one, &two);
		check_places(&one, &places[i]);
		CHECK_EQ("the launcher's word stays", own, *(u64 *)one.run);
		vcpu_put_kept(&three, &two);
		CHECK_EQ("nothing is made", 1, !three.run && !three.pio_data && !three.fpu.priv);
		shim_may_allocate = ~0u;
		memset(keel_vcpu_user_page(&three, USER_PAGE_RUN), 0xff, PAGE_SIZE);
		vcpu_put_kept(&three, &two);
		ASSERT_EQ(memcmp((u8 *)three.run + OWN, (u8 *)one.run + OWN, PAGE_SIZE - OWN), 0);
		destroy(&one);
		destroy(&two);
		destroy(&three);
		CHECK_EQ("bytes left", 0, shim_allocated);
	}
}

static void test_backend(void)
{
	setup();
	keel_vendor = &without;
	CHECK_RET("a backend that needs nothing", 0, vcpu_make_complete(&one));
	CHECK_EQ("a control word", FPU_INIT, *(u16 *)one.fpu.priv);
	destroy(&one);
	CHECK_EQ("bytes left", 0, shim_allocated);
}

static const struct test_case cases[] = {
	{ "kept", test_kept },
	{ "no_memory", test_no_memory },
	{ "mapping", test_mapping },
	{ "both_first", test_both_first },
	{ "back", test_back },
	{ "backend", test_backend },
};

TEST_MAIN(cases)
