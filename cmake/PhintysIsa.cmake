# Sources that are compiled once per instruction set, as object libraries.
#
# Such a source is told its instruction set by PHINTYS_ISA (a token) and PHINTYS_ISA_NAME (a string)
# and defines only functions that carry it in their name or namespace: anything else would be merged
# by the linker across instruction sets, and the one for the newest processor might win.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(PHINTYS_ISAS baseline avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(PHINTYS_ISAS neon)
else()
  set(PHINTYS_ISAS baseline)
endif()
set(phintys_isa_flags_baseline "")
set(phintys_isa_flags_avx2 -march=haswell)
set(phintys_isa_flags_avx512 -march=skylake-avx512 -mprefer-vector-width=512)
set(phintys_isa_flags_neon "")

# The arithmetic of the source, and freedom from flags and errno that nobody reads.
set(phintys_isa_common -ffp-contract=off -fno-math-errno -fno-trapping-math)

# phintys_isa_options(TARGET ISA): the flags and definitions of one instruction set.
function(phintys_isa_options target isa)
  if(PHINTYS_SANITIZE AND NOT PHINTYS_SANITIZE_ISA)
    set_target_properties(${target} PROPERTIES PHINTYS_PLAIN ON)
  endif()
  target_compile_options(${target} PRIVATE ${phintys_isa_opt} ${phintys_isa_common}
                         ${phintys_isa_flags_${isa}})
  target_compile_definitions(${target} PRIVATE PHINTYS_ISA=${isa} PHINTYS_ISA_NAME="${isa}")
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/csrc" "${PROJECT_SOURCE_DIR}/csrc/include")
  target_link_libraries(${target} PRIVATE phintys_flags)
endfunction()

# phintys_add_isa_objects(OUT SOURCE...): one object library for each instruction set.
function(phintys_add_isa_objects out)
  set(made "")
  if(ARGN)
    foreach(isa IN LISTS PHINTYS_ISAS)
      add_library(phintys_isa_${isa} OBJECT ${ARGN})
      phintys_isa_options(phintys_isa_${isa} ${isa})
      list(APPEND made phintys_isa_${isa})
    endforeach()
  endif()
  set(${out} "${made}" PARENT_SCOPE)
endfunction()
