// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IRET that ends an NMI's handler and faults. Where the fault is the guest's own, NMIs are taken again before its handler is invoked (SDM, "Handling
 * Multiple NMIs"). Where it is the host's, as memory was not there, the IRET executes again, and NMIs wait until it has (SDM, "Resuming Guest
 * Software after Handling an Exception").
 */
#include <sys/mman.h>

#include "guest.h"

/* The IRET pops from this address upwards; its fault's frame is pushed below. */
#define TOP		0x10000001000ULL
#define BELOW		(TOP - PAGE_SIZE)
#define FRAME_GPA	(VM_SCRATCH2 + 16 * PAGE_SIZE)

#define RFLAGS_TF	BIT(8)

enum stage { BEFORE = 1, IN_NMI, IN_FAULT };

static volatile u64 nmis, dbs, pfs, nmi_rip[4];
/* Of the handler of the IRET's fault: its frame, NMIs that had come when it began, and when it ended. */
static volatile u64 fault_rip, fault_tf, nmis_first, nmis_last;
/* The guest has memory at TOP: what the IRET pops is put there. */
static volatile u64 has_frame;

/* Its stack pointer afterwards is the one before. */
void iret_at_top(void);
extern const char iret_at_top_iret[], iret_at_top_behind[];
asm(".pushsection .text\n"
    "iret_at_top:\n"
    "	mov	%rsp, %rax\n"
    "	mov	$0x10000001000, %rsp\n"
    "iret_at_top_iret:\n"
    "	iretq\n"
    "iret_at_top_behind:\n"
    "	mov	%rax, %rsp\n"
    "	ret\n"
    ".popsection\n");

static void put_frame(u64 rsp)
{
	u64 *frame = (u64 *)TOP;

	frame[0] = (u64)iret_at_top_behind;
	frame[1] = SEL_CODE64;
	frame[2] = BIT(1);
	frame[3] = rsp;
	frame[4] = SEL_DATA;
}

static void on_nmi(struct guest_regs *regs)
{
	nmi_rip[nmis++ & 3] = regs->rip;
	if (nmis != 1)
		return;
	if (has_frame)
		put_frame((u64)regs - PAGE_SIZE);
	GUEST_SYNC(IN_NMI);
	iret_at_top();
}

/* The fault's handler has a stack that the host finds no ucalls on. */
static const struct ucall in_fault = { .cmd = UCALL_SYNC, .args = { IN_FAULT } };

static void on_pf(struct guest_regs *regs)
{
	nmis_first = nmis;
	pfs++;
	fault_rip = regs->rip;
	fault_tf = regs->rflags & RFLAGS_TF;
	guest_call(&in_fault);
	nmis_last = nmis;
	regs->rip = (u64)iret_at_top_behind;
}

static void on_db(struct guest_regs *regs)
{
	dbs++;
}

static void handlers(void)
{
	guest_handlers[VEC_NMI] = on_nmi;
	guest_handlers[VEC_PF] = on_pf;
	guest_handlers[VEC_DB] = on_db;
}

static void guest_own(u64 first, u64 touch)
{
	handlers();
	if (touch)
		*(volatile u8 *)(TOP - 1) = 0;
	GUEST_SYNC(BEFORE);
	GUEST_ROW("page faults", 1, pfs);
	GUEST_ROW("of the IRET", iret_at_top_iret, fault_rip);
	GUEST_ROW("RFLAGS.TF in the fault's frame", 0, fault_tf);
	GUEST_ROW("debug exceptions", 0, dbs);
	GUEST_ROW("NMIs when the fault's handler began", first, nmis_first);
	GUEST_ROW("NMIs when it ended", 2, nmis_last);
}

/*
 * An NMI that waits when the IRET comes to its fault, or that arrives in the fault's handler. @touch: the page with the fault's frame is there;
 * otherwise an exit comes in the fault's delivery.
 */
static void run_own(const char *name, enum stage when, u64 first, int touch)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_own);

	printf("# %s, %s\n", name, touch ? "frame in memory" : "frame not in memory yet");
	vm_map(vm, BELOW, FRAME_GPA - PAGE_SIZE, PAGE_SIZE);
	vcpu_args(vcpu, first, touch, 0);
	vcpu_run_sync(vcpu, BEFORE);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, IN_NMI);
	if (when == IN_NMI)
		vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, IN_FAULT);
	if (when == IN_FAULT)
		vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_done(vcpu);
	vm_destroy(vm);
}

static void test_waits(void)
{
	run_own("an NMI waits for the IRET", IN_NMI, 2, 0);
	/* its own RFLAGS.TF is in the frame, and gives debug exceptions */
	if (!dev_is_kvm() || !guest_is_amd())
		run_own("an NMI waits for the IRET", IN_NMI, 2, 1);
}

static void test_arrives(void)
{
	run_own("an NMI arrives in the handler of the IRET's fault", IN_FAULT, 1, 0);
	run_own("an NMI arrives in the handler of the IRET's fault", IN_FAULT, 1, 1);
}

static void guest_hosts(void)
{
	handlers();
	has_frame = 1;
	GUEST_SYNC(BEFORE);
	GUEST_ROW("page faults", 0, pfs);
	GUEST_ROW("debug exceptions", 0, dbs);
	GUEST_ROW("NMIs", 2, nmis);
	GUEST_ROW("the second one came behind the IRET", iret_at_top_behind, nmi_rip[1]);
}

/* The page that the IRET pops from goes while an NMI waits. */
static void test_hosts(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hosts);
	void *frame = vm_hva(vm, FRAME_GPA);

	vm_map(vm, BELOW, FRAME_GPA - PAGE_SIZE, 2 * PAGE_SIZE);
	vcpu_run_sync(vcpu, BEFORE);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, IN_NMI);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	ASSERT_EQ(mprotect(frame, PAGE_SIZE, PROT_NONE), 0);
	ASSERT_EQ(mprotect(frame, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "own_fault_nmi_waits", test_waits },
	{ "own_fault_nmi_arrives", test_arrives },
	{ "hosts_fault", test_hosts },
};

TEST_MAIN(cases)
