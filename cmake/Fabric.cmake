# SPDX-License-Identifier: GPL-2.0-or-later
# The three words that each folder's CMakeLists.txt is written in.

# fabric_module(NAME sources... USES modules... [LIBS targets...] [FOLDER folder])
# One static library for one folder. It sees the headers of NAME and of what it USES; an #include
# against the arrows does not compile. LIBS are outside libraries, seen by this folder's code alone.
function(fabric_module name)
  cmake_parse_arguments(M "" "FOLDER" "USES;LIBS" ${ARGN})
  if(NOT M_FOLDER)
    set(M_FOLDER ${name})
  endif()
  add_library(${name} STATIC ${M_UNPARSED_ARGUMENTS})
  set(view ${CMAKE_BINARY_DIR}/include/${M_FOLDER})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${M_FOLDER} ${view}/${M_FOLDER} SYMBOLIC)
  target_include_directories(${name} PUBLIC ${view})
  target_link_libraries(${name} PUBLIC fabric_build ${M_USES} PRIVATE ${M_LIBS})
endfunction()

# fabric_program(NAME sources... USES modules... [LIBS targets...] [OUTPUT name] [DIR destination])
# A small main over the modules; installed unless DIR is NONE.
function(fabric_program name)
  cmake_parse_arguments(P "" "OUTPUT;DIR" "USES;LIBS" ${ARGN})
  add_executable(${name} ${P_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${P_USES} ${P_LIBS})
  if(P_OUTPUT)
    set_target_properties(${name} PROPERTIES OUTPUT_NAME ${P_OUTPUT})
  endif()
  if(NOT P_DIR)
    set(P_DIR ${CMAKE_INSTALL_BINDIR})
  endif()
  if(NOT P_DIR STREQUAL NONE)
    install(TARGETS ${name} RUNTIME DESTINATION ${P_DIR})
  endif()
endfunction()

# fabric_test(NAME USES modules... [LIBS targets...]): tests/unit/NAME.c linked to those modules
# and nothing else. Called in the CMakeLists.txt of the folder that it tests.
# TEST_DATA is the path of tests/data, TEST_CAPTURES that of the captures beside the checkout.
function(fabric_test name)
  if(NOT FABRIC_TESTS)
    return()
  endif()
  cmake_parse_arguments(T "" "TIMEOUT" "USES;LIBS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/unit/${name}.c)
  target_compile_definitions(${name} PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data"
    TEST_CAPTURES="${CMAKE_SOURCE_DIR}/../shared/captures")
  target_link_libraries(${name} PRIVATE ${T_USES} ${T_LIBS} PkgConfig::CMOCKA)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT ${T_TIMEOUT}
    SKIP_RETURN_CODE 77)
endfunction()

# fabric_fuzz(NAME USES modules...): tests/fuzz/NAME.c has LLVMFuzzerTestOneInput(). With
# FABRIC_FUZZ (clang) it is a libFuzzer program; always, NAME_replay runs it once over each file
# of tests/fuzz/corpus/NAME, as the test fuzz.NAME.
function(fabric_fuzz name)
  if(NOT FABRIC_TESTS)
    return()
  endif()
  cmake_parse_arguments(Z "" "" "USES;LIBS" ${ARGN})
  add_executable(${name}_replay ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}.c
    ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  target_link_libraries(${name}_replay PRIVATE ${Z_USES} ${Z_LIBS})
  add_test(NAME fuzz.${name} COMMAND ${name}_replay ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  if(FABRIC_FUZZ)
    add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}.c)
    target_link_libraries(${name} PRIVATE ${Z_USES} ${Z_LIBS})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
