# cmake --install: libraries, public headers under include/lamella, the package for find_package,
# the tool and the licence. Backends lie beside liblamella, which looks for them there.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/lamella)

set_target_properties(lamella_io PROPERTIES EXPORT_NAME io)
install(TARGETS lamella lamella_io lamella_c EXPORT lamella
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(target lamella_simt lamella_simt_counted)
  if(TARGET ${target})
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT emulator)
  endif()
endforeach()
if(TARGET lamella_tool)
  install(TARGETS lamella_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# Public is every header of these folders whose opening comment does not call it private.
install(FILES lamella.hpp capi/lamella.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lamella)
foreach(folder kernels engine layers models weights train io)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  foreach(header IN LISTS headers)
    file(STRINGS ${header} private LIMIT_COUNT 1 REGEX "^//.*Private(:| to )")
    if(NOT private)
      install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lamella/${folder})
    endif()
  endforeach()
endforeach()

install(EXPORT lamella NAMESPACE lamella:: FILE lamellaConfig.cmake DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/lamellaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/lamellaConfigVersion.cmake DESTINATION ${package_folder})
file(RELATIVE_PATH pc_to_headers ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_FULL_INCLUDEDIR}/lamella)
configure_file(${CMAKE_CURRENT_LIST_DIR}/lamella.pc.in ${CMAKE_BINARY_DIR}/lamella.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/lamella.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
# The names of the ImageNet classes are in liblamella; their licence stands in that file.
install(FILES LICENSE weights/imagenet_classes.txt DESTINATION ${CMAKE_INSTALL_DOCDIR})
