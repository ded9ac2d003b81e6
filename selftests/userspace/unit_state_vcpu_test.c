// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs and interrupt controllers out of a kernel and into another: all of it, in the order that is needed. */
#include <stdarg.h>
#include <sys/ioctl.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/state_chips.h"
#include "userspace/state_fields.h"
#include "userspace/state_vcpu.h"
#include "userspace/vcpu.h"

/* ---- a kernel that keeps what it is given ---- */

#define NODE		100
#define VM		101
#define VCPU		200	/* and the next */
#define CALLS_MAX	512

static struct kernel_vcpu {
	struct state_vcpu state;
	u64 tsc_reads;
} kernel[2];

static struct state_chips chips;
static unsigned long calls[CALLS_MAX];
static unsigned int call_count;
static unsigned long refused;		/* a request that fails */
static u32 refused_msr;
static int tsc_khz = 2000000;
static bool is_vmx;

int vm_has(const struct vm *vm, unsigned int cap)
{
	return cap == KVM_CAP_XCRS ? 1 : cap == KVM_CAP_XSAVE2 ? 8192 : 0;
}

static struct state_msr *find_msr(struct state_vcpu *state, u32 index)
{
	for (u32 i = 0; i < state->msr_count; i++)
		if (state->msrs[i].index == index)
			return &state->msrs[i];
	return NULL;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int msrs(struct kernel_vcpu *vcpu, unsigned long request, struct kvm_msrs *list)
{
	struct state_msr *msr = find_msr(&vcpu->state, list->entries[0].index);

	ASSERT_EQ(list->nmsrs, 1);
	if (!msr || (request == KVM_SET_MSRS && msr->index == refused_msr))
		return 0;
	if (request == KVM_SET_MSRS)
		msr->value = list->entries[0].data;
	list->entries[0].data = msr->value;
	return 1;
}

static int cpuid(struct kernel_vcpu *vcpu, unsigned long request, struct kvm_cpuid2 *table)
{
	if (request == KVM_SET_CPUID2)
		vcpu->state.cpuid_count = table->nent;
	else if (table->nent < vcpu->state.cpuid_count)
		return fail(E2BIG);
	table->nent = vcpu->state.cpuid_count;
	if (request == KVM_SET_CPUID2)
		memcpy(vcpu->state.cpuid, table->entries, table->nent * sizeof(table->entries[0]));
	else
		memcpy(table->entries, vcpu->state.cpuid, table->nent * sizeof(table->entries[0]));
	return 0;
}

static int attribute(struct kernel_vcpu *vcpu, unsigned long request, const struct kvm_device_attr *attr)
{
	u64 *value = (u64 *)(uintptr_t)attr->addr;

	if (!vcpu->state.has_tsc_offset || attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET)
		return fail(ENXIO);
	if (request == KVM_SET_DEVICE_ATTR)
		vcpu->state.tsc_offset = *value;
	*value = vcpu->state.tsc_offset;
	return 0;
}

static int copy(bool is_set, void *mine, void *theirs, size_t size)
{
	memcpy(is_set ? mine : theirs, is_set ? theirs : mine, size);
	return 0;
}

static int vcpu_ioctl(struct kernel_vcpu *vcpu, unsigned long request, void *argument)
{
	struct state_vcpu *state = &vcpu->state;

	switch (request) {
#define PAIR(name, member) \
	case KVM_GET_##name: \
	case KVM_SET_##name: \
		return copy(request == KVM_SET_##name, &state->member, argument, sizeof(state->member))
	PAIR(SREGS2, sregs);
	PAIR(REGS, regs);
	PAIR(XCRS, xcrs);
	PAIR(DEBUGREGS, debugregs);
	PAIR(LAPIC, lapic);
	PAIR(VCPU_EVENTS, events);
	PAIR(MP_STATE, mp_state);
	case KVM_GET_XSAVE2:
	case KVM_SET_XSAVE:
		return copy(request == KVM_SET_XSAVE, state->xsave, argument, state->xsave_size);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return msrs(vcpu, request, argument);
	case KVM_GET_CPUID2:
	case KVM_SET_CPUID2:
		return cpuid(vcpu, request, argument);
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return attribute(vcpu, request, argument);
	case KVM_GET_TSC_KHZ:
		return tsc_khz;
	case KVM_SET_TSC_KHZ:
		return fail(ENOTTY);
	default:
		FAIL("an unknown request %#lx of a vCPU", request);
	}
}

static int vm_ioctl(unsigned long request, void *argument)
{
	struct kvm_irqchip *chip = argument;

	switch (request) {
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		if (chip->chip_id == KVM_IRQCHIP_IOAPIC)
			return copy(request == KVM_SET_IRQCHIP, &chips.ioapic, &chip->chip, sizeof(chips.ioapic));
		return copy(request == KVM_SET_IRQCHIP, &chips.pics[chip->chip_id], &chip->chip, sizeof(chips.pics[0]));
	case KVM_GET_PIT2:
	case KVM_SET_PIT2:
		return copy(request == KVM_SET_PIT2, &chips.pit, argument, sizeof(chips.pit));
	case KVM_GET_CLOCK:
	case KVM_SET_CLOCK:
		return copy(request == KVM_SET_CLOCK, &chips.clock, argument, sizeof(chips.clock));
	default:
		FAIL("an unknown request %#lx of the VM", request);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_msr_list *list;
	va_list args;

	va_start(args, request);
	void *argument = va_arg(args, void *);

	va_end(args);
	if (call_count < CALLS_MAX)
		calls[call_count++] = request;
	if (request == refused)
		return fail(EPERM);
	if (fd == VM)
		return vm_ioctl(request, argument);
	if (fd >= VCPU && fd < VCPU + 2)
		return vcpu_ioctl(&kernel[fd - VCPU], request, argument);
	ASSERT(fd == NODE && request == KVM_GET_MSR_INDEX_LIST, "request %#lx of file %d", request, fd);
	list = argument;
	ASSERT_GE(list->nmsrs, kernel[0].state.msr_count);
	list->nmsrs = 0;
	for (u32 i = 0; i < kernel[0].state.msr_count; i++)
		list->indices[list->nmsrs++] = kernel[0].state.msrs[i].index;
	list->indices[list->nmsrs++] = 0xdead;		/* one that cannot be read */
	return 0;
}

/* ---- tests ---- */

static struct vm vm = { .node = NODE, .fd = VM };
static struct vcpu vcpus[2] = { { .vm = &vm, .index = 0, .fd = VCPU }, { .vm = &vm, .index = 1, .fd = VCPU + 1 } };
static const u32 msr_indices[] = { 0x6e0, 0xc0000081, 0x10, 0x277, 0x4b564d01 };

/* Both of a kernel: what the rows name is random. */
static void set_up(void)
{
	u64 random = 6;

	memset(kernel, 0, sizeof(kernel));
	for (unsigned int v = 0; v < 2; v++) {
		struct state_vcpu *state = &kernel[v].state;
		u8 *members[] = { (u8 *)&state->sregs, (u8 *)&state->regs, (u8 *)&state->debugregs, (u8 *)&state->lapic,
				  (u8 *)&state->events, state->xsave, (u8 *)state->cpuid };
		size_t sizes[] = { sizeof(state->sregs), sizeof(state->regs), sizeof(state->debugregs),
				   sizeof(state->lapic), sizeof(state->events), 8192, 40 * sizeof(state->cpuid[0]) };

		for (size_t m = 0; m < ARRAY_SIZE(members); m++)
			for (size_t i = 0; i < sizes[m]; i++)
				members[m][i] = (u8)xorshift(&random);
		state->sregs.efer = 0xd01;
		state->sregs.cr4 = is_vmx ? 0x2020 : 0x20;
		state->xsave_size = 8192;
		state->cpuid_count = 40;
		state->xcrs = (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs = { { .value = 7 } } };
		state->mp_state = v ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
		state->has_tsc_offset = true;
		state->tsc_offset = 1000000 + 17 * v;
		for (size_t i = 0; i < ARRAY_SIZE(msr_indices); i++)
			state->msrs[state->msr_count++] = (struct state_msr){ msr_indices[i], xorshift(&random) };
	}
	memset(&chips, 0x77, sizeof(chips));
	call_count = 0;
	refused = 0;
	refused_msr = 0;
}

/* Another kernel, as new. */
static void clear(void)
{
	for (unsigned int v = 0; v < 2; v++) {
		struct state_vcpu *state = &kernel[v].state;
		u32 count = state->msr_count;

		memset(state, 0, sizeof(*state));
		state->xsave_size = 8192;
		state->has_tsc_offset = true;
		state->tsc_offset = 5000 + 900 * v;	/* as far apart as writing them takes */
		for (u32 i = 0; i < count; i++)
			state->msrs[state->msr_count++] = (struct state_msr){ msr_indices[i], 0 };
	}
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
	set_up();
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

	set_up();
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

		set_up();
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

	set_up();
	struct state_vcpu *saved = take_both();

	refused_msr = 0x277;
	CHECK_EQ("given to itself", 1, state_vcpu_give(&vcpus[1], &saved[1], saved, &error));
	free(saved);
}

static void test_tsc_rate(void)
{
	struct state_error error = { "" };

	set_up();
	struct state_vcpu *saved = take_both();

	CHECK_EQ("rate", 2000000, saved->tsc_khz);
	tsc_khz = 3000000;
	CHECK_EQ("another host's", 0, state_vcpu_give(&vcpus[0], saved, saved, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "vCPU 0: its TSC ran at 2000000 kHz, and this host gives 3000000 kHz alone"));
	free(saved);
}

static void test_guest_hypervisor(void)
{
	struct state_error error = { "" };
	static struct state_vcpu saved;

	is_vmx = true;
	set_up();
	CHECK_EQ("taken", 0, state_vcpu_take(&vcpus[0], &saved, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "guests of guests"));
}

static void test_cpuid(void)
{
	static const struct {
		const char *name;
		u32 function, index;
		u32 saved[4], here[4];
		const char *wanted;	/* NULL: fits */
	} rows[] = {
		{ "the same", 1, 0, { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, NULL },
		{ "more than the guest needs", 1, 0, { 1, 2, 3, 4 }, { 9, 9, 0xff, 0xff }, NULL },
		{ "another family and APIC identifier", 1, 0, { 0xabcd, 0x1000000, 0, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "OSXSAVE and TSC deadline", 1, 0, { 0, 0, 1u << 27 | 1u << 24, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "several CPUs", 1, 0, { 0, 0, 0, 1u << 28 }, { 0, 0, 0, 0 }, NULL },
		{ "several CPUs, AMD's", 0x80000001, 0, { 0, 0, 2, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "AES", 1, 0, { 0, 0, 1u << 25, 0 }, { 0, 0, 0, 0 }, "leaf 0x1.0, eax 0, ebx 0, ecx 0x2000000, edx 0" },
		{ "OSPKE", 7, 0, { 0, 0, 1u << 4, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "AVX2", 7, 0, { 0, 1u << 5, 0, 0 }, { 0, 0, 0, 0 }, "leaf 0x7.0, eax 0, ebx 0x20, ecx 0, edx 0" },
		{ "XSAVES", 0xd, 1, { 8, 0, 0, 0 }, { 7, 0, 0, 0 }, "leaf 0xd.1, eax 0x8," },
		{ "long mode", 0x80000001, 0, { 0, 0, 0, 1u << 29 }, { 0, 0, 0, 0 }, "leaf 0x80000001.0" },
		{ "names", 0x80000002, 0, { 1, 2, 3, 4 }, { 0, 0, 0, 0 }, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct state_vcpu state;
		struct kvm_cpuid2 *here = calloc(1, sizeof(*here) + sizeof(here->entries[0]));
		struct state_error error = { "" };

		state.cpuid_count = here->nent = 1;
		state.cpuid[0] = (struct kvm_cpuid_entry2){
			.function = rows[i].function, .index = rows[i].index, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = rows[i].saved[0], .ebx = rows[i].saved[1], .ecx = rows[i].saved[2], .edx = rows[i].saved[3],
		};
		here->entries[0] = state.cpuid[0];
		here->entries[0].eax = rows[i].here[0];
		here->entries[0].ebx = rows[i].here[1];
		here->entries[0].ecx = rows[i].here[2];
		here->entries[0].edx = rows[i].here[3];
		CHECK_EQ(rows[i].name, !rows[i].wanted, state_cpuid_check(&state, here, &error));
		if (rows[i].wanted && !strstr(error.text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, error.text);
		free(here);
	}
}

static void test_chips(void)
{
	struct state_chips saved, before;
	struct state_error error = { "" };

	set_up();
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
	{ "refusals", test_refusals },
	{ "msr_right_already", test_msr_right_already },
	{ "tsc_rate", test_tsc_rate },
	{ "guest_hypervisor", test_guest_hypervisor },
	{ "cpuid", test_cpuid },
	{ "chips", test_chips },
};

TEST_MAIN(cases)
