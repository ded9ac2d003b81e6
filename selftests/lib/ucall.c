// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host half of the guest's calls. The argument of the OUT is the address of a
 * struct ucall in the low 4 GB of slot 0; it is copied before it is looked at,
 * and its strings are the program's own, at the same address on both sides.
 */
#include "guest.h"

enum ucall_cmd vcpu_get_ucall(struct vcpu *vcpu, struct ucall *uc)
{
	struct kvm_run *run = vcpu->run;
	u32 gpa;

	memset(uc, 0, sizeof(*uc));
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != UCALL_PORT ||
	    run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4)
		return UCALL_NONE;
	memcpy(&gpa, (u8 *)run + run->io.data_offset, sizeof(gpa));
	ASSERT(vcpu->vm->mem && gpa <= VM_MEM_SIZE - sizeof(*uc), "ucall at 0x%x", gpa);
	memcpy(uc, vcpu->vm->mem + gpa, sizeof(*uc));
	return uc->cmd;
}

static void handle_failure(struct vcpu *vcpu, const struct ucall *uc)
{
	const unsigned long long *a = (const void *)uc->args;

	if (uc->cmd == UCALL_ASSERT)
		test_fail(uc->file, uc->line, "guest, vCPU %u: %s: 0x%llx and 0x%llx", vcpu->id,
			  uc->text, a[0], a[1]);
	if (uc->cmd == UCALL_EXCEPTION)
		FAIL("guest, vCPU %u: exception %llu, error 0x%llx, at 0x%llx, CR2 0x%llx",
		     vcpu->id, a[0], a[1], a[2], a[3]);
}

/* The format is a constant of the test's guest code. */
static void print(const struct ucall *uc)
{
	char text[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), uc->text, uc->args[0], uc->args[1]);
#pragma GCC diagnostic pop
	test_note("guest: %s", text);
}

static enum ucall_cmd serve(struct vcpu *vcpu, struct ucall *uc)
{
	switch (vcpu_get_ucall(vcpu, uc)) {
	case UCALL_NONE:
		FAIL("I/O of port 0x%x, size %u, that is no ucall", vcpu->run->io.port,
		     vcpu->run->io.size);
	case UCALL_PRINT:
		print(uc);
		break;
	case UCALL_ROW:
		test_check(uc->file, uc->line, uc->text, uc->args[0], uc->args[1]);
		break;
	default:
		handle_failure(vcpu, uc);
	}
	return uc->cmd;
}

enum ucall_cmd vcpu_finish(struct vcpu *vcpu)
{
	struct ucall uc;

	return serve(vcpu, &uc);
}

enum ucall_cmd vcpu_run_ucall(struct vcpu *vcpu, struct ucall *uc)
{
	struct ucall local;
	enum ucall_cmd cmd;

	do {
		vcpu_run(vcpu);
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		cmd = serve(vcpu, uc ? uc : &local);
	} while (cmd != UCALL_DONE && cmd != UCALL_SYNC);
	return cmd;
}

void vcpu_run_done(struct vcpu *vcpu)
{
	struct ucall uc;

	if (vcpu_run_ucall(vcpu, &uc) != UCALL_DONE)
		FAIL("wanted DONE, the guest is at stage %llu", (unsigned long long)uc.args[0]);
}

void vcpu_run_sync(struct vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	if (vcpu_run_ucall(vcpu, &uc) != UCALL_SYNC)
		FAIL("wanted stage %llu, the guest is done", (unsigned long long)stage);
	ASSERT_EQ(uc.args[0], stage);
}

void run_guest(unsigned int vm_flags, void *fn)
{
	struct vm *vm = vm_create(vm_flags | VM_MEMORY);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, fn);

	vcpu_run_done(vcpu);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}
