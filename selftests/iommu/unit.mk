# SPDX-License-Identifier: GPL-2.0-only
iommu-shim := -I$(TOP)/selftests/iommu/shim -I$(TOP)/iommu
unit_dev_test-srcs := iommu/dev.c selftests/iommu/unit_dev_model.c
unit_dev_test-cflags := $(iommu-shim)
unit_guard_test-srcs := iommu/guard.c
unit_guard_test-cflags := $(iommu-shim) -Wno-override-init
unit_vfio_test-srcs := iommu/vfio.c
unit_vfio_test-cflags := -I$(TOP)/selftests/iommu/shim_vfio $(iommu-shim)
