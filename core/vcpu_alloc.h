/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: the slab cache of vCPUs, made once the backend's size is known. */
#ifndef CORE_VCPU_ALLOC_H
#define CORE_VCPU_ALLOC_H

int keel_vcpu_cache_create(void);
void keel_vcpu_cache_destroy(void);

#endif
