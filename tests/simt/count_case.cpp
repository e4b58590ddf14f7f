// Prints what one op case does to memory, line by line, in the counted build of the emulator:
//   simt_count_case "relu_fwd pixels=64 C=32"
// The case is a line of the op suite, or of LAMELLA_TRACE=op. It runs forward once, on dense
// operands of zeros. Findings follow the table; 1 is returned if there are any.
#include <cstdio>
#include <exception>

#include "kernels/simt/simt.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

void print(const simt::KernelCounts& counts) {
  std::printf(
      "%s: %llu launches, %llu threads, %llu bytes requested, %llu distinct, "
      "%llu distinct by block\n",
      counts.kernel.c_str(), static_cast<unsigned long long>(counts.launches),
      static_cast<unsigned long long>(counts.threads),
      static_cast<unsigned long long>(counts.bytes_requested),
      static_cast<unsigned long long>(counts.bytes_distinct),
      static_cast<unsigned long long>(counts.bytes_distinct_by_block));
  std::printf("  %-6s %-6s %10s %11s %9s  line\n", "space", "kind", "requests", "sectors/req",
              "conflicts");
  for (const simt::LineCounts& line : counts.lines) {
    std::printf("  %-6s %-6s %10llu %11.2f %9.2f  %s:%d", line.space.c_str(), line.kind.c_str(),
                static_cast<unsigned long long>(line.requests), line.sectors_per_request,
                line.conflict_ways, line.file.c_str(), line.line);
    const std::string shown = line.file + ":" + std::to_string(line.line);
    if (line.chain != shown) std::printf("  (%s)", line.chain.c_str());
    std::printf("\n");
  }
}

int run(const char* text) {
  const OpCase test_case = make_case(text);
  Context::Options options;
  options.device = "simt-counted";
  options.cache_memory = false;
  Context ctx(options);
  ctx.training = true;
  const simt::Control* control = simt::control_of(ctx.backend());
  if (control == nullptr) throw std::runtime_error("simt-counted is no emulator");
  std::vector<Tensor> operands;
  for (const Operand& operand : test_case.operands) {
    const DType dtype = operand.fill == Fill::Labels ? DType::I32 : DType::F32;
    operands.push_back(ctx.zeros(operand.shape, dtype));
  }
  const Tensor out = test_case.y_pitch == 0 ? Tensor{} : ctx.zeros(test_case.y);
  control->clear_counts();
  control->clear_findings();
  test_case.apply(ctx, operands, out);
  for (const simt::KernelCounts& counts : control->counts()) print(counts);
  for (const simt::Finding& finding : control->findings()) {
    std::printf("%s\n", finding.sentence.c_str());
  }
  return control->findings().empty() ? 0 : 1;
}

}  // namespace
}  // namespace lamella::test

int main(int argc, char** argv) {
  try {
    if (argc == 2) return lamella::test::run(argv[1]);
    std::fprintf(stderr, "usage: simt_count_case \"<kernel> key=value ...\"\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
