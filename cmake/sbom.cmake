# lamella.spdx.json: what the libraries and the tool are made of and linked with, as SPDX 2.3, with
# the versions that this configuration found. https://spdx.github.io/spdx-spec/v2.3
set(spdx_packages "")
set(spdx_relationships "")

# sbom_add(NAME VERSION LICENCE RELATIONSHIP): from lamella to the package.
function(sbom_add name version licence relationship)
  if(NOT version)
    set(version NOASSERTION)
  endif()
  string(APPEND spdx_packages ",
    {\"name\": \"${name}\", \"SPDXID\": \"SPDXRef-${name}\", \"versionInfo\": \"${version}\",
     \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false,
     \"licenseConcluded\": \"${licence}\", \"licenseDeclared\": \"${licence}\",
     \"copyrightText\": \"NOASSERTION\"}")
  string(APPEND spdx_relationships ",
    {\"spdxElementId\": \"SPDXRef-lamella\", \"relationshipType\": \"${relationship}\",
     \"relatedSpdxElement\": \"SPDXRef-${name}\"}")
  set(spdx_packages "${spdx_packages}" PARENT_SCOPE)
  set(spdx_relationships "${spdx_relationships}" PARENT_SCOPE)
endfunction()

find_package(PNG QUIET)
find_package(JPEG QUIET)
# CMake knows the interface of libjpeg, not which libjpeg-turbo has it.
find_file(jconfig jconfig.h HINTS ${JPEG_INCLUDE_DIRS} NO_CACHE)
set(jpeg "")
if(jconfig)
  file(STRINGS ${jconfig} line REGEX "define +LIBJPEG_TURBO_VERSION +[0-9]")
  string(REGEX MATCH "[0-9][0-9.]+" jpeg "${line}")
endif()
find_package(TIFF QUIET)
find_package(CLI11 QUIET)
find_package(nlohmann_json QUIET)

sbom_add(libpng "${PNG_VERSION_STRING}" libpng-2.0 DYNAMIC_LINK)
sbom_add(zlib "${ZLIB_VERSION_STRING}" Zlib DYNAMIC_LINK)
sbom_add(libjpeg-turbo "${jpeg}" "IJG AND BSD-3-Clause AND Zlib" DYNAMIC_LINK)
sbom_add(libtiff "${TIFF_VERSION_STRING}" libtiff DYNAMIC_LINK)
sbom_add(nlohmann-json "${nlohmann_json_VERSION}" MIT STATIC_LINK)
sbom_add(CLI11 "${CLI11_VERSION}" BSD-3-Clause STATIC_LINK)
sbom_add(torchvision-class-names "" BSD-3-Clause CONTAINS)
sbom_add(compiler-runtime "${CMAKE_CXX_COMPILER_ID}-${CMAKE_CXX_COMPILER_VERSION}"
  "GPL-3.0-or-later WITH GCC-exception-3.1" DYNAMIC_LINK)
if(LAMELLA_HAS_ONEDNN)
  find_package(OneDNN QUIET MODULE)
  sbom_add(oneDNN "${OneDNN_VERSION}" Apache-2.0 DYNAMIC_LINK)
endif()
if(LAMELLA_CUDA)
  sbom_add(CUDA-runtime "${CMAKE_CUDA_COMPILER_VERSION}" NOASSERTION STATIC_LINK)
endif()

string(TIMESTAMP spdx_created "%Y-%m-%dT%H:%M:%SZ" UTC)  # of SOURCE_DATE_EPOCH where that is set
configure_file(${CMAKE_CURRENT_LIST_DIR}/lamella.spdx.json.in ${CMAKE_BINARY_DIR}/lamella.spdx.json
  @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/lamella.spdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
