# SPDX-License-Identifier: Apache-2.0
# cmake -DOUT=file.c "-DFILES=a.sql|b.sql" -P embed.cmake: the migrations as C arrays, in order of their numbers.
string(REPLACE "|" ";" FILES "${FILES}")
set(arrays "")
set(rows "")
set(want 0)
foreach(file ${FILES})
  get_filename_component(name "${file}" NAME_WE)
  math(EXPR want "${want} + 1")
  string(REGEX MATCH "^[0-9][0-9][0-9][0-9]" digits "${name}")
  string(REGEX REPLACE "^0+" "" number "${digits}")
  if(NOT number STREQUAL want)
    message(FATAL_ERROR "migration ${name}: expected number ${want}")
  endif()
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],)"
    "\\1\n" bytes "${bytes}")
  string(APPEND arrays "static const unsigned char m${number}[] = {\n${bytes}0x00\n};\n")
  string(APPEND rows "\t{ ${number}, \"${name}\", (const char *)m${number} },\n")
endforeach()
file(WRITE "${OUT}" "/* made from migrations/ by embed.cmake */\n#include \"store/migrate.h\"\n\n${arrays}
const struct migration migrations[] = {\n${rows}};\nconst size_t migrations_count = sizeof migrations / sizeof *migrations;\n")
