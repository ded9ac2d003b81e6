# SPDX-License-Identifier: GPL-2.0-only
unit_feature_test-srcs := core/feature.c
unit_feature_test-cflags := -I$(TOP)/selftests/core/shim -I$(TOP)/core -include $(TOP)/selftests/core/shim/shim.h
unit_alignment_test-cflags := -I$(TOP)/core
unit_devices_test-srcs := core/bus.c
unit_devices_test-cflags := -I$(TOP)/selftests/irqchip/shim -include $(TOP)/selftests/irqchip/shim/shim.h -Wno-sign-compare
unit_first_use_test-srcs := core/first_use.c
unit_first_use_test-cflags := -I$(TOP)/selftests/core/shim -include $(TOP)/selftests/core/unit_first_use.h
unit_access_test-srcs := core/emulator_access.c $(patsubst %,emulate/%.c,decode opcodes operand segment_limit execute arith muldiv exchange \
	stack branch string segment far task system vector fx native bits fast)
unit_access_test-cflags := -I$(TOP)/selftests/core/access -I$(TOP)/core -include $(TOP)/selftests/core/access/shim.h -Wno-sign-compare
unit_inject_test-srcs := core/inject.c
unit_inject_test-cflags := -I$(TOP)/selftests/core/inject -include $(TOP)/selftests/core/inject/shim.h -Wno-sign-compare
