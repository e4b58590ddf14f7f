# What was configured, in one table at the end.
if(LAMELLA_HAS_ONEDNN)
  set(onednn "yes")
elseif(LAMELLA_ONEDNN STREQUAL "OFF")
  set(onednn "no (LAMELLA_ONEDNN=OFF)")
else()
  set(onednn "no (not on this machine: apt install libdnnl-dev)")
endif()
if(LAMELLA_CUDA)
  set(cuda "${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
else()
  find_program(nvcc nvcc PATHS /usr/local/cuda/bin NO_CACHE)
  if(nvcc)
    set(cuda "no (add -DLAMELLA_CUDA=ON: ${nvcc})")
  else()
    set(cuda "no (not on this machine)")
  endif()
endif()
message(STATUS "lamella ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}
     compiler  ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}
     oneDNN    ${onednn}
     CUDA      ${cuda}
     simt      ${LAMELLA_SIMT}
     checks    tests ${LAMELLA_TESTS}, benches ${LAMELLA_BENCH}, -Werror ${LAMELLA_WERROR}, \
sanitizers ${LAMELLA_SANITIZE}")
