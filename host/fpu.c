// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU and extended state.
 *
 * The container is the kernel's own (struct fpu_guest): while it is loaded, current's FPU context IS the guest's, so that the
 * scheduler and softirqs save and restore it like any task's. It is loaded once per KVM_RUN. Outside, the
 * copy in memory is the truth and the ioctls read and write that. PKRU is not part of it: the run loop switches it.
 *
 * XCR0 is different: the kernel keeps the host's value everywhere but between keel_host_xcr0_load() and _restore().
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <uapi/linux/kvm.h>
#include <keel/entry_work.h>
#include <keel/host.h>
#include <keel/host_mode.h>
#include "internal.h"

#define FCW_INIT	0x37f
#define MXCSR_INIT	0x1f80

static struct fpu_guest *guest_of(const struct host_fpu *fpu)
{
	return fpu->priv;
}

int keel_host_fpu_create(struct host_fpu *fpu)
{
	struct fpu_guest *guest = kzalloc(sizeof(*guest), GFP_KERNEL_ACCOUNT);

	if (!guest)
		return -ENOMEM;
	if (!fpu_alloc_guest_fpstate(guest)) {
		kfree(guest);
		return -ENOMEM;
	}
	fpu->priv = guest;
	return 0;
}

void keel_host_fpu_destroy(struct host_fpu *fpu)
{
	if (!fpu->priv)
		return;
	fpu_free_guest_fpstate(guest_of(fpu));
	kfree(fpu->priv);
	fpu->priv = NULL;
}

/* All components in their initial state. The control word is FNINIT's, which KVM hands out too. xcomp_bv is the format. */
void keel_host_fpu_init_state(struct host_fpu *fpu)
{
	struct fpstate *fps = guest_of(fpu)->fpstate;
	struct fxregs_state *fx = &fps->regs.fxsave;

	memset(fx, 0, sizeof(*fx));
	fx->cwd = FCW_INIT;
	fx->mxcsr = MXCSR_INIT;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		fps->regs.xsave.header.xfeatures = 0;
}

void keel_host_fpu_load(struct host_fpu *fpu)
{
	fpu_swap_kvm_fpstate(guest_of(fpu), true);
}

void keel_host_fpu_save(struct host_fpu *fpu)
{
	fpu_swap_kvm_fpstate(guest_of(fpu), false);
}

void keel_host_fpu_reload(void)
{
	switch_fpu_return();
}

/* ---- XCR0 and XSS ---- */

#define XCR0_OFFERED	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

static u32 host_mxcsr_mask __ro_after_init;

/* MXCSR_MASK from the FXSAVE image; zero there means the first CPUs' value (SDM, "Guidelines for Writing to the MXCSR Register"). */
static u32 __init read_mxcsr_mask(void)
{
	static struct fxregs_state image __initdata __aligned(16);

	kernel_fpu_begin();
	asm volatile("fxsave %0" : "+m" (image));
	kernel_fpu_end();
	return image.mxcsr_mask ?: 0xffbf;
}

void __init keel_host_fpu_init(void)
{
	host_mxcsr_mask = read_mxcsr_mask();
}

