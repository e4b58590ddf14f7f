#include "weights/json.h"

#include "engine/errors.h"

namespace lamella {

Json parse_json(const std::string& document, const std::string& name) {
  constexpr int kMaxDepth = 16;
  const auto limit_depth = [&](int depth, Json::parse_event_t, const Json&) {
    if (depth > kMaxDepth) fail(name, ": JSON nested deeper than ", kMaxDepth, " levels");
    return true;
  };
  try {
    return Json::parse(document, limit_depth);
  } catch (const Json::parse_error& error) {
    fail(name, ": not valid JSON (at byte ", error.byte, ")");
  } catch (const Json::out_of_range&) {
    fail(name, ": it holds a number that is too large");
  }
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::int64_t whole_number(const Json& value) {
  return value.get_ref<const std::int64_t&>();
}

}  // namespace lamella
