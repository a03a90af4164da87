# The GPU plug-in, and the same sources for a GPU that the processor emulates (for tests). Both link
# nothing of libphintys, and the first one no CUDA driver, so that it opens, and says why it cannot
# work, on any machine.

file(GLOB_RECURSE phintys_cuda_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cuda/*.cu")
set(phintys_cuda_includes "${PROJECT_SOURCE_DIR}/csrc" "${PROJECT_SOURCE_DIR}/csrc/include"
                          "${PROJECT_SOURCE_DIR}/cuda")

# --- Emulated -------------------------------------------------------------------------------------

if(PHINTYS_EMULATED OR PHINTYS_BUILD_TESTS)
  file(GLOB phintys_emulation CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cuda/emulated/*.cpp")
  # Most of the time is spent here. It comes after the target's -O1.
  set_source_files_properties(${phintys_emulation} PROPERTIES COMPILE_OPTIONS -O2)
  set(phintys_emulated_sources ${phintys_emulation})
  foreach(source IN LISTS phintys_cuda_sources)
    file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}/cuda" "${source}")
    set(wrapper "${PROJECT_BINARY_DIR}/emulated/${name}.cpp")
    file(CONFIGURE OUTPUT "${wrapper}" CONTENT "#include \"${name}\"\n" @ONLY)
    list(APPEND phintys_emulated_sources "${wrapper}")
  endforeach()
  function(phintys_add_emulated name)
    add_library(${name} SHARED ${ARGN})
    target_compile_definitions(${name} PRIVATE PHINTYS_EMULATED)
    # A vector that is loaded from an address that does not suit it ends the program, as on a GPU.
    target_compile_options(${name} PRIVATE -O1 -fno-math-errno -Wno-unknown-pragmas
                           -fsanitize=alignment -fno-sanitize-recover=undefined)
    target_link_options(${name} PRIVATE -fsanitize=alignment)
    if(NOT PHINTYS_SANITIZE)
      target_link_options(${name} PRIVATE -Wl,--no-undefined)
    endif()
    if(PHINTYS_SANITIZE MATCHES "thread")
      # It does not know stacks that are switched by hand.
      set_target_properties(${name} PROPERTIES PHINTYS_PLAIN ON)
    endif()
    target_include_directories(${name} PRIVATE ${phintys_cuda_includes})
    target_link_libraries(${name} PRIVATE phintys_flags ${CMAKE_DL_LIBS} Threads::Threads)
  endfunction()
  phintys_add_emulated(phintys_emulated ${phintys_emulated_sources})
  if(PHINTYS_EMULATED)
    install(TARGETS phintys_emulated LIBRARY DESTINATION lib COMPONENT runtime)
  endif()
endif()

# --- CUDA -----------------------------------------------------------------------------------------

if(PHINTYS_CUDA STREQUAL "OFF" OR NOT phintys_cuda_sources)
  return()
endif()

# CMake itself looks in PATH and CUDACXX only.
if(NOT CMAKE_CUDA_COMPILER)
  set(phintys_nvcc_hints $ENV{CUDA_HOME} $ENV{CUDA_PATH})
  if(Python_SITELIB)
    # Where the compiler's package for pip keeps it.
    file(GLOB phintys_nvcc_pip "${Python_SITELIB}/nvidia/cu*" "${Python_SITELIB}/nvidia/cuda_nvcc")
    list(APPEND phintys_nvcc_hints ${phintys_nvcc_pip})
  endif()
  list(APPEND phintys_nvcc_hints /usr/local/cuda)
  find_program(PHINTYS_NVCC nvcc HINTS ${phintys_nvcc_hints} PATH_SUFFIXES bin)
  if(PHINTYS_NVCC)
    set(CMAKE_CUDA_COMPILER "${PHINTYS_NVCC}")
  endif()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  # The last without -real: its PTX serves later processors.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 120)
endif()
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(PHINTYS_CUDA STREQUAL "ON")
    message(FATAL_ERROR "PHINTYS_CUDA is ON, but no nvcc was found; set CUDA_HOME")
  endif()
  message(STATUS "No nvcc: building without the GPU plug-in")
  return()
endif()
enable_language(CUDA)

add_library(phintys_cuda SHARED ${phintys_cuda_sources})
target_compile_features(phintys_cuda PRIVATE cuda_std_20)
# Contraction into fused multiply-adds only where the source says fma(), as everywhere.
target_compile_options(phintys_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:-O3>
  $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fvisibility=hidden,-fvisibility-inlines-hidden>)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  target_compile_options(phintys_cuda PRIVATE
                         $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
endif()
target_include_directories(phintys_cuda PRIVATE ${phintys_cuda_includes})
set_target_properties(phintys_cuda PROPERTIES CUDA_SEPARABLE_COMPILATION OFF)
target_link_libraries(phintys_cuda PRIVATE ${CMAKE_DL_LIBS})
target_link_options(phintys_cuda PRIVATE -Wl,--no-undefined)
install(TARGETS phintys_cuda LIBRARY DESTINATION lib COMPONENT runtime)
