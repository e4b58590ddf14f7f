# Makes synthetic images and runs the example on them; fails when the answer is not a class.
file(REMOVE_RECURSE ${FOLDER})
execute_process(COMMAND ${TOOL} synth tem --out ${FOLDER} --classes 2 --per-class 12 --size 32
  --format png COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
file(GLOB classes LIST_DIRECTORIES true ${FOLDER}/*)
list(FILTER classes EXCLUDE REGEX "\\.(csv|txt)$")
list(GET classes 0 class)
file(GLOB images ${class}/*.png)
list(GET images 0 image)
execute_process(COMMAND ${EXAMPLE} ${FOLDER} ${image} ${MODEL} OUTPUT_VARIABLE answer
  COMMAND_ERROR_IS_FATAL ANY)
if(NOT answer MATCHES "(^|\n)[A-Za-z_ -]+[:,] [01]\\.[0-9]+\n$")
  message(FATAL_ERROR "the example answered '${answer}'")
endif()
