/* SPDX-License-Identifier: GPL-2.0-only */
/* Bits of an EPT entry (SDM volume 3, "The Extended Page Table Mechanism (EPT)"). */
#ifndef EPT_SHIM_VMX_H
#define EPT_SHIM_VMX_H

#define VMX_EPT_READABLE_MASK	0x1ull
#define VMX_EPT_WRITABLE_MASK	0x2ull
#define VMX_EPT_EXECUTABLE_MASK	0x4ull
#define VMX_EPT_RWX_MASK	0x7ull
#define VMX_EPT_MT_EPTE_SHIFT	3
#define VMX_EPT_MT_MASK		(7ull << VMX_EPT_MT_EPTE_SHIFT)
#define VMX_EPTP_MT_UC		0x0ull
#define VMX_EPTP_MT_WB		0x6ull
#define VMX_EPT_IPAT_BIT	(1ull << 6)
#define VMX_EPT_ACCESS_BIT	(1ull << 8)
#define VMX_EPT_DIRTY_BIT	(1ull << 9)

#endif
