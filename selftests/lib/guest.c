// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code of the library that runs inside the guest: the exception entry's C half
 * and the ucall. Nothing here may call libc or touch host-only state.
 *
 * An exception is first offered to the test's handler for its vector, then to
 * the table of fix-ups (GUEST_TRY): a fault at a listed address resumes behind
 * the instruction with the vector in R10. What is left is reported to the host.
 */
#include "guest.h"

guest_handler_t guest_handlers[256];

struct fixup {
	u64 fault, resume;
};

extern const struct fixup __start_guest_fixups[], __stop_guest_fixups[];

static u64 fault_error, fault_address;

void guest_call(const struct ucall *uc)
{
	asm volatile("outl %0, %1" : : "a" ((u32)(uintptr_t)uc), "d" ((u16)UCALL_PORT) : "memory");
}

void guest_done(void);
void guest_done(void)
{
	GUEST_DONE();
}

u64 guest_fault_error(void)
{
	return fault_error;
}

u64 guest_fault_address(void)
{
	return fault_address;
}

static int try_fixup(struct guest_regs *regs)
{
	const struct fixup *f;

	for (f = __start_guest_fixups; f < __stop_guest_fixups; f++) {
		if (f->fault != regs->rip)
			continue;
		fault_error = regs->error;
		if (regs->vector == VEC_PF)
			fault_address = read_cr2();
		regs->r10 = regs->vector;
		regs->rip = f->resume;
		return 1;
	}
	return 0;
}

void guest_exception(struct guest_regs *regs);
void guest_exception(struct guest_regs *regs)
{
	guest_handler_t handler = guest_handlers[regs->vector & 0xff];

	if (handler) {
		handler(regs);
		return;
	}
	if (try_fixup(regs))
		return;
	for (;;)
		GUEST_CALL(UCALL_EXCEPTION, NULL, regs->vector, regs->error, regs->rip,
			   read_cr2());
}

int guest_is_amd(void)
{
	u32 r[4];

	cpuid(0, 0, r);
	return r[1] == 0x68747541 || r[1] == 0x6f677948;	/* Auth, Hygo */
}

u64 guest_hypercall(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3)
{
	u64 ret;

	if (guest_is_amd())
		asm volatile("vmmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3) : "memory");
	else
		asm volatile("vmcall" : "=a" (ret)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2), "S" (a3) : "memory");
	return ret;
}
