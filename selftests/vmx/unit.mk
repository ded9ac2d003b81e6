# SPDX-License-Identifier: GPL-2.0-only
unit_vmx_check_test-srcs := vmx/check.c
unit_vmx_check_test-cflags := -I$(TOP)/selftests/vmx/shim -I$(TOP)/selftests/svm/shim -I$(TOP)/vmx -Wno-override-init \
	-include $(TOP)/selftests/lib/rule_count.h
unit_vmx_native_test-srcs := vmx/native.c vmx/check.c
unit_vmx_native_test-cflags := -I$(TOP)/selftests/vmx/shim -I$(TOP)/selftests/svm/shim -I$(TOP)/vmx
