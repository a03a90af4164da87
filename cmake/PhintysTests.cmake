# tests/cpp: one executable for each folder. A file that brings a main() of its own (it defines
# DOCTEST_CONFIG_IMPLEMENT...) becomes an executable by itself.

find_path(PHINTYS_DOCTEST_DIR doctest/doctest.h)
if(NOT PHINTYS_DOCTEST_DIR)
  message(FATAL_ERROR "The C++ tests need doctest's header: apt-get install doctest-dev, or "
                      "-DPHINTYS_DOCTEST_DIR=<folder that holds doctest/doctest.h>")
endif()

# Tests look inside, so they link the objects rather than the library.
add_library(phintys_testing INTERFACE)
target_include_directories(phintys_testing SYSTEM INTERFACE
  "${PHINTYS_DOCTEST_DIR}" "${PHINTYS_DOCTEST_DIR}/doctest")
target_include_directories(phintys_testing INTERFACE "${PROJECT_SOURCE_DIR}/tests/cpp")
target_compile_options(phintys_testing INTERFACE ${phintys_opt})
target_compile_definitions(phintys_testing INTERFACE
  PHINTYS_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
  PHINTYS_EMULATED_PLUGIN="$<TARGET_FILE:phintys_emulated>" ${PHINTYS_BLAS_DEFINITIONS})
target_link_libraries(phintys_testing INTERFACE phintys_flags ${PHINTYS_BLAS_LIBRARIES}
                      Threads::Threads ${CMAKE_DL_LIBS})

file(WRITE "${PROJECT_BINARY_DIR}/tests/main.cpp.in"
     "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n")
configure_file("${PROJECT_BINARY_DIR}/tests/main.cpp.in" "${PROJECT_BINARY_DIR}/tests/main.cpp"
               COPYONLY)

function(phintys_add_test_program name)
  add_executable(${name} ${ARGN})
  # Directly: object libraries do not pass their objects on.
  target_link_libraries(${name} PRIVATE phintys_testing phintys_objects ${phintys_isa_objects})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests"
    INSTALL_RPATH "${PROJECT_BINARY_DIR}/lib")
  if(TARGET phintys_openblas_copy)
    add_dependencies(${name} phintys_openblas_copy)
  endif()
endfunction()

function(phintys_add_test name)
  phintys_add_test_program(${name} ${ARGN})
  add_test(NAME ${name} COMMAND ${name})
  # The tests provoke running out of memory, and threads in forked children.
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 ENVIRONMENT
    "ASAN_OPTIONS=allocator_may_return_null=1;TSAN_OPTIONS=allocator_may_return_null=1:die_after_fork=0")
endfunction()

file(GLOB_RECURSE phintys_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cpp/*.cpp")
list(FILTER phintys_tests EXCLUDE REGEX "/tests/cpp/(consumer|fuzz)/|_probe\\.cpp$")
set(phintys_groups "")
foreach(source IN LISTS phintys_tests)
  file(RELATIVE_PATH relative "${PROJECT_SOURCE_DIR}/tests/cpp" "${source}")
  file(STRINGS "${source}" own_main REGEX "DOCTEST_CONFIG_IMPLEMENT|^int main\\(" LIMIT_COUNT 1)
  if(own_main)
    string(REGEX REPLACE "\\.cpp$" "" name "${relative}")
    string(MAKE_C_IDENTIFIER "test_${name}" name)
    phintys_add_test(${name} "${source}")
  else()
    get_filename_component(group "${relative}" DIRECTORY)
    string(MAKE_C_IDENTIFIER "test_${group}" group)
    list(APPEND phintys_groups ${group})
    list(APPEND phintys_sources_of_${group} "${source}")
  endif()
endforeach()
list(REMOVE_DUPLICATES phintys_groups)
foreach(group IN LISTS phintys_groups)
  phintys_add_test(${group} "${PROJECT_BINARY_DIR}/tests/main.cpp" ${phintys_sources_of_${group}})
endforeach()

# The devices' tests open the emulated plug-in; kernels that test the emulation are a library.
phintys_add_emulated(emulation_probe "${PROJECT_SOURCE_DIR}/tests/cpp/device/emulation_probe.cpp"
                     ${phintys_emulation} "${PROJECT_BINARY_DIR}/emulated/core.cu.cpp")
add_dependencies(test_device phintys_emulated)
target_link_libraries(test_device PRIVATE emulation_probe)

# Damaged saved functions; tools/sanitize.sh runs it longer.
phintys_add_test_program(fuzz_load "${PROJECT_SOURCE_DIR}/tests/cpp/fuzz/fuzz_load.cpp"
                         "${PROJECT_SOURCE_DIR}/tests/cpp/fuzz/mutate.cpp")
add_test(NAME fuzz_load COMMAND fuzz_load "${PROJECT_SOURCE_DIR}/tests/data" 5
         WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

# The math functions of each instruction set behind a C interface, for the accuracy tests.
foreach(kind math special complex)
  set(phintys_probe "${PROJECT_SOURCE_DIR}/tests/cpp/math/${kind}_probe.cpp")
  foreach(isa IN LISTS PHINTYS_ISAS)
    add_library(${kind}_probe_${isa} SHARED "${phintys_probe}")
    set_target_properties(${kind}_probe_${isa} PROPERTIES CXX_VISIBILITY_PRESET default)
    phintys_isa_options(${kind}_probe_${isa} ${isa})
  endforeach()
  if(NOT neon IN_LIST PHINTYS_ISAS)
    # The portable vectors that NEON uses, here without NEON.
    add_library(${kind}_probe_neon SHARED "${phintys_probe}")
    set_target_properties(${kind}_probe_neon PROPERTIES CXX_VISIBILITY_PRESET default)
    phintys_isa_options(${kind}_probe_neon neon)
    target_compile_definitions(${kind}_probe_neon PRIVATE PHINTYS_SIMD_PORTABLE
                                                          PHINTYS_SIMD_BYTES=16)
  endif()
endforeach()

# Nothing in an instruction set's objects may be shared with another's (see PhintysIsa.cmake).
foreach(objects IN LISTS phintys_isa_objects)
  string(REPLACE "phintys_isa_" "" isa "${objects}")
  add_test(NAME isa_symbols_${isa}
           COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/cmake/check_isa_objects.py"
                   --nm "${CMAKE_NM}" --isa ${isa} $<TARGET_OBJECTS:${objects}>
           COMMAND_EXPAND_LISTS)
endforeach()
