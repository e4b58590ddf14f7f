// The one file that sees nlohmann-json. Private: include it from .cpp files only.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lamella {

// Objects keep the order in which their keys were written.
using Json = nlohmann::ordered_json;

// `name` stands for the document in errors. Refuses nesting deeper than 16: the cost stays within a
// small multiple of the text.
Json parse_json(const std::string& document, const std::string& name);
// Compact for indent < 0. Bytes that are not UTF-8 (file names) become U+FFFD.
std::string dump_json(const Json& value, int indent = -1);
// A whole number; throws Json::exception for anything else. get() cuts fractions off, and what it
// makes of 1e300 is undefined.
std::int64_t whole_number(const Json& value);

}  // namespace lamella
