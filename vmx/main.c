// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX backend's table, and its set-up when the module loads.
 */
#include <keel/pgtable.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "apic.h"
#include "caps.h"
#include "control.h"
#include "cpu.h"
#include "exit.h"
#include "intr.h"
#include "regs.h"
#include "vcpu.h"
#include "vmx.h"

static int vmx_setup(void)
{
	int ret;

	ret = vmx_caps_setup();
	if (ret)
		return ret;
	ret = vmx_maps_create();
	if (ret)
		return ret;
	ret = vmx_apic_setup();
	if (ret)
		goto err_maps;
	ret = vmx_cpus_create();
	if (ret)
		goto err_apic;
	ret = keel_pgtable_init(keel_paging_is_shadow() ? &keel_pte_npt : &keel_pte_ept);
	if (ret)
		goto err_cpus;
	return 0;

err_cpus:
	vmx_cpus_destroy();
err_apic:
	vmx_apic_teardown();
err_maps:
	vmx_maps_destroy();
	return ret;
}

static void vmx_teardown(void)
{
	keel_pgtable_exit();
	vmx_cpus_destroy();
	vmx_apic_teardown();
	vmx_maps_destroy();
}

const struct vendor_ops keel_vmx_ops = {
	.name			= "vmx",
	.vcpu_size		= sizeof(struct vmx_vcpu),
	.supported		= vmx_supported,
	.setup			= vmx_setup,
	.teardown		= vmx_teardown,
	.cpu_busy		= vmx_cpu_busy,
	.cpu_enable		= vmx_cpu_enable,
	.cpu_disable		= vmx_cpu_disable,
	.vcpu_create		= vmx_vcpu_create,
	.vcpu_destroy		= vmx_vcpu_destroy,
	.vcpu_first_use		= vmx_vcpu_first_use,
	.vcpu_reset		= vmx_vcpu_reset,
	.vcpu_load		= vmx_vcpu_load,
	.vcpu_put		= vmx_vcpu_put,
	.regs_fetch		= vmx_regs_fetch,
	.enter			= vmx_enter,
	.exit_fast		= vmx_exit_fast,
	.exit_slow		= vmx_exit_slow,
	.inject			= vmx_inject,
	.windows		= vmx_windows,
	.dirty_flush		= vmx_dirty_flush,
	.nmi_masked_changed	= vmx_nmi_masked_changed,
	.intercepts_changed	= vmx_intercepts_changed,
	.tlb_flush		= vmx_tlb_flush,
	.msr			= vmx_msr,
	.pdpte			= vmx_pdpte,
};
