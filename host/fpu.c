// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU and extended state.
 *
 * The container is the kernel's own (struct fpu_guest). Most often KVM_RUN is one inner loop, with interrupts off: before it the thread's
 * registers are stored and the guest's loaded, behind it the other way round, and the kernel has noticed nothing. A KVM_RUN that goes
 * on is worth a swap, once: from then on current's FPU context IS the guest's, so that the scheduler and softirqs save and
 * restore it like any task's, and nothing is to be done around further inner loops. Outside KVM_RUN the copy in memory is
 * the truth and the ioctls read and write that. PKRU is not part of it: the run loop switches it.
 *
 * XCR0 is different: the kernel keeps the host's value everywhere but between keel_host_xcr0_load() and _restore().
 */
#include <linux/math.h>
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

/* ---- the registers ---- */

/* The kernel's own choice of instructions, so that it can read the image, and write it. */
static __always_inline void store_registers(struct fpstate *fps)
{
	u32 low = fps->xfeatures, high = fps->xfeatures >> 32;

	if (static_cpu_has(X86_FEATURE_XSAVES))
		asm volatile("xsaves64 %0" : "+m" (fps->regs) : "a" (low), "d" (high) : "memory");
	else if (static_cpu_has(X86_FEATURE_XSAVEC))
		asm volatile("xsavec64 %0" : "+m" (fps->regs) : "a" (low), "d" (high) : "memory");
	else if (static_cpu_has(X86_FEATURE_XSAVEOPT))
		asm volatile("xsaveopt64 %0" : "+m" (fps->regs) : "a" (low), "d" (high) : "memory");
	else if (static_cpu_has(X86_FEATURE_XSAVE))
		asm volatile("xsave64 %0" : "+m" (fps->regs) : "a" (low), "d" (high) : "memory");
	else
		asm volatile("fxsave64 %0" : "=m" (fps->regs.fxsave));
}

/*
 * What the image has not gets its initial value. Those CPUs of AMD's that leave out the pointers of the last x87 instruction must
 * not show the host's to the guest (APM, "FXSAVE and FXRSTOR Instructions").
 */
static __always_inline void load_registers(struct fpstate *fps)
{
	u32 low = (u32)XFEATURE_MASK_FPSTATE, high = (u64)XFEATURE_MASK_FPSTATE >> 32;

	if (static_cpu_has_bug(X86_BUG_FXSAVE_LEAK))
		asm volatile("fnclex; emms; fildl %0" : : "m" (*fps));
	if (static_cpu_has(X86_FEATURE_XSAVES))
		asm volatile("1: xrstors64 %0; 2:" _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_FPU_RESTORE)
			     : : "m" (fps->regs), "a" (low), "d" (high) : "memory");
	else if (static_cpu_has(X86_FEATURE_XSAVE))
		asm volatile("1: xrstor64 %0; 2:" _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_FPU_RESTORE)
			     : : "m" (fps->regs), "a" (low), "d" (high) : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m" (fps->regs.fxsave));
}

static noinline void have_context(void)
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

/*
 * While the thread's registers are live, the image of them in memory is nobody's, and as large as they are. Otherwise they are there
 * already, and the CPU's may be another thread's, kept in case that runs next: kernel_fpu_begin() makes the kernel forget it.
 */
void keel_host_fpu_enter(struct host_fpu *fpu)
{
	if (fpu->place == FPU_SWAPPED) {
		have_context();
		return;
	}
	if (likely(!test_thread_flag(TIF_NEED_FPU_LOAD))) {
		store_registers(current->thread.fpu.fpstate);
	} else {
		kernel_fpu_begin_mask(0);
		kernel_fpu_end();
	}
	load_registers(guest_of(fpu)->fpstate);
}

void keel_host_fpu_leave(struct host_fpu *fpu)
{
	store_registers(guest_of(fpu)->fpstate);
	if (likely(!test_thread_flag(TIF_NEED_FPU_LOAD)))
		load_registers(current->thread.fpu.fpstate);
	fpu->place = FPU_VISITED;
}

void keel_host_fpu_swap(struct host_fpu *fpu)
{
	if (fpu->place == FPU_SWAPPED)
		return;
	fpu_swap_kvm_fpstate(guest_of(fpu), true);
	fpu->place = FPU_SWAPPED;
}

void keel_host_fpu_swap_back(struct host_fpu *fpu)
{
	fpu_swap_kvm_fpstate(guest_of(fpu), false);
}

/* The kernel gives all guests areas of one size and format, as long as none asks for a component that must be asked for. */
void *keel_host_fpu_image(const struct host_fpu *fpu, size_t *size)
{
	struct fpstate *fps = guest_of(fpu)->fpstate;

	/* what XSAVE writes has as many bytes */
	*size = round_down(fps->size, sizeof(u64));
	return &fps->regs;
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
void keel_host_fpregs_lock(struct host_fpu *fpu)
{
	keel_host_fpu_swap(fpu);
	fpregs_lock();
	have_context();
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
void name(struct host_fpu *fpu, unsigned int n, buffer)	\
{						\
	keel_host_fpregs_lock(fpu);		\
	switch (n) {				\
	ALL(op);				\
	}					\
	keel_host_fpregs_unlock();		\
}

MOVE(keel_host_xmm_read, struct xmm_data *data, XMM_READ)
MOVE(keel_host_xmm_write, const struct xmm_data *data, XMM_WRITE)
MOVE(keel_host_ymm_read, struct ymm_data *data, YMM_READ)
MOVE(keel_host_ymm_write, const struct ymm_data *data, YMM_WRITE)
