/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PAE paging: the CPU walks by four entries that it has loaded before (SDM, "PDPTE Registers"). MOV to CR3 loads them, and a change of one of these
 * bits that leaves PAE paging in use.
 */
#ifndef KEEL_PDPTE_H
#define KEEL_PDPTE_H

#include <linux/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#define CR0_LOADS_PDPTES	(X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)
#define CR4_LOADS_PDPTES	(X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)

/* By its control registers, does a CPU page so? */
static inline bool is_pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

#endif
