/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what request.c needs, once for the module. */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

int keel_request_init(void);	/* 0 or -ENOMEM */
void keel_request_exit(void);

#endif