u64 keel_host_fpu_supported_xcr0(void)
{
	u64 xcr0 = keel_host_mode.xcr0 & XCR0_OFFERED;

	if (!boot_cpu_has(X86_FEATURE_OSXSAVE))
		return 0;
	/* AVX-512 is three components, all or none */
	if ((xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		xcr0 &= ~(u64)XFEATURE_MASK_AVX512;
	if (boot_cpu_has(X86_FEATURE_OSPKE))
		xcr0 |= keel_host_mode.xcr0 & XFEATURE_MASK_PKRU;
	return xcr0;
}

/* A guest can execute XRSTORS whatever its CPUID says: no supervisor component of the host's may be enabled then. */
noinstr void keel_host_xcr0_load(u64 guest_xcr0)
{
	if (unlikely(guest_xcr0 != keel_host_mode.xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, guest_xcr0);
	if (unlikely(keel_host_mode.xss))
		native_wrmsrl(MSR_IA32_XSS, 0);
}

noinstr void keel_host_xcr0_restore(u64 guest_xcr0)
{
	if (unlikely(guest_xcr0 != keel_host_mode.xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, keel_host_mode.xcr0);
	if (unlikely(keel_host_mode.xss))
		native_wrmsrl(MSR_IA32_XSS, keel_host_mode.xss);
}

/* ---- what the ioctls read and write ---- */

unsigned int keel_host_fpu_uabi_size(struct host_fpu *fpu)
{
	return guest_of(fpu)->uabi_size;
}

void keel_host_fpu_get_xsave(struct host_fpu *fpu, void *buf, unsigned int size, u64 xcr0_allowed, u32 pkru)
{
	/* x87 and SSE are there on every CPU, also when the guest was given no XSAVE */
	fpu_copy_guest_fpstate_to_uabi(guest_of(fpu), buf, size, xcr0_allowed | XFEATURE_MASK_FPSSE, pkru);
}

int keel_host_fpu_set_xsave(struct host_fpu *fpu, const void *buf, u64 xcr0_allowed, u32 *pkru)
{
	return fpu_copy_uabi_to_guest_fpstate(guest_of(fpu), buf, xcr0_allowed | XFEATURE_MASK_FPSSE, pkru);
}

/* XSAVES leaves out what is in its initial state: then the bytes in memory are old. */
int keel_host_fpu_get_fpu(struct host_fpu *fpu, struct kvm_fpu *out)
{
	const union fpregs_state *regs = &guest_of(fpu)->fpstate->regs;
	const struct fxregs_state *fx = &regs->fxsave;
	u64 present = boot_cpu_has(X86_FEATURE_XSAVE) ? regs->xsave.header.xfeatures : XFEATURE_MASK_FPSSE;

	memset(out, 0, sizeof(*out));
	out->fcw = FCW_INIT;
	out->mxcsr = MXCSR_INIT;
	if (present & XFEATURE_MASK_FP) {
		memcpy(out->fpr, fx->st_space, sizeof(out->fpr));
		out->fcw = fx->cwd;
		out->fsw = fx->swd;
		out->ftwx = fx->twd;
		out->last_opcode = fx->fop;
		out->last_ip = fx->rip;
		out->last_dp = fx->rdp;
	}
	if (present & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM))
		out->mxcsr = fx->mxcsr;
	if (present & XFEATURE_MASK_SSE)
		memcpy(out->xmm, fx->xmm_space, sizeof(out->xmm));
	return 0;
}

int keel_host_fpu_set_fpu(struct host_fpu *fpu, const struct kvm_fpu *in)
{
	union fpregs_state *regs = &guest_of(fpu)->fpstate->regs;
	struct fxregs_state *fx = &regs->fxsave;

	/* XRSTOR faults on reserved bits; the kernel would then lose the whole state */
	if (in->mxcsr & ~host_mxcsr_mask)
		return -EINVAL;
	memcpy(fx->st_space, in->fpr, sizeof(in->fpr));
	fx->cwd = in->fcw;
	fx->swd = in->fsw;
	fx->twd = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	fx->mxcsr = in->mxcsr;
	memcpy(fx->xmm_space, in->xmm, sizeof(in->xmm));
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		regs->xsave.header.xfeatures |= XFEATURE_MASK_FPSSE;
	return 0;
}

/* ---- registers for the emulator ---- */

/* The registers hold the guest's state from here to keel_host_fpregs_unlock(). */
void keel_host_fpregs_lock(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

void keel_host_fpregs_unlock(void)
{
	fpregs_unlock();
}

struct xmm_data {
	u8 bytes[16];
};

struct ymm_data {
	u8 bytes[32];
};

#define XMM_READ(n)	case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*data)); break
#define XMM_WRITE(n)	case n: asm volatile("movdqu %0, %%xmm" #n : : "m" (*data)); break
#define YMM_READ(n)	case n: asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*data)); break
#define YMM_WRITE(n)	case n: asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*data)); break
#define ALL(op)		op(0); op(1); op(2); op(3); op(4); op(5); op(6); op(7); \
			op(8); op(9); op(10); op(11); op(12); op(13); op(14); op(15)

/* name(n, buffer): move register n by the cases of op */
#define MOVE(name, buffer, op)			\
void name(unsigned int n, buffer)		\
{						\
	keel_host_fpregs_lock();		\
	switch (n) {				\
	ALL(op);				\
	}					\
	keel_host_fpregs_unlock();		\
}

MOVE(keel_host_xmm_read, struct xmm_data *data, XMM_READ)
MOVE(keel_host_xmm_write, const struct xmm_data *data, XMM_WRITE)
MOVE(keel_host_ymm_read, struct ymm_data *data, YMM_READ)
MOVE(keel_host_ymm_write, const struct ymm_data *data, YMM_WRITE)
