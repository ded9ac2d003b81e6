/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose an alignment check is. Also built in user space. */
#ifndef KEEL_CORE_ALIGNMENT_H
#define KEEL_CORE_ALIGNMENT_H

#include <asm/processor-flags.h>

/*
 * Has the guest itself asked for the #AC? (SDM, "Interrupt 17—Alignment Check Exception (#AC)": CR0.AM, RFLAGS.AC, CPL 3.) If not, it
 * is the host's detection of split locks that raised it, at any privilege level.
 */
static inline bool alignment_check_is_guests(unsigned long cr0, unsigned long rflags, unsigned int cpl)
{
	return (cr0 & X86_CR0_AM) && (rflags & X86_EFLAGS_AC) && cpl == 3;
}

#endif
