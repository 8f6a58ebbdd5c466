# SPDX-License-Identifier: GPL-2.0-or-later
fabric_module(cli_topology topology.c FOLDER cli USES common topology provider_pci)

if(FABRIC_TESTS)
  fabric_program(topology_print ${CMAKE_SOURCE_DIR}/tests/scenario/topology_print.c
    USES cli_topology DIR NONE)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  # The captures of other people's machines stand beside the checkout, if at all.
  add_test(NAME scenario.topology_truth COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_topology_truth.py $<TARGET_FILE:topology_print> --
    ${CMAKE_SOURCE_DIR}/tests/data/captures ${CMAKE_SOURCE_DIR}/../shared/captures/real)
  add_test(NAME scenario.topology_malformed COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_topology_malformed.py
    $<TARGET_FILE:topology_print> ${CMAKE_SOURCE_DIR}/tests/data/captures/malformed
    ${CMAKE_SOURCE_DIR}/../shared/captures/malformed)
  set_tests_properties(scenario.topology_truth scenario.topology_malformed
    PROPERTIES LABELS scenario TIMEOUT 120)
endif()
