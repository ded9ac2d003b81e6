// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs: creation, running, registers, MSRs and CPUID. A vCPU from
 * vcpu_create() is in its reset state with an empty CPUID table; guest.h has
 * the functions that put it into a mode and point it at code.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

struct vcpu *vcpu_create(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));

	ASSERT(vcpu, "out of memory");
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(unsigned long)id);
	vcpu->run_size = dev_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	ASSERT(vcpu->run != MAP_FAILED, "mmap of vCPU %u: %s", id, strerror(errno));
	return vcpu;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
	free(vcpu);
}

int __vcpu_ioctl(struct vcpu *vcpu, unsigned long nr, void *arg)
{
	return __fd_ioctl(vcpu->fd, nr, arg);
}

int vcpu_ioctl_at(struct vcpu *vcpu, unsigned long nr, void *arg, const char *what,
		  const char *file, int line)
{
	int ret = __vcpu_ioctl(vcpu, nr, arg);

	if (ret < 0)
		test_fail(file, line, "%s: %s", what, strerror(-ret));
	return ret;
}

int __vcpu_run(struct vcpu *vcpu)
{
	return __vcpu_ioctl(vcpu, KVM_RUN, NULL);
}

void vcpu_complete(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	ASSERT_EQ(__vcpu_run(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
}

u32 vcpu_run(struct vcpu *vcpu)
{
	int ret = __vcpu_run(vcpu);

	ASSERT(!ret, "KVM_RUN: %s", strerror(-ret));
	return vcpu->run->exit_reason;
}

const char *exit_name(u32 reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN", [KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO", [KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG", [KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO", [KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN", [KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTR] = "INTR", [KVM_EXIT_SET_TPR] = "SET_TPR",
		[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS", [KVM_EXIT_NMI] = "NMI",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
		[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
		[KVM_EXIT_IOAPIC_EOI] = "IOAPIC_EOI", [KVM_EXIT_HYPERV] = "HYPERV",
		[KVM_EXIT_X86_RDMSR] = "X86_RDMSR", [KVM_EXIT_X86_WRMSR] = "X86_WRMSR",
	};

	return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "?";
}

void assert_exit(struct vcpu *vcpu, u32 wanted, const char *file, int line)
{
	struct kvm_run *run = vcpu->run;
	u32 got = run->exit_reason;

	if (got == wanted)
		return;
	if (got == KVM_EXIT_INTERNAL_ERROR)
		test_note("internal error: suberror %u, %u words, first 0x%llx",
			  run->internal.suberror, run->internal.ndata,
			  (unsigned long long)run->internal.data[0]);
	if (got == KVM_EXIT_IO)
		test_note("I/O: %s port 0x%x size %u", run->io.direction ? "out" : "in",
			  run->io.port, run->io.size);
	if (got == KVM_EXIT_MMIO)
		test_note("MMIO: %s 0x%llx length %u", run->mmio.is_write ? "write" : "read",
			  (unsigned long long)run->mmio.phys_addr, run->mmio.len);
	if (got == KVM_EXIT_FAIL_ENTRY)
		test_note("entry failed: reason 0x%llx",
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	test_fail(file, line, "exit: wanted %s (%u), got %s (%u), rip 0x%llx",
		  exit_name(wanted), wanted, exit_name(got), got,
		  (unsigned long long)vcpu_regs(vcpu).rip);
}

struct kvm_regs vcpu_regs(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_ioctl(vcpu, KVM_GET_REGS, &regs);
	return regs;
}

void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	vcpu_ioctl(vcpu, KVM_SET_REGS, (void *)regs);
}

struct kvm_sregs vcpu_sregs(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	return sregs;
}

void vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	vcpu_ioctl(vcpu, KVM_SET_SREGS, (void *)sregs);
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

int __vcpu_get_msr(struct vcpu *vcpu, u32 msr, u64 *value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = msr };
	int ret = __vcpu_ioctl(vcpu, KVM_GET_MSRS, &m);

	*value = m.entry.data;
	return ret;
}

int __vcpu_set_msr(struct vcpu *vcpu, u32 msr, u64 value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = msr, .entry.data = value };

	return __vcpu_ioctl(vcpu, KVM_SET_MSRS, &m);
}

u64 vcpu_msr(struct vcpu *vcpu, u32 msr)
{
	u64 value;
	int ret = __vcpu_get_msr(vcpu, msr, &value);

	ASSERT(ret == 1, "KVM_GET_MSRS of 0x%x returned %d", msr, ret);
	return value;
}

void vcpu_set_msr(struct vcpu *vcpu, u32 msr, u64 value)
{
	int ret = __vcpu_set_msr(vcpu, msr, value);

	ASSERT(ret == 1, "KVM_SET_MSRS of 0x%x to 0x%llx returned %d", msr,
	       (unsigned long long)value, ret);
}

struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX * sizeof(c->entries[0]));

	ASSERT(c, "out of memory");
	c->nent = CPUID_MAX;
	dev_ioctl(KVM_GET_SUPPORTED_CPUID, c);
	return c;
}

struct kvm_cpuid_entry2 *cpuid_row(struct kvm_cpuid2 *c, u32 function, u32 index)
{
	u32 i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	return NULL;
}

void vcpu_set_supported_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	u32 i;

	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0x00ffffff) | vcpu->id << 24;
			if (vcpu->vm->flags & VM_ANY_APIC && has_cap(KVM_CAP_TSC_DEADLINE_TIMER) > 0)
				e->ecx |= BIT(24);
		}
		if (e->function == 0xb)
			e->edx = vcpu->id;
	}
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	free(c);
}
