# The Python modules: phintys/_core (pybind11) and one Cython module for each pyx/*.pyx.

file(GLOB phintys_binding_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/csrc/bindings/*.cpp")
if(phintys_binding_sources)
  if(NOT pybind11_DIR)
    execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
                    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(PYBIND11_FINDPYTHON ON)
  find_package(pybind11 3.0 CONFIG REQUIRED)
  pybind11_add_module(_core MODULE NO_EXTRAS ${phintys_binding_sources})
  target_compile_options(_core PRIVATE ${phintys_opt})
  list(APPEND phintys_modules _core)
endif()

file(GLOB phintys_pyx CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/pyx/*.pyx")
foreach(pyx IN LISTS phintys_pyx)
  get_filename_component(name "${pyx}" NAME_WE)
  set(generated "${PROJECT_BINARY_DIR}/pyx/${name}.cpp")
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/pyx")
  add_custom_command(
    OUTPUT "${generated}"
    COMMAND "${Python_EXECUTABLE}" -m cython -3 --cplus --depfile --module-name phintys.${name}
            -I "${PROJECT_SOURCE_DIR}/pyx" -o "${generated}" "${pyx}"
    DEPENDS "${pyx}"
    DEPFILE "${generated}.dep"
    COMMENT "Translating ${name}.pyx" VERBATIM)
  Python_add_library(${name} MODULE WITH_SOABI "${generated}")
  target_compile_options(${name} PRIVATE ${phintys_opt} -Wno-unused-function
                         -Wno-missing-field-initializers -Wno-cast-function-type)
  if(Python_NumPy_FOUND)
    target_include_directories(${name} SYSTEM PRIVATE ${Python_NumPy_INCLUDE_DIRS})
    target_compile_definitions(${name} PRIVATE NPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION)
  endif()
  list(APPEND phintys_modules ${name})
endforeach()

foreach(module IN LISTS phintys_modules)
  target_include_directories(${module} PRIVATE
    "${PROJECT_SOURCE_DIR}/csrc" "${PROJECT_SOURCE_DIR}/csrc/include" "${PROJECT_SOURCE_DIR}/pyx")
  target_compile_definitions(${module} PRIVATE PHINTYS_BUILD_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${module} PRIVATE phintys phintys_flags)
  set_target_properties(${module} PROPERTIES
    INSTALL_RPATH "$ORIGIN/lib" LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
  install(TARGETS ${module} LIBRARY DESTINATION . COMPONENT python)
endforeach()
