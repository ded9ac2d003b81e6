/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM of one vCPU with 64 KB of memory at 0, in real mode at 0x1000: enough for what is shown here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	0x10000

static int kvm, vm, vcpu;
static struct kvm_run *run;
static unsigned char *memory;

#define TRY(call) ({							\
	long try_ = (call);						\
	if (try_ < 0) {							\
		printf("line %d: %s: %s\n", __LINE__, #call, strerror(errno));	\
		exit(1);						\
	}								\
	try_;								\
})

/* Code of the guest: bytes between two labels, put at 0x1000. */
#define GUEST(text)	asm(".code16\nguest: " text "\nguest_end: .code64"); extern char guest[], guest_end[]

static inline void vm_create(int irqchip)
{
	struct kvm_userspace_memory_region region = { .memory_size = SIZE };

	kvm = TRY(open("/dev/kvm", O_RDWR));
	vm = TRY(ioctl(kvm, KVM_CREATE_VM, 0));
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (unsigned long)memory;
	TRY(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	if (irqchip)
		TRY(ioctl(vm, KVM_CREATE_IRQCHIP, 0));
}

static inline void vcpu_create(const char *code, const char *end)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[100]; } cpuid = { .head.nent = 100 };
	struct kvm_regs regs = { .rip = 0x1000, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs sregs;

	vcpu = TRY(ioctl(vm, KVM_CREATE_VCPU, 0));
	run = mmap(NULL, TRY(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	TRY(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid));
	TRY(ioctl(vcpu, KVM_SET_CPUID2, &cpuid));
	memcpy(memory + 0x1000, code, end - code);
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = sregs.cs.selector = 0;
	TRY(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	TRY(ioctl(vcpu, KVM_SET_REGS, &regs));
}

static inline void vm_start(int irqchip, const char *code, const char *end)
{
	vm_create(irqchip);
	vcpu_create(code, end);
}

/* The exit's reason. */
static inline int vcpu_run(void)
{
	TRY(ioctl(vcpu, KVM_RUN, 0));
	return run->exit_reason;
}

static inline struct kvm_regs vcpu_regs(void)
{
	struct kvm_regs regs;

	TRY(ioctl(vcpu, KVM_GET_REGS, &regs));
	return regs;
}

/* Runs until the guest writes to a port: what it wrote. */
static inline unsigned int next_out(void)
{
	unsigned int value = 0;

	if (vcpu_run() != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT) {
		printf("exit %u in place of an OUT, RIP %#llx\n", run->exit_reason, vcpu_regs().rip);
		exit(1);
	}
	memcpy(&value, (char *)run + run->io.data_offset, run->io.size);
	return value;
}
