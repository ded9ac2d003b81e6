// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO says of a file of its own. keel.ko does not depend on vfio.ko: while that is not loaded, no file is VFIO's.
 *
 * vfio_file_set_kvm() is never called: some of VFIO's drivers take what they are given there for a struct kvm.
 */
#include <linux/module.h>
#include <linux/vfio.h>
#include <keel/vfio.h>
#include "keel_have.h"

/* Where devices have nodes of their own these are known too. */
#ifdef KEEL_HAVE_VFIO_FILE_IS_VALID
#define file_is_known	vfio_file_is_valid
#else
#define file_is_known	vfio_file_is_group
#endif

bool keel_host_vfio_knows(struct file *file)
{
	bool (*known)(struct file *file) = symbol_get(file_is_known);
	bool ret;

	if (!known)
		return false;
	ret = known(file);
	symbol_put(file_is_known);
	return ret;
}

bool keel_host_vfio_is_coherent(struct file *file)
{
	bool (*coherent)(struct file *file) = symbol_get(vfio_file_enforced_coherent);
	bool ret;

	if (!coherent)
		return false;
	ret = coherent(file);
	symbol_put(vfio_file_enforced_coherent);
	return ret;
}
