# SPDX-License-Identifier: GPL-2.0-only
unit_check_test-srcs := vmx/check.c
unit_check_test-cflags := -I$(TOP)/vmx
