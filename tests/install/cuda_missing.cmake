# Where CUDA is asked for and there is no nvcc, configuring must fail and name the compiler.
file(REMOVE_RECURSE ${WORK})
set(ENV{CUDACXX} /no/such/nvcc)
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DLAMELLA_CUDA=ON -DLAMELLA_TESTS=OFF
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
  message(FATAL_ERROR "configured with -DLAMELLA_CUDA=ON although there is no nvcc")
endif()
if(NOT said MATCHES "/no/such/nvcc")
  message(FATAL_ERROR "failed for another reason than the missing nvcc:\n${said}")
endif()
