// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: signalling an eventfd raises an interrupt, without entering the launcher.
 *
 * The wake-up callback runs under the eventfd's own lock with interrupts off and delivers at
 * once: routing and controllers never sleep. A plain irqfd is an edge. One with a resamplefd
 * holds a level: the line goes up, and when the guest acknowledges the interrupt it goes down and
 * the resamplefd is signalled, so that the device raises it again if it still needs service. All
 * resampling irqfds of a GSI share one line source, hence one struct resampler.
 *
 * An irqfd ends by KVM_IRQFD_FLAG_DEASSIGN, by the close of its eventfd (EPOLLHUP), or with the
 * VM's file. Whoever takes it off irqchip.irqfds (under irqfd_lock) has it released, which waits
 * for callbacks under way and for irqchip.lock, and so needs a thread: one for each VM, so that
 * none waits for another's lock.
 *
 * Lists of them are walked, and their resamplefds signalled, with interrupts off: both have a bound (Documentation/locking.rst).
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <keel/compat.h>
#include <keel/host.h>
#include "irqchip.h"

/* In a VM: one for each GSI that can have a route; and level-triggered ones, as one EOI may be that of many pins. */
#define IRQFD_MAX	KEEL_MAX_ROUTES
#define RESAMPLE_MAX	512

/*
 * struct resampler - the level-triggered irqfds of one GSI
 * @irqfds: RCU list by irqfd.resampler_link; changed under irqchip.lock
 * @link: in irqchip.resamplers, RCU list, changed under irqchip.lock
 */
struct resampler {
	u32 gsi;
	struct list_head irqfds;
	struct list_head link;
	struct rcu_head rcu;
};

/*
 * struct irqfd - one of them
 * @active: @link is in irqchip.irqfds, else in irqchip.irqfds_ended or in none; irqchip.irqfd_lock
 * @resamplefd: NULL for an edge
 */
struct irqfd {
	struct irqchip *irq;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	struct resampler *resampler;
	struct list_head resampler_link;
	struct list_head link;
	wait_queue_entry_t wait;
	poll_table pt;
	bool active;
	struct rcu_head rcu;
};

static struct workqueue_struct *release_wq;

/* ---- signals ---- */

static void irqfd_inject(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		route_set_line(irqfd->irq, irqfd->gsi, IRQ_SOURCE_RESAMPLE, 1);
	else
		route_pulse(irqfd->irq, irqfd->gsi, IRQ_SOURCE_USER);
}

/* Take it off the list of active ones: irqchip.irqfd_work releases it. irqfd_lock held. */
static void irqfd_deactivate(struct irqfd *irqfd)
{
	irqfd->active = false;
	list_move_tail(&irqfd->link, &irqfd->irq->irqfds_ended);
}

/* The eventfd was signalled or closed. Its lock is held, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct irqchip *irq = irqfd->irq;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
	}
	if (events & EPOLLHUP) {
		/* the VM may be taking it off at this moment */
		spin_lock_irqsave(&irq->irqfd_lock, flags);
		if (irqfd->active) {
			irqfd_deactivate(irqfd);
			queue_work(release_wq, &irq->irqfd_work);
		}
		spin_unlock_irqrestore(&irq->irqfd_lock, flags);
	}
	return events & EPOLLIN ? 1 : 0;
}

static void irqfd_queue_wait(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct irqfd *irqfd = container_of(pt, struct irqfd, pt);

	/* first in line, so that a reader in user space does not take the count away */
	keel_add_wait_queue_priority(head, &irqfd->wait);
}

/* GSI @gsi was acknowledged: lower the resamplers' line and ask the devices. No locks held. */
void irqfd_acked(struct irqchip *irq, u32 gsi)
{
	struct resampler *r;
	struct irqfd *irqfd;

	if (likely(list_empty(&irq->resamplers)))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(r, &irq->resamplers, link) {
		if (r->gsi != gsi)
			continue;
		route_set_line(irq, gsi, IRQ_SOURCE_RESAMPLE, 0);
		list_for_each_entry_rcu(irqfd, &r->irqfds, resampler_link)
			keel_host_eventfd_signal(irqfd->resamplefd);
	}
	rcu_read_unlock();
}

