#include "tools/kernel_page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "tools/roofline_plot.h"
#include "train/format.h"
#include "train/html_page.h"

namespace lamella::tool {
namespace {

const char* const kStyle = R"(
:root { color-scheme: light dark; --accent: #1f5fa8; --warn: #a33a12; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ee; --soft: #aab4c0;
  --rule: #2c343d; --code: #1d232a; --accent: #6fb0f5; --warn: #f0895c; } }
a { color: var(--accent); } svg a text { fill: var(--accent); }
svg text { font-size: 13px; } svg .roof { stroke: var(--ink); stroke-width: 1.6; }
svg .point { fill: var(--accent); fill-opacity: 0.55; }
svg .least { fill: none; stroke: var(--accent); stroke-width: 1.3; }
svg .link { stroke: var(--accent); stroke-opacity: 0.6; }
.broad { display: none; } @media (min-width: 900px) { .broad { display: block; }
  .narrow { display: none; } }
details { margin: 6px 0 14px; } summary { cursor: pointer; }
h3 { font-size: 14px; margin: 18px 0 4px; overflow-wrap: anywhere; }
td, th { white-space: nowrap; } .finding { border-left: 3px solid var(--warn); padding: 2px 10px;
  margin: 10px 0; overflow-wrap: anywhere; } .finding b { color: var(--warn); }
th.place, td.place { text-align: left; } .place { font-family: ui-monospace, monospace; }
)";

using Group = std::vector<const Row*>;  // of one kernel

std::vector<Group> by_kernel(const std::vector<Row>& rows) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> index;
  for (const Row& row : rows) {
    const auto [it, is_new] = index.try_emplace(row.line.kernel(), groups.size());
    if (is_new) groups.emplace_back();
    groups[it->second].push_back(&row);
  }
  return groups;
}

std::string times(double bytes, double least) {
  return least > 0 ? fixed(bytes / least, 2) + "&times;" : "";
}

std::string count(std::uint64_t number, const char* what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

// "3.21" to three digits, however large.
std::string three_digits(double value) {
  return fixed(value, value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

struct Sums {
  double least = 0, distinct = 0, requested = 0, floor = 0, sectors = 0, ways = 1;
  void add(const Row& row, const Roofline& gpu) {
    least += row.least();
    distinct += static_cast<double>(row.counted.bytes_distinct());
    requested += static_cast<double>(row.counted.bytes_requested());
    floor += gpu.floor(row.least(), row.flops(), row.line.dtype());
    sectors = std::max(sectors, row.counted.worst_sectors_per_request());
    ways = std::max(ways, row.counted.worst_conflict_ways());
  }
  std::vector<std::string> cells() const {
    return {fixed(least / 1e6, 3), times(distinct, least), times(requested, least),
            fixed(sectors, 2),     fixed(ways, 2),         fixed(1e6 * floor, 2)};
  }
};

std::string head_row(const std::vector<std::string>& first, const Roofline& gpu) {
  std::string html = "<tr>";
  for (const std::string& name : first) html += "<th>" + name + "</th>";
  for (const char* name :
       {"least MB", "distinct", "requested", "sectors/request", "conflict ways"}) {
    html += std::string("<th>") + name + "</th>";
  }
  return html + "<th>floor &micro;s on " + escape_html(gpu.name) + "</th></tr>\n";
}

std::string table_row(std::vector<std::string> first, const Sums& sums) {
  for (std::string& cell : sums.cells()) first.push_back(std::move(cell));
  return html_row(first);
}

std::string headline(const std::vector<Row>& rows, const std::vector<Group>& groups,
                     const Roofline& gpu) {
  Sums sums;
  std::uint64_t findings = 0;
  for (const Row& row : rows) {
    sums.add(row, gpu);
    findings += row.counted.findings.size();
  }
  std::string html = "<h1>Kernel calls, counted by the emulator</h1>\n<p>" +
                     count(rows.size(), "call") + " of " + count(groups.size(), "kernel") +
                     ". Accesses of the source as they are, no times: the floor is what the data "
                     "sheet of " +
                     escape_html(gpu.name) + " allows at best.</p>\n<div class=\"figures\">\n";
  html += html_figure(std::to_string(findings), findings == 1 ? "finding" : "findings");
  html += html_figure(three_digits(sums.least / 1e6) + " MB", "least that the calls can move");
  html += html_figure(times(sums.distinct, sums.least), "touched");
  html += html_figure(times(sums.requested, sums.least), "requested");
  return html + html_figure(three_digits(1e6 * sums.floor) + " &micro;s", "floor of all calls") +
         "</div>\n";
}

std::string findings_section(const std::vector<Row>& rows) {
  std::string html;
  for (const Row& row : rows) {
    for (const simt::Finding& finding : row.counted.findings) {
      html += "<div class=\"finding\"><b>" + escape_html(finding.kind) + "</b> " +
              escape_html(finding.sentence) + " (" + count(finding.times, "time") +
              ")<br>Again: <code>" + escape_html(replay_command(row, finding)) + "</code></div>\n";
    }
  }
  if (html.empty()) {
    html =
        "<p>None: no race, no barrier that some threads miss, no access out of bounds or of "
        "memory that nobody wrote.</p>\n";
  }
  return "<h2>Findings</h2>\n" + html;
}

// A call that computes nothing, or touches nothing, has no place on the logarithmic axis.
bool has_intensity(const Row& row) {
  return row.flops() > 0 && row.least() > 0 && row.counted.bytes_distinct() > 0;
}

RooflinePoint point_of(const Row& row, const Roofline& gpu) {
  RooflinePoint point;
  point.group = row.line.kernel();
  point.label = row.name.substr(row.name.find(':') + 1);
  point.dtype = row.line.dtype();
  point.least = row.flops() / row.least();
  point.distinct = row.flops() / static_cast<double>(row.counted.bytes_distinct());
  const double floor = gpu.floor(row.least(), row.flops(), point.dtype);
  point.hint = (row.name.empty() ? row.line.text() : row.name + " " + row.line.text()) + ": " +
               three_digits(point.least) + " FLOPs per least byte, " +
               three_digits(point.distinct) + " per byte touched; at best " +
               three_digits(row.flops() / floor / 1e12) + " TFLOP/s, " + three_digits(1e6 * floor) +
               " us";
  return point;
}

std::string roofline_section(const std::vector<Row>& rows, const Roofline& gpu) {
  std::vector<RooflinePoint> points;
  std::map<std::string, std::uint64_t> left_out;
  for (const Row& row : rows) {
    if (has_intensity(row)) {
      points.push_back(point_of(row, gpu));
    } else {
      ++left_out[row.line.kernel()];
    }
  }
  std::string html = "<h2>Roofline of " + escape_html(gpu.name) +
                     "</h2>\n<p>Each call at its arithmetic intensity: on the roof, the most that "
                     "it can reach there. Below, kernel by kernel: a ring at FLOPs per byte of the "
                     "least it can move, a dot at FLOPs per byte of the sectors it touched. What "
                     "lies left of the bend waits for memory.</p>\n";
  if (!points.empty()) {
    html += "<div class=\"narrow\">" + roofline_svg(gpu, points, 368) +
            "</div>\n<div class=\"broad\">" + roofline_svg(gpu, points, 1048) + "</div>\n";
  }
  std::string names;
  for (const auto& [kernel, calls] : left_out) {
    names += (names.empty() ? "" : ", ") + kernel + " (" + count(calls, "call") + ")";
  }
  return names.empty() ? html
                       : html + "<p>Not drawn, since they compute nothing: " + names + ".</p>\n";
}

std::string kernels_section(const std::vector<Group>& groups, const Roofline& gpu) {
  std::string html =
      "<h2>Kernels</h2>\n<p>least: every operand once. distinct: sectors of 32 bytes "
      "touched, each once in a launch. requested: sectors of all requests. Sectors "
      "per request and conflict ways are those of the worst line.</p>\n"
      "<div class=\"wide\"><table>\n" +
      head_row({"kernel", "calls"}, gpu);
  for (const Group& group : groups) {
    Sums sums;
    for (const Row* row : group) sums.add(*row, gpu);
    const std::string name = escape_html(group[0]->line.kernel());
    html += table_row({"<a href=\"#" + name + "\">" + name + "</a>", std::to_string(group.size())},
                      sums);
  }
  return html + "</table></div>\n";
}

// One source line over all calls of a kernel.
struct LineSums {
  std::uint64_t requests = 0, sectors = 0, wavefronts = 0;
  double least_wavefronts = 0;
};
// function, space, kind, bytes, chain
using LineKey = std::tuple<std::string, std::string, std::string, unsigned, std::string>;

std::map<LineKey, LineSums> sum_lines(const Group& group) {
  std::map<LineKey, LineSums> lines;
  for (const Row* row : group) {
    for (const simt::KernelCounts& kernel : row->counted.counts) {
      for (const simt::LineCounts& line : kernel.lines) {
        LineSums& sums = lines[{kernel.function, line.space, line.kind, line.bytes, line.chain}];
        sums.requests += line.requests;
        sums.sectors += line.sectors;
        sums.wavefronts += line.wavefronts;
        if (line.conflict_ways > 0) {
          sums.least_wavefronts += static_cast<double>(line.wavefronts) / line.conflict_ways;
        }
      }
    }
  }
  return lines;
}

std::string lines_table(const Group& group) {
  std::string html;
  std::string last;
  for (const auto& [key, sums] : sum_lines(group)) {
    const auto& [function, space, kind, bytes, chain] = key;
    if (function != last || html.empty()) {
      html += (html.empty() ? "" : "</table></div>\n") + std::string("<p><code>") +
              escape_html(function) +
              "</code></p>\n<div class=\"wide\"><table>\n<tr><th>memory</th><th>access</th>"
              "<th>bytes</th><th>requests</th><th>sectors/request</th><th>conflict ways</th>"
              "<th class=\"place\">line</th></tr>\n";
    }
    last = function;
    const auto requests = static_cast<double>(sums.requests);
    const bool shared = space == "shared";
    html += "<tr><td>" + space + "</td><td>" + kind + "</td><td>" + std::to_string(bytes) +
            "</td><td>" + std::to_string(sums.requests) + "</td><td>" +
            (shared ? "" : fixed(static_cast<double>(sums.sectors) / requests, 2)) + "</td><td>" +
            (shared ? fixed(static_cast<double>(sums.wavefronts) / sums.least_wavefronts, 2) : "") +
            "</td><td class=\"place\">" + escape_html(chain) + "</td></tr>\n";
  }
  return html.empty() ? html : html + "</table></div>\n";
}

std::string kernel_section(const Group& group, const Roofline& gpu) {
  const std::string name = escape_html(group[0]->line.kernel());
  std::string html = "<h3 id=\"" + name + "\">" + name + "</h3>\n" + lines_table(group);
  html += "<details><summary>" + count(group.size(), "call") +
          "</summary>\n<div class=\"wide\"><table>\n" + head_row({"call", "FLOPs/least byte"}, gpu);
  for (const Row* row : group) {
    Sums sums;
    sums.add(*row, gpu);
    const std::string label = row->name.empty() ? row->line.text() : row->name;
    html += table_row(
        {"<span title=\"" + escape_html(row->line.text()) + "\">" + escape_html(label) + "</span>",
         row->least() > 0 ? three_digits(row->flops() / row->least()) : ""},
        sums);
  }
  return html + "</table></div></details>\n";
}

}  // namespace

std::string kernel_page(const std::vector<Row>& rows, const Roofline& gpu) {
  const std::vector<Group> groups = by_kernel(rows);
  std::string html = headline(rows, groups, gpu) + findings_section(rows) +
                     roofline_section(rows, gpu) + kernels_section(groups, gpu) +
                     "<h2>Lines</h2>\n<p>Each line of the source that accesses memory, over all "
                     "calls of its kernel.</p>\n";
  for (const Group& group : groups) html += kernel_section(group, gpu);
  return html_page("lamella: kernel calls", kStyle, html);
}

}  // namespace lamella::tool
