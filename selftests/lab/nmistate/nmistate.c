// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the handler of an NMI find in the CPU? For selftests/host/nmi_state_test:
 *
 *   echo '1 1000 7fff12345000' >/proc/nmistate	1000 NMIs to CPU 1, one after the other
 *   cat /proc/nmistate			a line for each
 *
 * Those that find another process on the CPU than the one that writes are not counted: its values are its own.
 * A line is the function that the NMI came in ("user" for user space), XCR0, PKRU, IA32_XSS, IA32_DEBUGCTL,
 * and whether the handler could read the byte of user space at that address, as perf reads stacks.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <asm/apic.h>
#include <asm/fpu/xcr.h>
#include <asm/nmi.h>
#include <asm/special_insns.h>

#define NAME		"nmistate"
#define MAX_RECORDS	2000
#define LIMIT_US	20000000	/* an emulated CPU may wait for a real one */

struct record {
	unsigned long ip;	/* 0 for user space */
	u64 xcr0;
	u32 pkru;
	u64 xss;
	u64 debugctl;
	bool can_read;
};

static struct record records[MAX_RECORDS];
static unsigned int nr_records;
static const void __user *address;
static pid_t process;		/* the one that asks */
static int target = -1;		/* the CPU that an NMI was sent to and that has not had it yet */
static DEFINE_MUTEX(lock);

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	struct record *r;
	u8 byte;

	if (READ_ONCE(target) != smp_processor_id())
		return NMI_DONE;
	if (task_tgid_nr(current) != process)
		goto done;
	r = &records[nr_records];
	r->ip = user_mode(regs) ? 0 : regs->ip;
	r->xcr0 = boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(XCR_XFEATURE_ENABLED_MASK) : 0;
	r->pkru = boot_cpu_has(X86_FEATURE_OSPKE) ? rdpkru() : 0;
	r->xss = boot_cpu_has(X86_FEATURE_XSAVES) ? __rdmsr(MSR_IA32_XSS) : 0;
	r->debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	r->can_read = !copy_from_user_nmi(&byte, address, 1);
	nr_records++;
done:
	smp_store_release(&target, -1);
	return NMI_HANDLED;
}

/* The time between two is not always the same: a guest that exits at a rhythm is met everywhere in it. */
static int send(int cpu, unsigned int count)
{
	unsigned int i, us;

	for (i = 0; nr_records < count; i++) {
		if (i == 4 * MAX_RECORDS)
			return -ETIMEDOUT;
		WRITE_ONCE(target, cpu);
		apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
		for (us = 0; smp_load_acquire(&target) >= 0; us++) {
			if (us == LIMIT_US) {
				WRITE_ONCE(target, -1);
				return -ETIMEDOUT;
			}
			udelay(1);
		}
		usleep_range(50 + 7 * (i % 31), 300);
	}
	return 0;
}

static ssize_t nmistate_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	unsigned int count;
	unsigned long at;
	char text[64];
	int cpu, ret;

	if (size >= sizeof(text) || copy_from_user(text, buf, size))
		return -EINVAL;
	text[size] = 0;
	if (sscanf(text, "%d %u %lx", &cpu, &count, &at) != 3 || count > MAX_RECORDS)
		return -EINVAL;
	if (cpu < 0 || cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	mutex_lock(&lock);
	address = (const void __user *)at;
	nr_records = 0;
	process = task_tgid_nr(current);
	ret = send(cpu, count);
	mutex_unlock(&lock);
	return ret ? ret : size;
}

static int show(struct seq_file *m, void *unused)
{
	unsigned int i;

	mutex_lock(&lock);
	for (i = 0; i < nr_records; i++) {
		const struct record *r = &records[i];

		if (r->ip)
			seq_printf(m, "%ps", (void *)r->ip);
		else
			seq_puts(m, "user");
		seq_printf(m, " %llx %x %llx %llx %d\n", r->xcr0, r->pkru, r->xss, r->debugctl, r->can_read);
	}
	mutex_unlock(&lock);
	return 0;
}

static int nmistate_open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static const struct proc_ops ops = {
	.proc_open = nmistate_open,
	.proc_read = seq_read,
	.proc_write = nmistate_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init nmistate_init(void)
{
	int ret = register_nmi_handler(NMI_LOCAL, on_nmi, 0, NAME);

	if (ret)
		return ret;
	if (!proc_create(NAME, 0600, NULL, &ops)) {
		unregister_nmi_handler(NMI_LOCAL, NAME);
		return -ENOMEM;
	}
	return 0;
}

static void __exit nmistate_exit(void)
{
	remove_proc_entry(NAME, NULL);
	unregister_nmi_handler(NMI_LOCAL, NAME);
}

module_init(nmistate_init);
module_exit(nmistate_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What the handler of an NMI finds in the CPU, for a test");
