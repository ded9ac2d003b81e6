/* SPDX-License-Identifier: GPL-2.0-only */
#define EFER_LMA	(1ull << 10)
#define EFER_NX		(1ull << 11)
