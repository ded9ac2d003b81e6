/* SPDX-License-Identifier: GPL-2.0-only */
/* What host/bugs.c needs of the kernel, for its unit test in user space. */
#ifndef HOST_SHIM_KERNEL_H
#define HOST_SHIM_KERNEL_H

#include "scnprintf.h"

#endif
