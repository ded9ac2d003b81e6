/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what is made once for the module. 0 or -ENOMEM. */
#ifndef CORE_LIFE_H
#define CORE_LIFE_H

int keel_request_init(void);		/* request.c */
void keel_request_exit(void);
int keel_vcpu_cache_create(void);	/* vcpu.c: once the backend's size is known */
void keel_vcpu_cache_destroy(void);

#endif
