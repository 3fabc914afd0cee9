# LLVM/MLIR 22.1 and one CMake helper for each kind of thing the compiler is made of.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(LLVM 22.1 REQUIRED CONFIG HINTS ${MLIR_DIR}/../llvm)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(ADZE_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")

add_library(adze_mlir INTERFACE)
target_include_directories(adze_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(adze_mlir INTERFACE ${ADZE_LLVM_DEFINITIONS})
# libstdc++ 12's std::stable_sort uses its own deprecated get_temporary_buffer, and clang tells it to every caller.
target_compile_options(adze_mlir INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -Wno-deprecated-declarations>)
target_link_libraries(adze_mlir INTERFACE adze_options MLIR LLVM)

# The precompiled header: every library below reuses this one, so all must share its flags.
add_library(adze_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(adze_pch PRIVATE adze_mlir)
target_precompile_headers(adze_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)

# adze_library(NAME sources... DEPENDS targets... LINK libs...): a static library of the compiler.
function(adze_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC adze_mlir ${ARG_LINK})
  if(NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM adze_pch)
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(_adze_tablegen td out)
  set(LLVM_TARGET_DEFINITIONS ${td})
  mlir_tablegen(${out} ${ARGN} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  set(TABLEGEN_OUTPUT ${TABLEGEN_OUTPUT} PARENT_SCOPE)
endfunction()

# adze_dialect(NAME Prefix sources... LINK libs...): a dialect in one folder. Expects PrefixOps.td (which includes the
# dialect, attribute, type and enum definitions) beside the sources and makes library Adze<Prefix>.
function(adze_dialect dialect prefix)
  cmake_parse_arguments(ARG "ENUMS;TYPES;ATTRS;INTERFACES" "" "LINK" ${ARGN})
  set(TABLEGEN_OUTPUT "")
  set(td ${prefix}Ops.td)
  _adze_tablegen(${td} ${prefix}Ops.h.inc -gen-op-decls)
  _adze_tablegen(${td} ${prefix}Ops.cpp.inc -gen-op-defs)
  _adze_tablegen(${td} ${prefix}Dialect.h.inc -gen-dialect-decls -dialect=${dialect})
  _adze_tablegen(${td} ${prefix}Dialect.cpp.inc -gen-dialect-defs -dialect=${dialect})
  if(ARG_ENUMS)
    _adze_tablegen(${td} ${prefix}Enums.h.inc -gen-enum-decls)
    _adze_tablegen(${td} ${prefix}Enums.cpp.inc -gen-enum-defs)
  endif()
  if(ARG_TYPES)
    _adze_tablegen(${td} ${prefix}Types.h.inc -gen-typedef-decls -typedefs-dialect=${dialect})
    _adze_tablegen(${td} ${prefix}Types.cpp.inc -gen-typedef-defs -typedefs-dialect=${dialect})
  endif()
  if(ARG_ATTRS)
    _adze_tablegen(${td} ${prefix}Attrs.h.inc -gen-attrdef-decls -attrdefs-dialect=${dialect})
    _adze_tablegen(${td} ${prefix}Attrs.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${dialect})
  endif()
  if(ARG_INTERFACES)
    _adze_tablegen(${prefix}Interfaces.td ${prefix}Interfaces.h.inc -gen-op-interface-decls)
    _adze_tablegen(${prefix}Interfaces.td ${prefix}Interfaces.cpp.inc -gen-op-interface-defs)
  endif()
  add_public_tablegen_target(Adze${prefix}IncGen)
  adze_library(Adze${prefix} ${ARG_UNPARSED_ARGUMENTS} DEPENDS Adze${prefix}IncGen LINK ${ARG_LINK})
endfunction()

# adze_pass(NAME sources... LINK libs...): one pass in one folder; NAME.td declares it (options, statistics, example).
function(adze_pass name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  set(TABLEGEN_OUTPUT "")
  _adze_tablegen(${name}.td ${name}.h.inc -gen-pass-decls -name=${name})
  add_public_tablegen_target(Adze${name}IncGen)
  adze_library(Adze${name} ${ARG_UNPARSED_ARGUMENTS} DEPENDS Adze${name}IncGen ${ARG_DEPENDS} LINK ${ARG_LINK})
endfunction()

# adze_target(NAME sources... LINK libs...): a code generator under targets/, linked into the tools.
function(adze_target name)
  adze_library(AdzeTarget${name} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY ADZE_TARGETS AdzeTarget${name})
endfunction()

# adze_lit_suite(NAME DIR): a lit suite as one ctest test.
function(adze_lit_suite name dir)
  find_program(ADZE_LIT NAMES lit-22 lit HINTS /usr/lib/llvm-22/build/utils/lit)
  add_test(NAME lit.${name} COMMAND ${Python3_EXECUTABLE} ${ADZE_LIT} -sv ${dir}
           --param adze_bin=${CMAKE_BINARY_DIR}/bin --param llvm_bin=${LLVM_TOOLS_BINARY_DIR})
endfunction()
