/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what a vCPU has from its first use on, of one that is in the state of another's (first_use.c). */
#ifndef CORE_FIRST_USE_H
#define CORE_FIRST_USE_H

struct vcpu;

/* Keep what @from has for the first use of @to, which nobody else knows; @from is held. 0 or -ENOMEM. */
int vcpu_keep(struct vcpu *to, const struct vcpu *from);
/* What @to has becomes as @from has or keeps it; both are held. What it has not comes with its first use. Nothing is allocated. */
void vcpu_put_kept(struct vcpu *to, const struct vcpu *from);
/* Free what is kept, and the pages. Nobody uses @vcpu any more. */
void vcpu_first_use_destroy(struct vcpu *vcpu);

#endif
