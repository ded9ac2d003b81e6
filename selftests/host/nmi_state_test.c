// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler of a host's NMI that ended a guest finds the host's XCR0, PKRU, IA32_XSS and IA32_DEBUGCTL, and
 * can read the launcher's memory, whatever the guest has in its own: perf's reads stacks there. The NMIs are
 * sent, and the state told, by selftests/lab/nmistate.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "thread.h"

#define STATE		"/proc/nmistate"
#define NR_NMIS		600
#define NR_BEFORE	20
#define GUEST_PKRU	0xfffffffc	/* all but key 0 are forbidden */
#define CR4_OSXSAVE	BIT(18)
#define CR4_PKE		BIT(22)

struct state {
	char where[64];
	u64 xcr0, pkru, xss, debugctl, can_read;
};

static volatile bool spinning, go;
static volatile u64 guest_stop;
static u8 *page;
static u32 host_pkru;
static bool has_pku, has_xsave;

static void send_nmis(unsigned int count)
{
	char text[64];
	int fd = open(STATE, O_WRONLY | O_CLOEXEC), n;

	ASSERT_GE(fd, 0);
	n = snprintf(text, sizeof(text), "%d %u %lx", host_cpu(0), count, (unsigned long)page);
	ASSERT_EQ(write(fd, text, n), n);
	close(fd);
}

/* What their handler found, one by one. */
static unsigned int read_states(struct state *s, unsigned int room)
{
	FILE *file = fopen(STATE, "re");
	unsigned int n = 0;
	char line[256];

	ASSERT(file, "no " STATE);
	while (n < room && fgets(line, sizeof(line), file)) {
		unsigned long long xcr0, pkru, xss, debugctl, can_read;
		char *values = strchr(line, ' ');

		/* a module's name may follow the function's */
		if (values && values[1] == '[')
			values = strchr(values + 1, ' ');
		ASSERT(values && sscanf(values, "%llx %llx %llx %llx %llx", &xcr0, &pkru, &xss, &debugctl, &can_read) == 5,
		       "a line of " STATE ": %s", line);
		snprintf(s[n].where, sizeof(s[n].where), "%.*s", (int)(values - line), line);
		s[n].xcr0 = xcr0;
		s[n].pkru = pkru;
		s[n].xss = xss;
		s[n].debugctl = debugctl;
		s[n].can_read = can_read;
		n++;
	}
	fclose(file);
	return n;
}

/* Its own values, then without an exit for most of the time, so that most NMIs come in it. */
static void guest(u64 xsave, u64 pku)
{
	u64 i;

	if (xsave) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		asm volatile("xsetbv" : : "a" (1), "d" (0), "c" (0));
	}
	if (pku) {
		write_cr4(read_cr4() | CR4_PKE);
		asm volatile("wrpkru" : : "a" (GUEST_PKRU), "c" (0), "d" (0));
	}
	while (!guest_stop) {
		for (i = 0; i < 20000 && !guest_stop; i++)
			asm volatile("pause");
		asm volatile("cpuid" : : "a" (0), "c" (0) : "ebx", "edx");
	}
	if (pku) {
		u32 pkru;

		asm volatile("rdpkru" : "=a" (pkru) : "c" (0) : "edx");
		GUEST_ROW("the guest's PKRU is still its own", GUEST_PKRU, pkru);
	}
}

static u32 read_pkru(void)
{
	u32 pkru;

	asm volatile("rdpkru" : "=a" (pkru) : "c" (0) : "edx");
	return pkru;
}

/* The launcher's thread: a while in user space first, for what is to be found. */
static void *launcher(void *vcpu)
{
	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	if (has_pku)
		asm volatile("wrpkru" : : "a" (host_pkru), "c" (0), "d" (0));
	spinning = true;
	while (!go)
		;
	vcpu_run_done(vcpu);
	if (has_pku)
		CHECK_EQ("the launcher's PKRU is still its own", host_pkru, read_pkru());
	return NULL;
}

/* A page with a key that the launcher's PKRU allows and the guest's forbids. */
static void make_page(void)
{
	int key;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT(page != MAP_FAILED, "mmap");
	if (!has_pku)
		return;
	key = pkey_alloc(0, 0);
	ASSERT_GE(key, 1);
	ASSERT_EQ(pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, key), 0);
	host_pkru = read_pkru();
	ASSERT_EQ(host_pkru >> (2 * key) & 3, 0);
}

