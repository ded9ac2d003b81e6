// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs and interrupt controllers out of a kernel and into another: all of it, in the order that is needed. */
#include "fake_kvm.h"
#include "userspace/state_fields.h"
#include "userspace/vcpu.h"

/* ---- tests ---- */

static struct vm vm = { .node = NODE, .fd = VM };
static struct vcpu vcpus[2] = { { .vm = &vm, .index = 0, .fd = VCPU }, { .vm = &vm, .index = 1, .fd = VCPU + 1 } };

#define chips	all_chips[0]

/* Another kernel, as new. */
static void clear(void)
{
	for (unsigned int v = 0; v < 2; v++)
		empty_vcpu(&kernel[v].state, v);
	memset(&chips, 0, sizeof(chips));
	call_count = 0;
}

static struct state_vcpu *take_both(void)
{
	struct state_vcpu *saved = calloc(2, sizeof(*saved));
	struct state_error error = { "" };

	for (unsigned int v = 0; v < 2; v++)
		if (!state_vcpu_take(&vcpus[v], &saved[v], &error))
			FAIL("%s", error.text);
	return saved;
}

static void test_round_trip(void)
{
	set_up_kernel();
	struct state_vcpu *saved = take_both(), *again;
	struct state_error error = { "" };

	clear();
	for (unsigned int v = 0; v < 2; v++)
		if (!state_vcpu_give(&vcpus[v], &saved[v], &saved[0], &error))
			FAIL("%s", error.text);
	CHECK_EQ("TSC of vCPU 0", 5000, kernel[0].state.tsc_offset);
	CHECK_EQ("TSC of vCPU 1: as far from it as before", 5017, kernel[1].state.tsc_offset);
	again = take_both();
	for (unsigned int v = 0; v < 2; v++) {
		struct state_buffer a = { 0 }, b = { 0 };

		saved[v].tsc_offset = again[v].tsc_offset;
		state_fields_put(&a, &state_vcpu_layout, &saved[v]);
		state_fields_put(&b, &state_vcpu_layout, &again[v]);
		CHECK_EQ("all of it", 1, a.used == b.used && !memcmp(a.bytes, b.bytes, a.used));
		CHECK_EQ("MSRs: those that can be read", ARRAY_SIZE(msr_indices), again[v].msr_count);
		CHECK_EQ("XSAVE area", 8192, again[v].xsave_size);
		state_buffer_free(&a);
		state_buffer_free(&b);
	}
	free(saved);
	free(again);
}

/* Where a request is among those that were made; of an MSR, by what is in the list. */
static unsigned int place(unsigned long request)
{
	for (unsigned int i = 0; i < call_count; i++)
		if (calls[i] == request)
			return i;
	FAIL("request %#lx was not made", request);
}

static unsigned int last_place(unsigned long request)
{
	unsigned int at = place(request);

	for (unsigned int i = at; i < call_count; i++)
		at = calls[i] == request ? i : at;
	return at;
}

static void test_order(void)
{
	static const struct {
		const char *name;
		unsigned long before, after;
	} rows[] = {
		{ "CPUID, the registers that it allows", KVM_SET_CPUID2, KVM_SET_SREGS2 },
		{ "the first MSR, the TSC, before the local APIC", KVM_SET_MSRS, KVM_SET_LAPIC },
		{ "the mode, then the registers", KVM_SET_SREGS2, KVM_SET_REGS },
		{ "XCR0, the components that it enables", KVM_SET_XCRS, KVM_SET_XSAVE },
		{ "the APIC's base, its registers", KVM_SET_SREGS2, KVM_SET_LAPIC },
		{ "the local APIC, what it has pending", KVM_SET_LAPIC, KVM_SET_VCPU_EVENTS },
		{ "all, then whether it runs", KVM_SET_VCPU_EVENTS, KVM_SET_MP_STATE },
	};
	struct state_error error = { "" };

	set_up_kernel();
	struct state_vcpu *saved = take_both();

	CHECK_EQ("taking begins with what can change the others", 0, place(KVM_GET_MP_STATE));
	clear();
	ASSERT(state_vcpu_give(&vcpus[0], saved, saved, &error), "%s", error.text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, 1, place(rows[i].before) < place(rows[i].after));
	CHECK_EQ("the last MSR, the deadline, behind the local APIC", 1, last_place(KVM_SET_MSRS) > place(KVM_SET_LAPIC));
	CHECK_EQ("nothing follows", call_count - 1, place(KVM_SET_MP_STATE));
	free(saved);
}

