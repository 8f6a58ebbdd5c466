# SPDX-License-Identifier: GPL-2.0-or-later
fabric_module(cli_topology topology.c FOLDER cli USES common topology provider_pci)

if(FABRIC_TESTS)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  # The captures of other people's machines stand beside the checkout, if at all.
  add_test(NAME scenario.topology_truth COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_topology_truth.py $<TARGET_FILE:fabricctl>
    ${CMAKE_SOURCE_DIR}/tests/data/captures ${CMAKE_SOURCE_DIR}/../shared/captures/real)
  add_test(NAME scenario.topology_malformed COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_topology_malformed.py
    $<TARGET_FILE:fabricctl> ${CMAKE_SOURCE_DIR}/tests/data/captures/malformed
    ${CMAKE_SOURCE_DIR}/../shared/captures/malformed)
  add_test(NAME scenario.topology_views COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_SOURCE_DIR}/tests/scenario/test_topology_views.py $<TARGET_FILE:fabricctl>
    ${CMAKE_SOURCE_DIR}/tests/data/captures ${CMAKE_SOURCE_DIR}/tests/data/captures/handmade)
  set_tests_properties(scenario.topology_truth scenario.topology_malformed
    scenario.topology_views PROPERTIES LABELS scenario TIMEOUT 120)
endif()
