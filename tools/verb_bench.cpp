// lamella bench kernels: the memory traffic of kernels, counted by the emulator, beside the least
// they could do.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/count_call.h"
#include "tools/roofline.h"

namespace lamella::tool {
namespace {

struct BenchArguments {
  std::string device = "simt", dtype, kernel, roofline, json;
  std::vector<std::string> shapes, calls;
  bool backward = false, lines = false;
};

struct Row {
  std::string name;
  KernelLine line;
};

// The line with dtype= as --dtype says.
KernelLine in_dtype(const KernelLine& line, const std::string& dtype) {
  if (dtype.empty()) return line;
  std::string text = line.text();
  const std::size_t at = text.find(" dtype=");
  if (at != std::string::npos) text.erase(at, text.find(' ', at + 1) - at);
  return KernelLine(text + " dtype=" + dtype);
}

// Adds what is wanted of a line; calls that were there already under another name are left out.
void add_rows(const BenchArguments& args, const std::string& name, const KernelLine& line,
              std::set<std::string>& seen, std::vector<Row>& rows) {
  const KernelLine typed = in_dtype(line, args.dtype);
  const auto all = args.backward ? with_backward(typed) : std::vector<KernelLine>{typed};
  for (const KernelLine& one : all) {
    const bool wanted = args.kernel.empty() || one.kernel() == args.kernel;
    if (wanted && seen.insert(one.text()).second) rows.push_back({name, one});
  }
}

std::vector<Row> rows_of(const BenchArguments& args) {
  std::set<std::string> seen;
  std::vector<Row> rows;
  for (const std::string& path : args.shapes) {
    std::ifstream file(path);
    if (!file) fail("--shapes ", path, " cannot be read");
    for (const auto& [name, line] : read_shapes(file)) add_rows(args, name, line, seen, rows);
  }
  for (const std::string& call : args.calls) {
    add_rows(args, "", KernelLine(call), seen, rows);
  }
  if (rows.empty()) {
    throw UsageError(
        "nothing to count: give --shapes FILE, or a call such as \"relu_fwd pixels=64 "
        "C=32\"; --kernel may have left all of them out");
  }
  return rows;
}

double ratio(std::uint64_t a, std::int64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

Json json_of(const Row& row, const CountedCall& counted, const std::optional<Roofline>& roofline) {
  Json all = Json::array();
  for (const simt::KernelCounts& kernel : counted.counts) {
    Json lines = Json::array();
    for (const simt::LineCounts& line : kernel.lines) {
      lines.push_back({{"file", line.file},
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
                       {"conflict_ways", line.conflict_ways}});
    }
    Json json = {{"kernel", kernel.kernel},
                 {"function", kernel.function},
                 {"op", row.line.kernel()},
                 {"name", row.name},
                 {"shape", row.line.text().substr(row.line.kernel().size())},
                 {"dtype", name_of(row.line.dtype())},
                 {"launches", kernel.launches},
                 {"threads", kernel.threads},
                 {"flops", counted.call.flops},
                 {"bytes_least", counted.call.least_bytes()},
                 {"bytes_requested", kernel.bytes_requested},
                 {"bytes_distinct", kernel.bytes_distinct},
                 {"bytes_distinct_by_block", kernel.bytes_distinct_by_block},
                 {"sectors_distinct", kernel.sectors_distinct},
                 {"sectors_distinct_by_block", kernel.sectors_distinct_by_block}};
    if (roofline) {
      json["floor_seconds"] = roofline->floor(static_cast<double>(counted.call.least_bytes()),
                                              counted.call.flops, row.line.dtype());
    }
    json["lines"] = std::move(lines);
    all.push_back(std::move(json));
  }
  return all;
}

void print_head(const std::optional<Roofline>& roofline) {
  std::printf("%-34s %9s %9s %9s %8s %9s", "call", "least MB", "distinct", "requested", "sec/req",
              "conflicts");
  if (roofline) std::printf("  floor us on %s", roofline->name.c_str());
  std::printf("\n");
}

void print(const Row& row, const CountedCall& counted, const std::optional<Roofline>& roofline) {
  const std::int64_t least = counted.call.least_bytes();
  const std::string layer = row.name.empty() ? "" : " " + row.name.substr(row.name.find(':') + 1);
  std::printf("%-34s %9.3f %8.2fx %8.2fx %8.2f %9.2f", (row.line.kernel() + layer).c_str(),
              static_cast<double>(least) / 1e6, ratio(counted.bytes_distinct(), least),
              ratio(counted.bytes_requested(), least), counted.worst_sectors_per_request(),
              counted.worst_conflict_ways());
  if (roofline) {
    std::printf("  %.2f", 1e6 * roofline->floor(static_cast<double>(least), counted.call.flops,
                                                row.line.dtype()));
  }
  std::printf("\n");
}

void print_lines(const CountedCall& counted) {
  for (const simt::KernelCounts& kernel : counted.counts) {
    std::printf("  %s\n", kernel.function.c_str());
    for (const simt::LineCounts& line : kernel.lines) {
      std::printf("    %-6s %-6s %2u B %10llu requests %6.2f sectors %5.2f ways  %s\n",
                  line.space.c_str(), line.kind.c_str(), line.bytes,
                  static_cast<unsigned long long>(line.requests), line.sectors_per_request,
                  line.conflict_ways, line.chain.c_str());
    }
  }
}

int run(const BenchArguments& args) {
  if (args.device != "simt") {
    throw UsageError("bench kernels counts on --device simt; times come from bench/ops_bench");
  }
  const std::vector<Row> rows = rows_of(args);
  std::optional<Roofline> roofline;
  if (!args.roofline.empty()) roofline = find_roofline(args.roofline);
  const std::unique_ptr<Context> ctx = make_counting_context();
  Json json = {{"schema", "lamella.simt/1"}, {"rows", Json::array()}, {"findings", Json::array()}};
  const bool table = args.json != "-";
  if (table) print_head(roofline);
  for (const Row& row : rows) {
    const CountedCall counted = count_call(*ctx, make_call(row.line));
    for (Json& one : json_of(row, counted, roofline)) json["rows"].push_back(std::move(one));
    for (const simt::Finding& finding : counted.findings) {
      json["findings"].push_back(finding.sentence);
      std::fprintf(stderr, "%s\n", finding.sentence.c_str());
    }
    if (table) print(row, counted, roofline);
    if (table && args.lines) print_lines(counted);
  }
  if (!args.json.empty()) put_json(args.json, json);
  return json["findings"].empty() ? 0 : 1;
}

}  // namespace

Verb add_bench(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("bench", "count what kernels do to memory, without a GPU");
  CLI::App* kernels = parser->add_subcommand("kernels", "requests, sectors and bank conflicts");
  parser->require_subcommand(1);
  auto args = std::make_shared<BenchArguments>();
  kernels->add_option("calls", args->calls, "calls as LAMELLA_TRACE=op prints them, each quoted");
  kernels->add_option("--shapes", args->shapes, "files of calls, as in tests/shapes");
  kernels->add_option("--kernel", args->kernel, "only calls of this entry of the kernel table");
  kernels->add_flag("--backward", args->backward, "also the backward calls of forward ones");
  kernels->add_option("--device", args->device, "simt")->capture_default_str();
  kernels->add_option("--dtype", args->dtype, "f32, bf16 or f16, instead of the calls' own")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  kernels->add_flag("--lines", args->lines, "also each source line");
  kernels->add_option("--roofline", args->roofline,
                      "least time on h100, a100, rtx4090, orin, or a GPU described in a JSON file");
  add_json_option(*kernels, args->json);
  const char* footer =
      "Example:\n  lamella bench kernels \"relu_fwd pixels=3136 C=64\" --lines --roofline h100\n\n"
      "least: every operand once. distinct: sectors of 32 bytes touched, each once in a launch.\n"
      "requested: sectors of all requests. Both in multiples of least.";
  parser->footer(footer);
  kernels->footer(footer);
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
