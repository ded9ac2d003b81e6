# SPDX-License-Identifier: GPL-2.0-only
unit_mode_test-srcs := host/mode_rules.c
unit_mode_test-cflags := -I$(TOP)/selftests/ept/shim -include $(TOP)/selftests/ept/shim/shim.h -Wno-override-init
unit_bugs_test-srcs := host/bugs.c
unit_bugs_test-cflags := -I$(TOP)/selftests/host/shim -I$(TOP)/selftests/svm/shim
unit_perf_pick_test-cflags := -I$(TOP)/host -I$(TOP)/selftests/host/shim
