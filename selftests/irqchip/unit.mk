# SPDX-License-Identifier: GPL-2.0-only
irqchip-shim := -I$(TOP)/selftests/irqchip/shim -include $(TOP)/selftests/irqchip/shim/shim.h
irqchip-shim += -I$(TOP)/irqchip -I$(TOP)/selftests/irqchip -Wno-sign-compare
irqchip-model := irqchip/lapic.c irqchip/lapic_accel.c irqchip/lapic_regs.c irqchip/x2apic.c irqchip/ipi.c \
	irqchip/ioapic.c irqchip/pic.c irqchip/route.c irqchip/irqchip.c \
	selftests/irqchip/unit_model.c
unit_pic_test-srcs := $(irqchip-model)
unit_pic_test-cflags := $(irqchip-shim)
unit_ioapic_test-srcs := $(irqchip-model)
unit_ioapic_test-cflags := $(irqchip-shim)
unit_lapic_test-srcs := $(irqchip-model)
unit_lapic_test-cflags := $(irqchip-shim)
unit_route_test-srcs := $(irqchip-model)
unit_route_test-cflags := $(irqchip-shim)
unit_pit_test-srcs := irqchip/pit.c irqchip/pit_channel.c
unit_pit_test-cflags := $(irqchip-shim)
unit_lapic_timer_test-srcs := irqchip/lapic_timer.c
unit_lapic_timer_test-cflags := $(irqchip-shim)
