# SPDX-License-Identifier: GPL-2.0-or-later
# fabric-provider-pci: this machine's own PCI functions, with hands.
fabric_module(provider_sysfs sysfs.c FOLDER provider USES provider_values topology)
fabric_test(test_sysfs USES provider_sysfs)
