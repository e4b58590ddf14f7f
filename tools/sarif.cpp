// OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
#include "tools/sarif.h"

#include <algorithm>

namespace lamella::tool {
namespace {

struct Rule {
  const char* id;
  const char* text;
};

// The kinds of finding with '-' for ' ', then the figures with '-' for '_'.
const Rule kRules[] = {
    {"race", "Two threads access the same memory, one writes, and no barrier orders them."},
    {"out-of-bounds", "An access outside every buffer or shared variable."},
    {"unwritten-memory", "A read of memory that nobody wrote."},
    {"misaligned", "An access at an address that is no multiple of its size."},
    {"host-memory", "A kernel accesses memory of the host."},
    {"barrier", "A barrier or warp collective that some of its threads never reach."},
    {"endless-loop", "A thread that does not end."},
    {"failed-launch", "A launch that a device would refuse, or that failed."},
    {"bytes-requested",
     "The lanes of all requests ask for more bytes of global memory than "
     "they may."},
    {"bytes-distinct", "A launch touches more distinct bytes of global memory than it may."},
    {"bytes-distinct-by-block", "Blocks together touch more distinct bytes than they may."},
    {"sectors-per-request", "A line's requests touch more sectors of 32 bytes than they may."},
    {"conflict-ways", "A line has more bank conflicts in shared memory than it may."}};

std::string rule_id(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '_'; }, '-');
  return name;
}

// A path as the path of a URI.
std::string uri_of(const std::string& path) {
  const char* const digits = "0123456789ABCDEF";
  std::string uri = path.starts_with("/") ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string("/-._~").find(c) != std::string::npos) {
      uri += c;
    } else {
      uri += {'%', digits[byte / 16], digits[byte % 16]};
    }
  }
  return uri;
}

Json location(const std::string& file, int line) {
  Json artifact = {{"uri", uri_of(file)}};
  if (!file.starts_with("/")) artifact["uriBaseId"] = "SRCROOT";
  return {{"physicalLocation",
           {{"artifactLocation", std::move(artifact)}, {"region", {{"startLine", line}}}}}};
}

Json result(const std::string& rule, const std::string& message, const std::string& file,
            int line) {
  Json result = {{"ruleId", rule}, {"level", "error"}, {"message", {{"text", message}}}};
  if (line > 0) result["locations"] = Json::array({location(file, line)});
  return result;
}

Json result_of(const Row& row, const simt::Finding& finding) {
  Json json = result(rule_id(finding.kind), finding.sentence, finding.file, finding.line);
  if (finding.other_line > 0) {
    Json other = location(finding.other_file, finding.other_line);
    other["id"] = 1;
    other["message"] = {{"text", finding.kind == "race" ? "the other access" : "others wait here"}};
    json["relatedLocations"] = Json::array({std::move(other)});
  }
  json["properties"] = {{"call", row.line.text()},
                        {"kernel", finding.kernel},
                        {"block", finding.block},
                        {"threads", finding.threads},
                        {"orderSeed", finding.order_seed},
                        {"times", finding.times},
                        {"replay", replay_command(row, finding)}};
  return json;
}

Json result_of(const Excess& excess) {
  Json json = result(rule_id(excess.figure), excess.sentence(), excess.file, excess.line);
  json["properties"] = {{"call", excess.row->line.text()},
                        {"figure", excess.figure},
                        {"value", excess.value},
                        {"limit", excess.limit}};
  return json;
}

}  // namespace

Json sarif_of(const std::vector<Row>& rows, const std::vector<Excess>& excesses) {
  Json rules = Json::array();
  for (const Rule& rule : kRules) {
    rules.push_back({{"id", rule.id}, {"shortDescription", {{"text", rule.text}}}});
  }
  Json results = Json::array();
  for (const Row& row : rows) {
    for (const simt::Finding& finding : row.counted.findings) {
      results.push_back(result_of(row, finding));
    }
  }
  for (const Excess& excess : excesses) results.push_back(result_of(excess));
  Json driver = {{"name", "lamella"}, {"version", LAMELLA_VERSION}, {"rules", std::move(rules)}};
  Json run = {{"tool", {{"driver", std::move(driver)}}},
              {"columnKind", "unicodeCodePoints"},
              {"originalUriBaseIds",
               {{"SRCROOT", {{"description", {{"text", "the root of the sources"}}}}}}},
              {"results", std::move(results)}};
  return {{"$schema",
           "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
           "sarif-schema-2.1.0.json"},
          {"version", "2.1.0"},
          {"runs", Json::array({std::move(run)})}};
}

}  // namespace lamella::tool
