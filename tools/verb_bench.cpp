// lamella bench kernels: the memory traffic of kernels, counted by the emulator, beside the least
// they could do.
#include <cstdio>
#include <fstream>
#include <optional>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/kernel_limits.h"
#include "tools/kernel_page.h"
#include "tools/kernel_rows.h"
#include "tools/sarif.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

struct BenchArguments {
  RowChoice choice;
  std::string device = "simt", roofline, json, html, limits, sarif;
  std::optional<std::uint64_t> simt_seed;
  bool lines = false;
};

double ratio(std::uint64_t a, std::int64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

void print_head(const std::optional<Roofline>& roofline) {
  std::printf("%-34s %9s %9s %9s %8s %9s", "call", "least MB", "distinct", "requested", "sec/req",
              "conflicts");
  if (roofline) std::printf("  floor us on %s", roofline->name.c_str());
  std::printf("\n");
}

void print(const Row& row, const std::optional<Roofline>& roofline) {
  const CountedCall& counted = row.counted;
  const std::int64_t least = counted.call.least_bytes();
  std::printf("%-34s %9.3f %8.2fx %8.2fx %8.2f %9.2f", row.title().c_str(),
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

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) fail(path, " cannot be written");
}

// What is larger than it may be, as a table with the worst line of each.
void print(const Verdict& verdict, std::size_t rows) {
  std::fprintf(stderr, "%zu of %zu calls held to limits: %zu figures exceed them\n", verdict.held,
               rows, verdict.excesses.size());
  for (const Excess& excess : verdict.excesses) {
    std::fprintf(stderr, "%-34s %-24s %14.2f -> %14.2f  %s:%d\n", excess.row->title().c_str(),
                 excess.figure.c_str(), excess.limit, excess.value, excess.file.c_str(),
                 excess.line);
  }
}

std::vector<Row> count_rows(const BenchArguments& args, const std::optional<Roofline>& roofline) {
  std::vector<Row> rows = choose_rows(args.choice);
  const std::unique_ptr<Context> ctx = make_counting_context();
  if (args.simt_seed) control_of(*ctx).set_order_seed(*args.simt_seed);
  const bool table = args.json != "-";
  if (table) print_head(roofline);
  for (Row& row : rows) {
    row.counted = count_call(*ctx, row.counted.call);
    for (const simt::Finding& finding : row.counted.findings) {
      std::fprintf(stderr, "%s\n  again: %s\n", finding.sentence.c_str(),
                   replay_command(row, finding).c_str());
    }
    if (table) print(row, roofline);
    if (table && args.lines) print_lines(row.counted);
  }
  return rows;
}

int run(const BenchArguments& args) {
  if (args.device != "simt") {
    throw UsageError("bench kernels counts on --device simt; times come from bench/ops_bench");
  }
  std::optional<Roofline> roofline;
  if (!args.roofline.empty()) roofline = find_roofline(args.roofline);
  const Json limits =
      args.limits.empty() ? Json() : parse_json(read_text_file(args.limits), args.limits);
  const std::vector<Row> rows = count_rows(args, roofline);
  const Json json = json_of_rows(rows, roofline);
  if (!args.json.empty()) put_json(args.json, json);
  if (!args.html.empty()) {
    write_file(args.html, kernel_page(rows, roofline ? *roofline : find_roofline("h100")));
  }
  Verdict verdict;
  if (!args.limits.empty()) {
    verdict = check_limits(limits, args.limits, rows);
    print(verdict, rows.size());
  }
  if (!args.sarif.empty()) {
    write_file(args.sarif, sarif_of(rows, verdict.excesses).dump(1) + "\n");
  }
  return json["findings"].empty() && verdict.excesses.empty() ? 0 : 1;
}

}  // namespace

Verb add_bench(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("bench", "count what kernels do to memory, without a GPU");
  CLI::App* kernels = parser->add_subcommand("kernels", "requests, sectors and bank conflicts");
  parser->require_subcommand(1);
  auto args = std::make_shared<BenchArguments>();
  kernels->add_option("calls", args->choice.calls,
                      "calls as LAMELLA_TRACE=op prints them, each quoted");
  kernels->add_option("--shapes", args->choice.shapes, "files of calls, as in tests/shapes");
  kernels->add_option("--kernel", args->choice.kernel,
                      "only calls of this entry of the kernel table");
  kernels->add_flag("--backward", args->choice.backward, "also the backward calls of forward ones");
  kernels->add_option("--device", args->device, "simt")->capture_default_str();
  kernels->add_option("--dtype", args->choice.dtype, "f32, bf16 or f16, instead of the calls' own")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  kernels->add_flag("--lines", args->lines, "also each source line");
  kernels->add_option("--roofline", args->roofline,
                      "least time on h100, a100, rtx4090, orin, or a GPU described in a JSON file");
  kernels->add_option("--simt-seed", args->simt_seed, "order in which threads run");
  add_json_option(*kernels, args->json);
  kernels->add_option("--html", args->html, "write a page: findings, roofline, kernels, lines");
  kernels->add_option("--assert", args->limits,
                      "fail where a figure is larger than in this file: an earlier --json, or "
                      "limits (docs/kernels.md)");
  kernels->add_option("--sarif", args->sarif,
                      "write findings and exceeded limits as SARIF 2.1.0, at their source lines");
  const char* footer =
      "Example:\n  lamella bench kernels \"relu_fwd pixels=3136 C=64\" --lines --roofline h100\n\n"
      "least: every operand once. distinct: sectors of 32 bytes touched, each once in a launch.\n"
      "requested: sectors of all requests. Both in multiples of least.";
  parser->footer(footer);
  kernels->footer(footer);
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