/*
 * What came before takes effect before; and CR0 is written, as it is, in such a way that it changes. Stock KVM on AMD's
 * CPUs has forgotten its nested tables at a shutdown in real mode, and finds them again when CR0 changes. On Intel's it
 * refuses registers without CR4.VMXE to a guest that has done VMXON, until the MSR that allows that is as at power-on.
 */
static void test_reset(void)
{
	static const struct {
		const char *name;
		u64 cr0;
	} rows[] = {
		{ "at power-on", 0x60000010 },
		{ "with caches", 0x10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_error error = { "" };

		set_up_kernel();
		kernel[0].state.sregs.cr0 = rows[i].cr0;
		kernel[0].state.msrs[kernel[0].state.msr_count++] = (struct state_msr){ MSR_FEATURE_CONTROL, 0 };
		struct state_vcpu *saved = take_both();

		kernel[0].state.msrs[kernel[0].state.msr_count - 1].value = 5;
		call_count = 0;
		cr0_changes = 0;
		sregs_too_early = 0;
		ASSERT(state_vcpu_reset(&vcpus[0], saved, &error), "%s", error.text);
		CHECK_EQ(rows[i].name, rows[i].cr0, kernel[0].state.sregs.cr0);
		CHECK_EQ("signals that have come, before what they would change", 0, place(KVM_GET_MP_STATE));
		CHECK_EQ("CR0 changes, and back", 2, cr0_changes);
		CHECK_EQ("special registers of a hypervisor", 0, sregs_too_early);
		CHECK_EQ("nothing follows", call_count - 1, place(KVM_SET_MP_STATE));
		free(saved);
	}
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		unsigned long request;
		u32 msr;
		bool is_given;
		const char *wanted;
	} rows[] = {
		{ "registers", KVM_GET_REGS, 0, false, "vCPU 1: KVM_GET_REGS: Operation not permitted" },
		{ "CPUID", KVM_GET_CPUID2, 0, false, "vCPU 1: KVM_GET_CPUID2" },
		{ "MSRs", KVM_GET_MSR_INDEX_LIST, 0, false, "vCPU 1: KVM_GET_MSR_INDEX_LIST" },
		{ "another CPUID", KVM_SET_CPUID2, 0, true, "vCPU 1: KVM_SET_CPUID2" },
		{ "a mode", KVM_SET_SREGS2, 0, true, "vCPU 1: KVM_SET_SREGS2" },
		{ "pending events", KVM_SET_VCPU_EVENTS, 0, true, "vCPU 1: KVM_SET_VCPU_EVENTS" },
		{ "an MSR", 0, 0x277, true, "vCPU 1: MSR 0x277 cannot be 0x" },
		{ "the deadline", 0, 0x6e0, true, "vCPU 1: MSR 0x6e0 cannot be 0x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_error error = { "" };

		set_up_kernel();
		struct state_vcpu *saved = take_both();

		if (rows[i].is_given)
			clear();
		refused = rows[i].request;
		refused_msr = rows[i].msr;
		bool is_done = rows[i].is_given ? state_vcpu_give(&vcpus[1], &saved[1], saved, &error) :
						  state_vcpu_take(&vcpus[1], &saved[1], &error);

		CHECK_EQ(rows[i].name, 0, is_done);
		if (strncmp(error.text, rows[i].wanted, strlen(rows[i].wanted)))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, error.text);
		free(saved);
	}
}

