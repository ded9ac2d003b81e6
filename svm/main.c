// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVM backend's table, and its set-up when the module loads.
 */
#include <keel/pgtable.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "caps.h"
#include "control.h"
#include "cpu.h"
#include "exit.h"
#include "intr.h"
#include "regs.h"
#include "svm.h"
#include "vcpu.h"

static int svm_setup(void)
{
	int ret;

	ret = svm_caps_setup();
	if (ret)
		return ret;
	ret = svm_maps_create();
	if (ret)
		return ret;
	ret = svm_cpus_create();
	if (ret)
		goto err_maps;
	ret = keel_pgtable_init(&keel_pte_npt);
	if (ret)
		goto err_cpus;
	return 0;

err_cpus:
	svm_cpus_destroy();
err_maps:
	svm_maps_destroy();
	return ret;
}

static void svm_teardown(void)
{
	keel_pgtable_exit();
	svm_cpus_destroy();
	svm_maps_destroy();
}

const struct vendor_ops keel_svm_ops = {
	.name			= "svm",
	.vcpu_size		= sizeof(struct svm_vcpu),
	.supported		= svm_supported,
	.setup			= svm_setup,
	.teardown		= svm_teardown,
	.cpu_busy		= svm_cpu_busy,
	.cpu_enable		= svm_cpu_enable,
	.cpu_disable		= svm_cpu_disable,
	.vcpu_create		= svm_vcpu_create,
	.vcpu_destroy		= svm_vcpu_destroy,
	.vcpu_reset		= svm_vcpu_reset,
	.vcpu_load		= svm_vcpu_load,
	.vcpu_put		= svm_vcpu_put,
	.regs_fetch		= svm_regs_fetch,
	.enter			= svm_enter,
	.exit_fast		= svm_exit_fast,
	.exit_slow		= svm_exit_slow,
	.inject			= svm_inject,
	.windows		= svm_windows,
	.nmi_masked_changed	= svm_nmi_masked_changed,
	.intercepts_changed	= svm_intercepts_changed,
	.tlb_flush		= svm_tlb_flush,
	.msr			= svm_msr,
};
