# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Devices of the emulated host (run --iommu) for the lab's tests, by PCI address.

find_device() {		# VENDOR DEVICE
	for device in /sys/bus/pci/devices/*; do
		[ "$(cat "$device/vendor" "$device/device" | tr '\n' ' ')" != "$1 $2 " ] || echo "${device##*/}"
	done
}

edu=$(find_device 0x1234 0x11e8)
# shellcheck disable=SC2034 # for whoever includes this
nvme=$(find_device 0x1b36 0x0010) nic=$(find_device 0x8086 0x10d3)

# The node of a device's group, for VFIO
group_node() { echo "/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")")"; }

# Give devices to VFIO
bind_vfio() {		# DEVICE...
	modprobe vfio-pci && modprobe vfio_iommu_type1 || return
	for device; do
		echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override" && echo "$device" >/sys/bus/pci/drivers_probe || return
	done
}
