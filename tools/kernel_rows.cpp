#include "tools/kernel_rows.h"

#include <set>
#include <sstream>

#include "engine/errors.h"
#include "tools/common.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

// The line with dtype= as --dtype says.
KernelLine in_dtype(const KernelLine& line, const std::string& dtype) {
  if (dtype.empty()) return line;
  std::string text = line.text();
  const std::size_t at = text.find(" dtype=");
  if (at != std::string::npos) text.erase(at, text.find(' ', at + 1) - at);
  return KernelLine(text + " dtype=" + dtype);
}

// Adds what is wanted of a line; calls that were there already under another name are left out.
void add_rows(const RowChoice& choice, const std::string& name, const KernelLine& line,
              std::set<std::string>& seen, std::vector<Row>& rows) {
  const KernelLine typed = in_dtype(line, choice.dtype);
  const auto all = choice.backward ? with_backward(typed) : std::vector<KernelLine>{typed};
  for (const KernelLine& one : all) {
    const bool wanted = choice.kernel.empty() || one.kernel() == choice.kernel;
    if (wanted && seen.insert(one.text()).second) {
      rows.push_back({name, one, {make_call(one), {}, {}}});
    }
  }
}

Json json_of(const simt::LineCounts& line) {
  return {{"file", line.file},
          {"line", line.line},
          {"chain", line.chain},
          {"space", line.space},
          {"kind", line.kind},
          {"bytes", line.bytes},
          {"accesses", line.accesses},
          {"requests", line.requests},
          {"sectors", line.sectors},
          {"sectors_per_request", line.sectors_per_request},
          {"wavefronts", line.wavefronts},
          {"conflict_ways", line.conflict_ways}};
}

Json json_of(const Row& row, const simt::KernelCounts& kernel,
             const std::optional<Roofline>& roofline) {
  Json json = {{"kernel", kernel.kernel},
               {"function", kernel.function},
               {"op", row.line.kernel()},
               {"name", row.name},
               {"shape", row.line.text().substr(row.line.kernel().size())},
               {"dtype", name_of(row.line.dtype())},
               {"launches", kernel.launches},
               {"threads", kernel.threads},
               {"flops", row.flops()},
               {"bytes_least", row.counted.call.least_bytes()},
               {"bytes_requested", kernel.bytes_requested},
               {"bytes_distinct", kernel.bytes_distinct},
               {"bytes_distinct_by_block", kernel.bytes_distinct_by_block},
               {"sectors_distinct", kernel.sectors_distinct},
               {"sectors_distinct_by_block", kernel.sectors_distinct_by_block}};
  if (roofline) {
    json["floor_seconds"] = roofline->floor(row.least(), row.flops(), row.line.dtype());
  }
  json["lines"] = Json::array();
  for (const simt::LineCounts& line : kernel.lines) json["lines"].push_back(json_of(line));
  return json;
}

Json json_of(const Row& row, const simt::Finding& finding) {
  return {{"kind", finding.kind},
          {"sentence", finding.sentence},
          {"call", row.line.text()},
          {"kernel", finding.kernel},
          {"block", finding.block},
          {"threads", finding.threads},
          {"order_seed", finding.order_seed},
          {"file", finding.file},
          {"line", finding.line},
          {"other_file", finding.other_file},
          {"other_line", finding.other_line},
          {"times", finding.times},
          {"replay", replay_command(row, finding)}};
}

}  // namespace

std::string Row::title() const {
  return line.kernel() + (name.empty() ? "" : " " + name.substr(name.find(':') + 1));
}

std::vector<Row> choose_rows(const RowChoice& choice) {
  std::set<std::string> seen;
  std::vector<Row> rows;
  for (const std::string& path : choice.shapes) {
    std::istringstream file(read_text_file(path));
    for (const auto& [name, line] : read_shapes(file)) add_rows(choice, name, line, seen, rows);
  }
  for (const std::string& call : choice.calls) {
    add_rows(choice, "", KernelLine(call), seen, rows);
  }
  if (rows.empty()) {
    throw UsageError(
        "nothing to count: give --shapes FILE, or a call such as \"relu_fwd pixels=64 "
        "C=32\"; --kernel may have left all of them out");
  }
  return rows;
}

std::string replay_command(const Row& row, const simt::Finding& finding) {
  return "lamella bench kernels \"" + row.line.text() + "\" --simt-seed " +
         std::to_string(finding.order_seed);
}

Json json_of_rows(const std::vector<Row>& rows, const std::optional<Roofline>& roofline) {
  Json json = {{"schema", "lamella.simt/1"}, {"rows", Json::array()}, {"findings", Json::array()}};
  for (const Row& row : rows) {
    for (const simt::KernelCounts& kernel : row.counted.counts) {
      json["rows"].push_back(json_of(row, kernel, roofline));
    }
    for (const simt::Finding& finding : row.counted.findings) {
      json["findings"].push_back(json_of(row, finding));
    }
  }
  return json;
}

}  // namespace lamella::tool
