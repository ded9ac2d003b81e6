/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMX_SHIM_BITS_H
#define VMX_SHIM_BITS_H

#undef BIT
#define BIT(n)		(1ULL << (n))

#endif
