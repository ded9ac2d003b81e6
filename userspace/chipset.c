// SPDX-License-Identifier: GPL-2.0-only
/*
 * OVMF reads the host bridge's device number and knows two chip sets of PCs by it; with any other it stops. Of this one
 * it asks, of the PIIX4's power management function, where the ACPI registers are and whether they are on: they are,
 * and stay where ACPI's tables say, so all of it is for reading alone. The ISA bridge is the parent of the serial port in
 * its list of consoles. The numbers are those of Intel's data sheets of the 82441FX and the 82371AB.
 *
 * Its PCI window begins where the range from the end of memory to 4 GB, cut down to a power of two, does.
 */
#include <errno.h>
#include <linux/pci_regs.h>

#include "chipset.h"
#include "memory.h"
#include "pci_window.h"
#include "power.h"
#include "vm.h"

#define INTEL			0x8086
#define HOST_BRIDGE		0x1237
#define HOST_BRIDGE_REVISION	2
#define ISA_BRIDGE		0x7110
#define POWER_FUNCTION		0x7113
#define POWER_REVISION		3	/* of those before, the timer cannot be read at once */
#define POWER_NUMBER		3	/* of the function */

#define PMBA		0x40	/* where the registers are: a port, and bit 0 says so */
#define PMREGMISC	0x80
#define PMIOSE		0x01	/* they answer */

#define WINDOW_LOW	0x80000000ULL

uint64_t chipset_window(const struct memory *memory)
{
	return memory->low_end > WINDOW_LOW ? MAP_GAP_START : WINDOW_LOW;
}

int chipset_add(struct chipset *chipset, struct pci *pci)
{
	static const struct pci_identity isa = {
		.vendor = INTEL, .device = ISA_BRIDGE, .class_code = 0x060100, .revision = 2,
	};
	static const struct pci_identity power = {
		.vendor = INTEL, .device = POWER_FUNCTION, .class_code = 0x068000, .revision = POWER_REVISION,
	};
	int ret = pci_widen_window(pci, chipset_window(&pci->vm->memory));

	pci_put(&pci->bridge, PCI_VENDOR_ID, 2, INTEL);
	pci_put(&pci->bridge, PCI_DEVICE_ID, 2, HOST_BRIDGE);
	pci_put(&pci->bridge, PCI_REVISION_ID, 1, HOST_BRIDGE_REVISION);
	pci_device_init(&chipset->isa, &isa);
	pci_device_init(&chipset->power, &power);
	pci_put(&chipset->power, PMBA, 4, POWER_EVENT_PORT | 1);
	pci_put(&chipset->power, PMREGMISC, 1, PMIOSE);
	if (!ret)
		ret = pci_add(pci, &chipset->isa);
	if (!ret)
		pci_add_function(&chipset->isa, &chipset->power, POWER_NUMBER);
	return ret;
}
