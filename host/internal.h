/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of host/. */
#ifndef KEEL_HOST_INTERNAL_H
#define KEEL_HOST_INTERNAL_H

/* Read the MXCSR mask once; module init, before the first VM. */
void keel_host_fpu_init(void);

/* Bring back this CPU's values of the MSRs that return to user mode switches (uret.c). On the CPU, interrupts off. */
void host_uret_drop(void);

#endif
