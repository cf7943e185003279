# Helpers that every CMakeLists.txt of the project uses.

# attn_add_library(NAME sources… [LINK_LIBS PUBLIC|PRIVATE own libraries…] [MLIR_LIBS upstream libraries…])
# A static library of the compiler; upstream libraries are all found in the shared libMLIR.
function(attn_add_library name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(TARGET AttnPrecompiled)
    target_precompile_headers(${name} REUSE_FROM AttnPrecompiled)
  endif()
  add_dependencies(${name} attn-headers ${ARG_DEPENDS})
  if(ARG_LINK_LIBS)
    target_link_libraries(${name} ${ARG_LINK_LIBS})
  endif()
  mlir_target_link_libraries(${name} PUBLIC MLIRIR)
  target_link_libraries(${name} PUBLIC LLVM)
endfunction()

# attn_add_tool(NAME sources… LIBS own libraries…): an executable in build/bin.
function(attn_add_tool name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  mlir_target_link_libraries(${name} PRIVATE MLIROptLib)
  target_link_libraries(${name} PRIVATE LLVM)
endfunction()
