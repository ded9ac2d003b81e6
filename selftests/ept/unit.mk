# SPDX-License-Identifier: GPL-2.0-only
ept-shim := -I$(TOP)/selftests/ept/shim
unit_pgtable_test-srcs := ept/pgtable.c ept/pte_npt.c ept/pte_ept.c
unit_pgtable_test-cflags := $(ept-shim) -I$(TOP)/ept
unit_walk_test-srcs := ept/walk.c
unit_walk_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_vcpu.h
unit_shadow_test-srcs := ept/walk.c ept/pgtable.c ept/pte_npt.c $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/ept/shadow_*.c) \
	$(wildcard $(TOP)/selftests/ept/shadow_*.c))
unit_shadow_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_vcpu.h