/* An MSR that this kernel cannot write is none to mind as long as it is right. */
static void test_msr_right_already(void)
{
	struct state_error error = { "" };

	set_up_kernel();
	struct state_vcpu *saved = take_both();

	refused_msr = 0x277;
	CHECK_EQ("given to itself", 1, state_vcpu_give(&vcpus[1], &saved[1], saved, &error));
	free(saved);
}

static void test_tsc_rate(void)
{
	struct state_error error = { "" };

	set_up_kernel();
	struct state_vcpu *saved = take_both();

	CHECK_EQ("rate", 2000000, saved->tsc_khz);
	tsc_khz = 3000000;
	CHECK_EQ("another host's", 0, state_vcpu_give(&vcpus[0], saved, saved, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "vCPU 0: its TSC ran at 2000000 kHz, and this host gives 3000000 kHz alone"));
	free(saved);
}

/* A kernel reads as many bytes as it has components for, and not as many as there are. */
static void test_xsave_too_large(void)
{
	struct state_error error = { "" };

	set_up_kernel();
	struct state_vcpu *saved = take_both();

	clear();
	xsave_bytes = STATE_XSAVE_MAX + 64;
	CHECK_EQ("taken", 0, state_vcpu_take(&vcpus[1], &saved[1], &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "16448 bytes of XSAVE state are more than this program knows"));
	error.text[0] = 0;
	CHECK_EQ("given", 0, state_vcpu_give(&vcpus[0], saved, saved, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "16448 bytes of XSAVE state are more than this program knows"));
	xsave_bytes = 8192;
	free(saved);
}

/* Who has no XSAVE leaves a host that has it for one that has not. */
static void test_no_xsave_here(void)
{
	struct state_error error = { "" };

	set_up_kernel();
	struct state_vcpu *saved = take_both();

	clear();
	has_xcrs = 0;
	CHECK_EQ("given", 1, state_vcpu_give(&vcpus[0], saved, saved, &error));
	for (unsigned int i = 0; i < call_count; i++)
		CHECK_EQ("a request that the node does not know", 0, calls[i] == KVM_SET_XCRS);
	has_xcrs = 1;
	free(saved);
}

static void test_guest_hypervisor(void)
{
	struct state_error error = { "" };
	static struct state_vcpu saved;

	set_up_kernel();
	kernel[0].state.sregs.cr4 |= 0x2000;
	CHECK_EQ("taken", 0, state_vcpu_take(&vcpus[0], &saved, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "guests of guests"));
}

static void test_chips(void)
{
	struct state_chips saved, before;
	struct state_error error = { "" };

	set_up_kernel();
	for (size_t i = 0; i < sizeof(chips); i++)
		((u8 *)&chips)[i] = (u8)(i * 7);
	before = chips;
	ASSERT(state_chips_take(&vm, &saved, &error), "%s", error.text);
	clear();
	ASSERT(state_chips_give(&vm, &saved, &error), "%s", error.text);
	CHECK_EQ("8259s", 0, memcmp(chips.pics, before.pics, sizeof(chips.pics)));
	CHECK_EQ("I/O APIC", 0, memcmp(&chips.ioapic, &before.ioapic, sizeof(chips.ioapic)));
	CHECK_EQ("8254", 0, memcmp(&chips.pit, &before.pit, sizeof(chips.pit)));
	CHECK_EQ("clock", before.clock.clock, chips.clock.clock);
	CHECK_EQ("which goes on where it stood", 0, chips.clock.flags);
	refused = KVM_SET_PIT2;
	CHECK_EQ("refused", 0, state_chips_give(&vm, &saved, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "KVM_SET_PIT2: Operation not permitted"));
}

static const struct test_case cases[] = {
	{ "round_trip", test_round_trip },
	{ "order", test_order },
	{ "reset", test_reset },
	{ "refusals", test_refusals },
	{ "msr_right_already", test_msr_right_already },
	{ "tsc_rate", test_tsc_rate },
	{ "xsave_too_large", test_xsave_too_large },
	{ "no_xsave_here", test_no_xsave_here },
	{ "guest_hypervisor", test_guest_hypervisor },
	{ "chips", test_chips },
};

TEST_MAIN(cases)
