/* SPDX-License-Identifier: GPL-2.0-only */
/* EFER as the APM has it, "Extended Feature Enable Register". */
#define EFER_SCE	(1 << 0)
#define EFER_LME	(1 << 8)
#define EFER_LMA	(1 << 10)
#define EFER_NX		(1 << 11)
#define EFER_SVME	(1 << 12)
#define EFER_LMSLE	(1 << 13)
#define EFER_FFXSR	(1 << 14)
