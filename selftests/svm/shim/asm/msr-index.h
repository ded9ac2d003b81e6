/* SPDX-License-Identifier: GPL-2.0-only */
/* EFER as the APM has it, "Extended Feature Enable Register"; and what vmx/check.c asks for. */
#define EFER_SCE	(1 << 0)
#define EFER_LME	(1 << 8)
#define EFER_LMA	(1 << 10)
#define EFER_NX		(1 << 11)
#define EFER_SVME	(1 << 12)
#define EFER_LMSLE	(1 << 13)
#define EFER_FFXSR	(1 << 14)

#define DEBUGCTLMSR_BTF			(1UL << 1)
#define MSR_IA32_SMM_MONITOR_CTL	0x0000009b
#define MSR_FS_BASE			0xc0000100
#define MSR_GS_BASE			0xc0000101
#define CET_RESERVED			(0xfUL << 6)
#define CET_SUPPRESS			(1UL << 10)
#define CET_WAIT_ENDBR			(1UL << 11)
