// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MCE: an uncorrected error is a machine check in the guest, or its end where it cannot take one; a corrected one is
 * found in the bank and nowhere else.
 */
#include <stdbool.h>
#include "guest.h"

#define VEC_MC		18
#define CR4_MCE		BIT(6)
#define MCG_CTL_P	BIT(8)
#define BANKS		10
#define BANK		3

#define MSR_MCG_STATUS	0x17a
#define MSR_MCG_CTL	0x17b
#define MSR_BANK_CTL	(0x400 + 4 * BANK)
#define MSR_BANK_STATUS	(MSR_BANK_CTL + 1)
#define MSR_BANK_ADDR	(MSR_BANK_CTL + 2)
#define MSR_BANK_MISC	(MSR_BANK_CTL + 3)

#define RIPV		BIT(0)
#define MCIP		BIT(2)
#define VAL		BIT(63)
#define OVER		BIT(62)
#define UC		BIT(61)
#define ADDR		0x123456000
#define MISC		0x8c

static u64 machine_checks;

static void on_machine_check(struct guest_regs *regs)
{
	machine_checks++;
}

static void guest_main(u64 cr4, u64 wanted)
{
	guest_handlers[VEC_MC] = on_machine_check;
	write_cr4((read_cr4() & ~CR4_MCE) | cr4);
	GUEST_SYNC(1);
	GUEST_ROW("machine checks", wanted, machine_checks);
}

static struct vcpu *new_vcpu(u64 cr4, u64 wanted)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_main);
	u64 cap = BANKS | MCG_CTL_P;

	vcpu_ioctl(vcpu, KVM_X86_SETUP_MCE, &cap);
	vcpu_args(vcpu, cr4, wanted, 0);
	return vcpu;
}

enum end { GOES_ON, CHECKED, SHUTDOWN };

static const struct row {
	const char *name;
	u64 cr4, mcg_ctl, mcg_status, ctl, old;	/* what is there */
	u64 status;				/* what is told */
	enum end end;
	u64 after;				/* the bank's status then */
	bool stored;				/* and the rest of it */
} rows[] = {
	{ "corrected", CR4_MCE, ~0ULL, 0, ~0ULL, 0, VAL, GOES_ON, VAL, true },
	{ "corrected, CR4.MCE clear", 0, ~0ULL, 0, ~0ULL, 0, VAL, GOES_ON, VAL, true },
	{ "corrected after corrected", CR4_MCE, ~0ULL, 0, ~0ULL, VAL | 5, VAL | 6, GOES_ON, VAL | OVER | 6, true },
	{ "corrected after uncorrected", CR4_MCE, ~0ULL, 0, ~0ULL, VAL | UC | 5, VAL, GOES_ON, VAL | UC | OVER | 5, false },
	{ "uncorrected", CR4_MCE, ~0ULL, 0, ~0ULL, 0, VAL | UC | 7, CHECKED, VAL | UC | 7, true },
	{ "uncorrected after uncorrected", CR4_MCE, ~0ULL, 0, ~0ULL, VAL | UC | 5, VAL | UC | 7, CHECKED, VAL | UC | OVER | 7, true },
	{ "uncorrected, bank off", CR4_MCE, ~0ULL, 0, 0, 0, VAL | UC, GOES_ON, 0, false },
	{ "uncorrected, all off", CR4_MCE, 0, 0, ~0ULL, 0, VAL | UC, GOES_ON, 0, false },
	{ "uncorrected, CR4.MCE clear", 0, ~0ULL, 0, ~0ULL, 0, VAL | UC, SHUTDOWN, 0, false },
	{ "uncorrected, another in progress", CR4_MCE, ~0ULL, MCIP, ~0ULL, 0, VAL | UC, SHUTDOWN, 0, false },
};

static void run_row(const struct row *r)
{
	struct vcpu *vcpu = new_vcpu(r->cr4, r->end == CHECKED);
	struct kvm_x86_mce mce = {
		.status = r->status, .addr = ADDR, .misc = MISC, .mcg_status = MCIP | RIPV, .bank = BANK,
	};

	printf("# %s\n", r->name);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_set_msr(vcpu, MSR_MCG_CTL, r->mcg_ctl);
	vcpu_set_msr(vcpu, MSR_MCG_STATUS, r->mcg_status);
	vcpu_set_msr(vcpu, MSR_BANK_CTL, r->ctl);
	vcpu_set_msr(vcpu, MSR_BANK_STATUS, r->old);
	CHECK_RET("SET_MCE", 0, __vcpu_ioctl(vcpu, KVM_X86_SET_MCE, &mce));
	CHECK_EQ("status", r->after, vcpu_msr(vcpu, MSR_BANK_STATUS));
	CHECK_EQ("address", r->stored ? ADDR : 0, vcpu_msr(vcpu, MSR_BANK_ADDR));
	CHECK_EQ("misc", r->stored ? MISC : 0, vcpu_msr(vcpu, MSR_BANK_MISC));
	CHECK_EQ("MCG_STATUS", r->end == CHECKED ? MCIP | RIPV : r->mcg_status, vcpu_msr(vcpu, MSR_MCG_STATUS));
	if (r->end == SHUTDOWN)
		RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
	else
		vcpu_run_done(vcpu);
}

static void test_inject(void)
{
	unsigned int i;

	REQUIRE_CAP(KVM_CAP_MCE);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
}

static void test_refused(void)
{
	static const struct {
		const char *name;
		u64 status;
		u8 bank;
		int wanted;
	} bad[] = {
		{ "the last bank", VAL, BANKS - 1, 0 },
		{ "a bank that is not there", VAL, BANKS, -EINVAL },
		{ "bank 255", VAL, 255, -EINVAL },
		{ "status not valid", UC, 0, -EINVAL },
	};
	struct vcpu *vcpu;
	unsigned int i;

	REQUIRE_CAP(KVM_CAP_MCE);
	vcpu = new_vcpu(CR4_MCE, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kvm_x86_mce mce = { .status = bad[i].status, .bank = bad[i].bank };

		CHECK_RET(bad[i].name, bad[i].wanted, __vcpu_ioctl(vcpu, KVM_X86_SET_MCE, &mce));
	}
}

static const struct test_case cases[] = {
	{ "inject", test_inject },
	{ "refused", test_refused },
};

TEST_MAIN(cases)
