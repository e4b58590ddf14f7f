# oneDNN as one imported target, OneDNN::dnnl, and OneDNN_VERSION. Its own package file is not used:
# on Debian that insists on the headers of OpenCL, which nothing here needs.
find_path(ONEDNN_INCLUDE_DIR dnnl.hpp)
find_library(ONEDNN_LIBRARY dnnl)
mark_as_advanced(ONEDNN_INCLUDE_DIR ONEDNN_LIBRARY)

set(OneDNN_VERSION "")
foreach(header oneapi/dnnl/dnnl_version.h dnnl_version.h)
  if(NOT OneDNN_VERSION AND EXISTS "${ONEDNN_INCLUDE_DIR}/${header}")
    file(STRINGS "${ONEDNN_INCLUDE_DIR}/${header}" lines
      REGEX "^#define +DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
    string(REPLACE ";" "." OneDNN_VERSION "${numbers}")
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN
  REQUIRED_VARS ONEDNN_LIBRARY ONEDNN_INCLUDE_DIR VERSION_VAR OneDNN_VERSION)
if(OneDNN_FOUND AND NOT TARGET OneDNN::dnnl)
  add_library(OneDNN::dnnl UNKNOWN IMPORTED)
  set_target_properties(OneDNN::dnnl PROPERTIES IMPORTED_LOCATION "${ONEDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${ONEDNN_INCLUDE_DIR}")
endif()
