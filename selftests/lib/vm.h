/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Host side of the library: device node, VMs, memory slots, vCPUs.
 *
 * Every wrapper comes twice: vm_ioctl() asserts success, __vm_ioctl() returns
 * the result or -errno for tests of refusals.
 *
 * Guest-physical map of a VM made with VM_MEMORY (one slot, number 0, identity
 * mapped in 64-bit mode together with the rest of the low 4 GB):
 *
 *   0x000000  free for tests (real-mode code, low tables)
 *   0x100000  page tables, GDT, IDT, TSS
 *   0x200000  one 16 KB stack per vCPU id
 *   0x300000  free for tests
 *   0x400000  copy of this program: guest functions are functions of the test
 *   0x800000  free for tests, up to 0x1000000
 */
#ifndef SELFTESTS_VM_H
#define SELFTESTS_VM_H

#include <linux/kvm.h>

#include "test.h"

#define VM_MEM_SIZE	0x1000000ULL
#define VM_TABLES	0x100000ULL
#define VM_PML4		(VM_TABLES + 0x0000)
#define VM_PDPT		(VM_TABLES + 0x1000)
#define VM_PD		(VM_TABLES + 0x2000)	/* four pages, 2 MB entries, 4 GB */
#define VM_GDT		(VM_TABLES + 0x6000)
#define VM_IDT		(VM_TABLES + 0x7000)
#define VM_TSS		(VM_TABLES + 0x8000)	/* 0x80 bytes per vCPU id, two pages */
#define VM_PAE_PDPT	(VM_TABLES + 0xa000)
#define VM_PD32		(VM_TABLES + 0xb000)
#define VM_STACKS	0x200000ULL
#define VM_STACK_SIZE	0x4000ULL
#define VM_MAX_STACKS	64
#define VM_SCRATCH	0x300000ULL
#define VM_SCRATCH2	0x800000ULL
#define VM_MMIO		0xd0000000ULL		/* never backed by a slot of the library */
#define PAGE_SIZE	4096UL

enum vm_flags {
	VM_BARE		= 0,		/* KVM_CREATE_VM and nothing else */
	VM_MEMORY	= 1 << 0,	/* slot 0, tables and program image */
	VM_IRQCHIP	= 1 << 1,	/* KVM_CREATE_IRQCHIP (and the TSS address) */
	VM_PIT		= 1 << 2,	/* KVM_CREATE_PIT2 with port 0x61; implies VM_IRQCHIP */
	VM_SPLIT	= 1 << 3,	/* KVM_CAP_SPLIT_IRQCHIP with 24 routes */
	VM_GUEST	= VM_MEMORY,
	VM_ANY_APIC	= VM_IRQCHIP | VM_PIT | VM_SPLIT,
};

struct vm {
	int fd;
	unsigned int flags;
	u8 *mem;		/* host address of guest-physical 0 (VM_MEMORY) */
};

struct vcpu {
	struct vm *vm;
	u32 id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
};

/* The device: $KEEL_DEVICE, else /dev/keel, else /dev/kvm; skips when there is none. */
const char *dev_path(void);
/* For what stock KVM does otherwise: the test says what, Documentation/differences.rst why. */
int dev_is_kvm(void);
int dev_fd(void);
int __dev_ioctl(unsigned long nr, void *arg);
int dev_ioctl(unsigned long nr, void *arg);
int has_cap(long cap);
#define REQUIRE_CAP(cap)	REQUIRE(has_cap(cap) > 0, "no " #cap)

/*
 * True on a host CPU emulated by QEMU's TCG. For what that emulation is known to
 * get wrong under any hypervisor; the reason goes into the skip message.
 */
int host_is_tcg(void);
/* The same for Bochs, which has no CPUID leaf of its own: its firmware's ACPI tables name it. */
int host_is_bochs(void);
/* True where guests of the device run on shadow tables: asked for by Keel's parameter "paging", or for want of nested paging. */
int host_pages_by_shadow(void);
/* False where the emulated CPU does not do what the manual says of a guest's shutdown. */
int host_tells_shutdown(void);
#define REQUIRE_SHUTDOWN()	REQUIRE(host_tells_shutdown(), "not on Bochs's SVM")

