# SPDX-License-Identifier: GPL-2.0-or-later
# fabric-provider-pci: this machine's own PCI functions, with hands.
fabric_module(provider_sysfs sysfs.c uevent.c nvme_virt.c pci_state.c guard.c vf_mac.c hands.c FOLDER provider
  USES provider_values topology)
fabric_test(test_sysfs USES provider_sysfs)
fabric_test(test_uevent USES provider_sysfs)
fabric_test(test_nvme_virt USES provider_sysfs)
fabric_test(test_pci_state USES provider_sysfs)
fabric_test(test_guard USES provider_sysfs)
fabric_test(test_vf_mac USES provider_sysfs)
fabric_test(test_hands USES provider_sysfs)
fabric_fuzz(fuzz_pci USES provider_sysfs)
fabric_module(provider_child child.c FOLDER provider USES common LIBS PkgConfig::EVENT)
fabric_test(test_child USES provider_child LIBS PkgConfig::EVENT)