/* Where an NMI that ended a guest is taken, in Keel and in stock KVM. */
static bool has_ended_guest(const struct state *s)
{
	static const char * const names[] = { "serve_nmi", "vmx_do_nmi", "svm_vcpu_enter_exit", "svm_vcpu_run" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(s->where, names[i], strlen(names[i])))
			return true;
	return false;
}

static const struct {
	const char *name;
	size_t at;
} fields[] = {
	{ "XCR0", offsetof(struct state, xcr0) },
	{ "PKRU", offsetof(struct state, pkru) },
	{ "IA32_XSS", offsetof(struct state, xss) },
	{ "IA32_DEBUGCTL", offsetof(struct state, debugctl) },
	{ "memory that the launcher can read", offsetof(struct state, can_read) },
};

static u64 field_of(const struct state *s, size_t at)
{
	u64 value;

	memcpy(&value, (const u8 *)s + at, sizeof(value));
	return value;
}

static bool is_same(const struct state *a, const struct state *b)
{
	return !memcmp(&a->xcr0, &b->xcr0, sizeof(*a) - offsetof(struct state, xcr0));
}

/* Each value once is enough, of those that differ. */
static void check_field(unsigned int f, const struct state *host, const struct state *s, unsigned int n)
{
	u64 wanted = field_of(host, fields[f].at);
	unsigned int i;

	for (i = 0; i < n; i++)
		if (has_ended_guest(&s[i]) && field_of(&s[i], fields[f].at) != wanted)
			break;
	CHECK_EQ(fields[f].name, wanted, field_of(i < n ? &s[i] : host, fields[f].at));
}

/* Each value in turn, where the host's own do not stay. */
static void check_same(const struct state *a, const struct state *b)
{
	size_t f;

	for (f = 0; f < ARRAY_SIZE(fields); f++)
		ASSERT(field_of(a, fields[f].at) == field_of(b, fields[f].at), "%s changes without a guest: %#lx in %s, %#lx in %s",
		       fields[f].name, field_of(a, fields[f].at), a->where, field_of(b, fields[f].at), b->where);
}

static void check_states(const struct state *host, const struct state *s, unsigned int n)
{
	unsigned int i, ended = 0, loop = 0;

	for (i = 0; i < n; i++) {
		if (has_ended_guest(&s[i]))
			ended++;
		else if (!is_same(host, &s[i]))
			loop++;
	}
	test_note("%u NMIs: %u ended the guest; %u others found values of the guest", n, ended, loop);
	ASSERT_GE(ended, n / 4);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		check_field(i, host, s, n);
}

static void test_state(void)
{
	static struct state before[NR_BEFORE], s[NR_NMIS];
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);
	pthread_t thread;
	unsigned int i;

	REQUIRE(!access(STATE, W_OK), "no " STATE ": selftests/lab/nmistate is not loaded");
	REQUIRE(host_cpu(1) >= 0, "one CPU");
	has_xsave = cpuid_row(supported_cpuid(), 1, 0)->ecx & BIT(26);
	has_pku = cpuid_row(supported_cpuid(), 7, 0)->ecx & BIT(3);
	REQUIRE(has_xsave || has_pku, "neither XCR0 nor PKRU");
	make_page();
	vcpu_args(vcpu, has_xsave, has_pku, 0);
	vcpu_let_host_in(vcpu);
	thread = host_thread(launcher, vcpu);
	ASSERT_EQ(host_pin(0, host_cpu(1)), 0);
	while (!spinning)
		host_sleep_ms(1);
	send_nmis(NR_BEFORE);
	ASSERT_EQ(read_states(before, NR_BEFORE), NR_BEFORE);
	for (i = 1; i < NR_BEFORE; i++)
		check_same(&before[0], &before[i]);
	CHECK_EQ("readable without a guest", 1, before[0].can_read);
	CHECK_EQ("PKRU without a guest", has_pku ? host_pkru : 0, before[0].pkru);
	if (has_xsave)
		CHECK_EQ("XCR0 is not the guest's", 0, before[0].xcr0 == 1);
	go = true;
	host_sleep_ms(50);
	send_nmis(NR_NMIS);
	*GUEST_VAR(vm, guest_stop) = 1;
	ASSERT_EQ(read_states(s, NR_NMIS), NR_NMIS);
	host_join(thread);
	check_states(&before[0], s, NR_NMIS);
}

static const struct test_case cases[] = {
	{ "state", test_state },
};

TEST_MAIN(cases)
