/* SPDX-License-Identifier: GPL-2.0-only */
/* What this CPU offers (caps.c). */
#ifndef KEEL_SVM_CAPS_H
#define KEEL_SVM_CAPS_H

#include <linux/types.h>

/**
 * struct svm_caps - what the CPU offers beyond the required, const after setup
 * @nr_asids: ASIDs 1 .. nr_asids - 1 may be used
 * @nrip: next RIP is saved at instruction intercepts
 * @decode: decode assists: instruction bytes, operands of CR accesses
 * @flush_asid: one ASID can be flushed
 * @pause_filter: PAUSE is counted before it is intercepted
 * @pause_threshold: and its distance judged
 * @lbr: branch records are switched
 * @tsc_ratio: guest TSC frequency
 * @spec_ctrl: SPEC_CTRL is switched by VMRUN
 * @xsave: XSETBV exists
 * @invpcid: INVPCID exists and can be intercepted
 * @rdpru: RDPRU exists
 * @smi: SMIs can be intercepted: SMM is not locked by the firmware
 */
struct svm_caps {
	u32 nr_asids;
	bool nrip;
	bool decode;
	bool flush_asid;
	bool pause_filter;
	bool pause_threshold;
	bool lbr;
	bool tsc_ratio;
	bool spec_ctrl;
	bool xsave;
	bool invpcid;
	bool rdpru;
	bool smi;
};

extern struct svm_caps svm_caps;

int svm_supported(void);
int svm_caps_setup(void);

#endif
