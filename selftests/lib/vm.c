// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device node, VMs and memory slots.
 *
 * A VM of the library owns one anonymous mapping as slot 0. The program's own
 * load segments are copied into it at their link addresses, which is why the
 * tests are linked statically at a fixed address: a guest function, its string
 * constants and its global variables have the same address on both sides, and
 * each VM has a private copy of the variables as they were when it was made.
 */
#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

static int cached_fd = -1;
static pid_t cached_pid;

const char *dev_path(void)
{
	const char *env = getenv("KEEL_DEVICE");

	if (env && *env)
		return env;
	return access("/dev/keel", F_OK) ? "/dev/kvm" : "/dev/keel";
}

int dev_is_kvm(void)
{
	return !strcmp(dev_path(), "/dev/kvm");
}

int dev_fd(void)
{
	if (cached_fd >= 0 && cached_pid == getpid())
		return cached_fd;
	cached_fd = open(dev_path(), O_RDWR | O_CLOEXEC);
	cached_pid = getpid();
	REQUIRE(cached_fd >= 0, "cannot open %s: %s", dev_path(), strerror(errno));
	return cached_fd;
}

int host_is_tcg(void)
{
	u32 eax = 0x40000000, ebx, ecx, edx;

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "=c" (ecx), "=d" (edx));
	return ebx == 0x54474354 && ecx == 0x43544743 && edx == 0x47435447;	/* TCGTCGTCGTCG */
}

int host_is_bochs(void)
{
	static const char path[] = "/sys/firmware/acpi/tables/FACP";
	u32 eax = 1, ebx, ecx = 0, edx;
	char table[16] = { 0 };
	int fd;

	/* QEMU's tables say the same, but its CPUs have a hypervisor bit, or say TCG */
	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
	if ((ecx & BIT(31)) || host_is_tcg())
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, table, sizeof(table)) != sizeof(table))
		table[10] = 0;
	close(fd);
	return !memcmp(table + 10, "BOCHS", 5);
}

/* Is there a word of /proc/cpuinfo, as of "flags" and "vmx flags"? */
static int cpu_flag(const char *flag)
{
	char line[4096], *word, *rest;
	FILE *f = fopen("/proc/cpuinfo", "r");
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		for (word = strtok_r(line, " \t\n", &rest); word && !found; word = strtok_r(NULL, " \t\n", &rest))
			found = !strcmp(word, flag);
	if (f)
		fclose(f);
	return found;
}

int host_pages_by_shadow(void)
{
	char paging[16] = "";
	FILE *f = fopen("/sys/module/keel/parameters/paging", "r");

	if (f) {
		if (!fgets(paging, sizeof(paging), f))
			paging[0] = 0;
		fclose(f);
	}
	if (dev_is_kvm() || !strcmp(paging, "nested\n"))
		return 0;
	return !strcmp(paging, "shadow\n") || !(cpu_flag("npt") || (cpu_flag("ept") && cpu_flag("unrestricted_guest")));
}

int host_tells_shutdown(void)
{
	return !(host_is_bochs() && guest_is_amd());
}

int __fd_ioctl(int fd, unsigned long nr, void *arg)
{
	int ret = ioctl(fd, nr, arg);

	return ret < 0 ? -errno : ret;
}

int __dev_ioctl(unsigned long nr, void *arg)
{
	return __fd_ioctl(dev_fd(), nr, arg);
}

int dev_ioctl(unsigned long nr, void *arg)
{
	int ret = __dev_ioctl(nr, arg);

	ASSERT(ret >= 0, "device ioctl 0x%lx: %s", nr, strerror(-ret));
	return ret;
}

int has_cap(long cap)
{
	return __dev_ioctl(KVM_CHECK_EXTENSION, (void *)cap);
}

void *host_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED, "mmap of %zu bytes: %s", size, strerror(errno));
	return p;
}

void *host_pages_aligned(size_t size, size_t align)
{
	u8 *p = host_pages(size + align);

	return (void *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
}

static void vm_load_image(struct vm *vm)
{
	const Elf64_Phdr *ph = (void *)getauxval(AT_PHDR);
	size_t i, n = getauxval(AT_PHNUM);

	for (i = 0; i < n; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		ASSERT(ph[i].p_vaddr >= 0x400000 &&
		       ph[i].p_vaddr + ph[i].p_memsz <= VM_SCRATCH2,
		       "program segment at 0x%llx does not fit the guest",
		       (unsigned long long)ph[i].p_vaddr);
		memcpy(vm->mem + ph[i].p_vaddr, (void *)ph[i].p_vaddr, ph[i].p_memsz);
	}
}

struct vm *vm_create(unsigned int flags)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	ASSERT(vm, "out of memory");
	vm->flags = flags;
	vm->fd = dev_ioctl(KVM_CREATE_VM, NULL);
	if (flags & (VM_IRQCHIP | VM_PIT)) {
		vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000UL);
		vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL);
	}
	if (flags & VM_PIT)
		vm_ioctl(vm, KVM_CREATE_PIT2, &pit);
	if (flags & VM_SPLIT)
		vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	if (flags & VM_MEMORY) {
		vm->mem = host_pages(VM_MEM_SIZE);
		vm_set_slot(vm, 0, 0, 0, VM_MEM_SIZE, vm->mem);
		vm_load_image(vm);
		guest_tables_init(vm);
	}
	return vm;
}

void vm_destroy(struct vm *vm)
{
	close(vm->fd);
	if (vm->mem)
		munmap(vm->mem, VM_MEM_SIZE);
	free(vm);
}

int __vm_ioctl(struct vm *vm, unsigned long nr, void *arg)
{
	return __fd_ioctl(vm->fd, nr, arg);
}

int vm_ioctl_at(struct vm *vm, unsigned long nr, void *arg, const char *what,
		const char *file, int line)
{
	int ret = __vm_ioctl(vm, nr, arg);

	if (ret < 0)
		test_fail(file, line, "%s: %s", what, strerror(-ret));
	return ret;
}

int __vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

void vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	int ret = __vm_set_slot(vm, slot, flags, gpa, size, hva);

	ASSERT(!ret, "slot %u at 0x%llx: %s", slot, (unsigned long long)gpa, strerror(-ret));
}

void *vm_hva(struct vm *vm, u64 gpa)
{
	ASSERT(vm->mem && gpa < VM_MEM_SIZE, "0x%llx is outside slot 0",
	       (unsigned long long)gpa);
	return vm->mem + gpa;
}

void vm_enable_cap(struct vm *vm, u32 cap, u64 arg0)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg0 } };

	vm_ioctl(vm, KVM_ENABLE_CAP, &c);
}
