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
fabric_module(provider_pci_table pci_table.c FOLDER provider USES provider_machine)
fabric_test(test_pci_table USES provider_pci_table)
fabric_module(provider_machine_hands pci_provider.c pci_where.c pci_look.c pci_queue.c pci_work.c
  pci_watch.c pci_control.c FOLDER provider
  USES provider_pci_table provider_sysfs provider_child provider_pci LIBS PkgConfig::EVENT)
fabric_test(test_pci_provider USES provider_machine_hands LIBS PkgConfig::EVENT)
fabric_program(fabric-provider-pci pci_main.c pci_rights.c
  USES provider provider_machine_hands LIBS PkgConfig::EVENT)
fabric_program(provider_try ${CMAKE_SOURCE_DIR}/tests/blades/try.c USES provider
  LIBS PkgConfig::EVENT DIR NONE)
install(FILES ${CMAKE_SOURCE_DIR}/docs/man/fabric-provider-pci.1
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
if(FABRIC_TESTS)
  add_test(NAME scenario.provider_pci COMMAND ${Python3_EXECUTABLE} -B
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_provider_pci.py $<TARGET_FILE:fabric-provider-pci>)
  set_tests_properties(scenario.provider_pci PROPERTIES LABELS scenario TIMEOUT 120)
endif()
