# Tests of the host's side of a vendor's library, on any machine that has its headers.
find_path(LAMELLA_CUDA_INCLUDE cuda_runtime_api.h
  HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES include)

# Of kernels/cuda/NAME: its objects NAME_host, and NAME_stand_in, which becomes FILE of VERSION in
# the folder stand_in of this build folder. `include` is where the vendor's headers are.
function(lamella_vendor name file version include)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/${name}/*.cpp)
  add_library(${name}_host OBJECT ${sources})
  add_library(${name}_stand_in SHARED stand_in.cpp ${CMAKE_SOURCE_DIR}/tests/stand_in/calls.cpp)
  set_target_properties(${name}_stand_in PROPERTIES OUTPUT_NAME ${file} VERSION ${version}.99
    SOVERSION ${version} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/stand_in)
  foreach(target ${name}_host ${name}_stand_in)
    target_link_libraries(${target} PRIVATE lamella_options)
    target_include_directories(${target} SYSTEM PRIVATE ${include} ${LAMELLA_CUDA_INCLUDE})
  endforeach()
endfunction()

# `library` is the folder whose library is loaded. Its vendor's objects are the caller's to link.
function(lamella_vendor_test name label library)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE
    lamella lamella_options GTest::gtest GTest::gtest_main ${CMAKE_DL_LIBS})
  target_compile_definitions(${name} PRIVATE LAMELLA_TESTS="${CMAKE_SOURCE_DIR}/tests")
  gtest_discover_tests(${name} PROPERTIES LABELS ${label}
    ENVIRONMENT "LD_LIBRARY_PATH=${library}:$ENV{LD_LIBRARY_PATH}")
endfunction()