bool irqfd_wants_ack(struct irqchip *irq, u32 gsi)
{
	struct resampler *r;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(r, &irq->resamplers, link) {
		if (r->gsi == gsi) {
			found = true;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* ---- resamplers; irqchip.lock held ---- */

static int resampler_join(struct irqfd *irqfd)
{
	struct irqchip *irq = irqfd->irq;
	struct resampler *r;

	if (irq->nr_resampled >= RESAMPLE_MAX)
		return -ENOSPC;
	list_for_each_entry(r, &irq->resamplers, link) {
		if (r->gsi == irqfd->gsi)
			goto found;
	}
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	r->gsi = irqfd->gsi;
	INIT_LIST_HEAD(&r->irqfds);
	list_add_rcu(&r->link, &irq->resamplers);
	ioapic_update_notify(irq);
found:
	irq->nr_resampled++;
	list_add_rcu(&irqfd->resampler_link, &r->irqfds);
	irqfd->resampler = r;
	return 0;
}

static void resampler_leave(struct irqfd *irqfd)
{
	struct irqchip *irq = irqfd->irq;
	struct resampler *r = irqfd->resampler;

	list_del_rcu(&irqfd->resampler_link);
	irq->nr_resampled--;
	if (!list_empty(&r->irqfds))
		return;
	list_del_rcu(&r->link);
	route_set_line(irq, r->gsi, IRQ_SOURCE_RESAMPLE, 0);
	ioapic_update_notify(irq);
	kfree_rcu(r, rcu);
}

/* ---- end ---- */

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void irqfd_free_rcu(struct rcu_head *rcu)
{
	irqfd_free(container_of(rcu, struct irqfd, rcu));
}

static void irqfd_release(struct irqfd *irqfd)
{
	struct irqchip *irq = irqfd->irq;
	u64 count;

	/* the lock also makes this wait for an assignment that has not come to its end */
	mutex_lock(&irq->lock);
	/* no callback runs or begins after this */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	if (irqfd->resampler)
		resampler_leave(irqfd);
	irq->nr_irqfds--;
	mutex_unlock(&irq->lock);
	/* an acknowledgement may be at the resamplefd */
	if (irqfd->resampler)
		call_rcu(&irqfd->rcu, irqfd_free_rcu);
	else
		irqfd_free(irqfd);
}

void irqfd_release_ended(struct work_struct *work)
{
	struct irqchip *irq = container_of(work, struct irqchip, irqfd_work);
	struct irqfd *irqfd;

	for (;;) {
		spin_lock_irq(&irq->irqfd_lock);
		irqfd = list_first_entry_or_null(&irq->irqfds_ended, struct irqfd, link);
		if (irqfd)
			list_del_init(&irqfd->link);
		spin_unlock_irq(&irq->irqfd_lock);
		if (!irqfd)
			return;
		irqfd_release(irqfd);
	}
}

/* ---- ioctl ---- */

/* Publish a filled irqfd and hook it to its eventfd. irqchip.lock held. */
static int irqfd_activate(struct irqfd *irqfd, struct file *file)
{
	struct irqchip *irq = irqfd->irq;
	struct irqfd *other;
	__poll_t events;

	if (irq->nr_irqfds >= IRQFD_MAX)
		return -ENOSPC;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->pt, irqfd_queue_wait);
	spin_lock_irq(&irq->irqfd_lock);
	list_for_each_entry(other, &irq->irqfds, link) {
		if (other->eventfd == irqfd->eventfd) {
			spin_unlock_irq(&irq->irqfd_lock);
			return -EBUSY;
		}
	}
	list_add_tail(&irqfd->link, &irq->irqfds);
	irqfd->active = true;
	spin_unlock_irq(&irq->irqfd_lock);
	irq->nr_irqfds++;
	WRITE_ONCE(irq->irqfd_used, true);

	events = vfs_poll(file, &irqfd->pt);
	/* signalled before the hook was in */
	if (events & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;
}

static int irqfd_assign_file(struct irqfd *irqfd, const struct kvm_irqfd *args, struct file *file)
{
	struct irqchip *irq = irqfd->irq;
	struct eventfd_ctx *ctx;
	int ret = 0;

	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->eventfd = ctx;
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		ctx = eventfd_ctx_fdget(args->resamplefd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		irqfd->resamplefd = ctx;
	}

	/* those whose eventfd was closed count until they are released */
	if (READ_ONCE(irq->nr_irqfds) >= IRQFD_MAX || READ_ONCE(irq->nr_resampled) >= RESAMPLE_MAX)
		flush_work(&irq->irqfd_work);
	mutex_lock(&irq->lock);
	if (irqfd->resamplefd)
		ret = resampler_join(irqfd);
	if (!ret) {
		ret = irqfd_activate(irqfd, file);
		if (ret && irqfd->resampler)
			resampler_leave(irqfd);
	}
	mutex_unlock(&irq->lock);
	return ret;
}

static int irqfd_assign(struct irqchip *irq, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct fd f;
	int ret;

	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->irq = irq;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);

	f = fdget(args->fd);
	ret = keel_fd_file(f) ? irqfd_assign_file(irqfd, args, keel_fd_file(f)) : -EBADF;
	fdput(f);
	if (!ret)
		return 0;
	/* it may have been seen by an acknowledgement */
	if (irqfd->resampler)
		call_rcu(&irqfd->rcu, irqfd_free_rcu);
	else
		irqfd_free(irqfd);
	return ret;
}

static int irqfd_deassign(struct irqchip *irq, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	spin_lock_irq(&irq->irqfd_lock);
	list_for_each_entry_safe(irqfd, next, &irq->irqfds, link) {
		if (irqfd->eventfd == ctx && irqfd->gsi == args->gsi)
			irqfd_deactivate(irqfd);
	}
	spin_unlock_irq(&irq->irqfd_lock);
	eventfd_ctx_put(ctx);
	/* the caller may close or reuse its eventfd and expects no interrupt from it any more */
	queue_work(release_wq, &irq->irqfd_work);
	flush_work(&irq->irqfd_work);
	return 0;
}

int keel_irqfd(struct vm *vm, const struct kvm_irqfd *args)
{
	enum irqchip_mode mode = vm_irq_mode(vm);
	struct irqchip *irq = vm->irq;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (mode == IRQCHIP_NONE)
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(irq, args);
	if ((args->flags & KVM_IRQFD_FLAG_RESAMPLE) && mode != IRQCHIP_KERNEL)
		return -EINVAL;
	return irqfd_assign(irq, args);
}

/* So many are taken off at a time, with interrupts off. */
#define IRQFD_BATCH	256

/* Return: there are more. */
static bool irqfd_deactivate_some(struct irqchip *irq)
{
	unsigned int i;
	bool more;

	spin_lock_irq(&irq->irqfd_lock);
	for (i = 0; i < IRQFD_BATCH && !list_empty(&irq->irqfds); i++)
		irqfd_deactivate(list_first_entry(&irq->irqfds, struct irqfd, link));
	more = !list_empty(&irq->irqfds);
	spin_unlock_irq(&irq->irqfd_lock);
	return more;
}

void keel_irqfd_shutdown(struct vm *vm)
{
	struct irqchip *irq = vm->irq;

	if (!irq || !READ_ONCE(irq->irqfd_used))
		return;
	while (irqfd_deactivate_some(irq))
		cond_resched();
	/* also those that a closed eventfd took off before */
	queue_work(release_wq, &irq->irqfd_work);
	flush_work(&irq->irqfd_work);
}

int keel_irq_module_init(void)
{
	int ret = route_module_init();

	if (ret)
		return ret;
	release_wq = alloc_workqueue("keel-irqfd", WQ_UNBOUND, 0);
	if (release_wq)
		return 0;
	route_module_exit();
	return -ENOMEM;
}

/* RCU callbacks of this room may be under way. */
void keel_irq_module_exit(void)
{
	destroy_workqueue(release_wq);
	rcu_barrier();
	route_module_exit();
}