/* ioctl() on any descriptor: result, or -errno. */
int __fd_ioctl(int fd, unsigned long nr, void *arg);

struct vm *vm_create(unsigned int flags);
void vm_destroy(struct vm *vm);
int __vm_ioctl(struct vm *vm, unsigned long nr, void *arg);
int vm_ioctl_at(struct vm *vm, unsigned long nr, void *arg, const char *what,
		const char *file, int line);
#define vm_ioctl(vm, nr, arg) vm_ioctl_at(vm, nr, arg, #nr, __FILE__, __LINE__)

/* Slots. __vm_set_slot() returns 0 or -errno. */
int __vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);
void vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);
/* Anonymous zeroed host memory, page aligned; never fails. */
void *host_pages(size_t size);
/* Memory at a given alignment (huge pages). */
void *host_pages_aligned(size_t size, size_t align);

/* Host address of a guest-physical address inside slot 0. */
void *vm_hva(struct vm *vm, u64 gpa);
/* The guest's copy of a global variable of the program. */
#define GUEST_VAR(vm, var) ((__typeof__(var) *)vm_hva(vm, (u64)(uintptr_t)&(var)))
void vm_enable_cap(struct vm *vm, u32 cap, u64 arg0);
/* Map @size bytes at guest-virtual @gva (outside the low 4 GB) to @gpa, 4 KB pages. */
void vm_map(struct vm *vm, u64 gva, u64 gpa, u64 size);

struct vcpu *vcpu_create(struct vm *vm, u32 id);
void vcpu_destroy(struct vcpu *vcpu);
int __vcpu_ioctl(struct vcpu *vcpu, unsigned long nr, void *arg);
int vcpu_ioctl_at(struct vcpu *vcpu, unsigned long nr, void *arg, const char *what,
		  const char *file, int line);
#define vcpu_ioctl(vcpu, nr, arg) vcpu_ioctl_at(vcpu, nr, arg, #nr, __FILE__, __LINE__)

/* KVM_RUN: 0 or -errno; the asserting twin returns the exit reason. */
int __vcpu_run(struct vcpu *vcpu);
u32 vcpu_run(struct vcpu *vcpu);
/* Finish the instruction of the last exit (registers are defined only then), run no other. */
void vcpu_complete(struct vcpu *vcpu);
const char *exit_name(u32 reason);
void assert_exit(struct vcpu *vcpu, u32 wanted, const char *file, int line);
#define ASSERT_EXIT(vcpu, reason) assert_exit(vcpu, reason, __FILE__, __LINE__)
/* Run once and require that exit. */
#define RUN_TO(vcpu, reason)						\
	do {								\
		vcpu_run(vcpu);						\
		assert_exit(vcpu, reason, __FILE__, __LINE__);		\
	} while (0)

/* Registers and model-specific registers. */
struct kvm_regs vcpu_regs(struct vcpu *vcpu);
void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
struct kvm_sregs vcpu_sregs(struct vcpu *vcpu);
void vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);
u64 vcpu_msr(struct vcpu *vcpu, u32 msr);
void vcpu_set_msr(struct vcpu *vcpu, u32 msr, u64 value);
int __vcpu_get_msr(struct vcpu *vcpu, u32 msr, u64 *value);	/* entries done, or -errno */
int __vcpu_set_msr(struct vcpu *vcpu, u32 msr, u64 value);

/*
 * CPUID: the supported table (caller frees), a row of it, and giving it to a vCPU
 * (with its APIC ID, and the TSC deadline bit that user space has to add).
 */
#define CPUID_MAX 256
struct kvm_cpuid2 *supported_cpuid(void);
struct kvm_cpuid_entry2 *cpuid_row(struct kvm_cpuid2 *c, u32 function, u32 index);
void vcpu_set_supported_cpuid(struct vcpu *vcpu);

#endif
