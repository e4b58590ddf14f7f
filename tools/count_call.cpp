#include "tools/count_call.h"

#include <algorithm>

#include "engine/errors.h"

namespace lamella::tool {
namespace {

constexpr std::uint64_t kSectorBytes = 32;

// Each operand is an allocation of its own, as wide as its pitch: accesses beside it are found.
Tensor make_operand(Context& ctx, const CallOperand& operand) {
  const Shape shape{operand.rows, operand.pitch};
  const auto count = static_cast<std::size_t>(shape.count());
  if (operand.use == CallOperand::Use::Out) return ctx.empty(shape, operand.dtype);
  if (!operand.row.empty()) {
    std::vector<float> values;
    for (std::int64_t row = 0; row < operand.rows; ++row)
      values.insert(values.end(), operand.row.begin(), operand.row.end());
    return ctx.from_host(values, shape);
  }
  if (operand.dtype == DType::I32) return ctx.from_host(std::vector<std::int32_t>(count), shape);
  if (is_floating(operand.dtype)) {
    return ctx.from_host(std::vector<float>(count, operand.initial), shape, operand.dtype);
  }
  return ctx.from_host(std::vector<std::uint8_t>(count), shape);
}

// What was thrown, unless the emulator has told of it.
void add_failure(const KernelCall& call, const std::string& sentence, std::uint64_t order_seed,
                 std::vector<simt::Finding>& findings) {
  const bool told = std::any_of(findings.begin(), findings.end(),
                                [](const simt::Finding& finding) { return finding.ends_launch; });
  if (told) return;
  simt::Finding finding;
  finding.kind = "failed launch";
  finding.sentence = finding.kind + ": " + sentence;
  finding.kernel = call.line.substr(0, call.line.find(' '));
  finding.order_seed = order_seed;
  finding.ends_launch = true;
  findings.push_back(std::move(finding));
}

}  // namespace

std::unique_ptr<Context> make_counting_context() {
  Context::Options options;
  options.device = "simt-counted";
  options.cache_memory = false;
  return std::make_unique<Context>(options);
}

const simt::Control& control_of(const Context& ctx) {
  const simt::Control* control = simt::control_of(ctx.backend());
  if (control == nullptr || control->abi != simt::kControlAbi) {
    fail("the emulator beside this program is of another build; build both again");
  }
  return *control;
}

CountedCall count_call(Context& ctx, const KernelCall& call) {
  const simt::Control& control = control_of(ctx);
  std::vector<Tensor> operands;
  std::vector<void*> data;
  for (const CallOperand& operand : call.operands) {
    operands.push_back(make_operand(ctx, operand));
    data.push_back(operands.back().data());
  }
  control.clear_counts();
  control.clear_findings();
  std::string failure;
  try {
    call.run(ctx.kernels(), ctx.kernel_context(), data);
    ctx.synchronize();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  CountedCall counted{call, control.counts(), control.findings()};
  if (!failure.empty()) add_failure(call, failure, control.order_seed(), counted.findings);
  return counted;
}

std::uint64_t CountedCall::bytes_distinct() const {
  std::uint64_t sectors = 0;
  for (const simt::KernelCounts& kernel : counts) sectors += kernel.sectors_distinct;
  return sectors * kSectorBytes;
}

std::uint64_t CountedCall::bytes_distinct_by_block() const {
  std::uint64_t sectors = 0;
  for (const simt::KernelCounts& kernel : counts) sectors += kernel.sectors_distinct_by_block;
  return sectors * kSectorBytes;
}

std::uint64_t CountedCall::bytes_requested() const {
  std::uint64_t sectors = 0;
  for (const simt::KernelCounts& kernel : counts) {
    for (const simt::LineCounts& line : kernel.lines) sectors += line.sectors;
  }
  return sectors * kSectorBytes;
}

double CountedCall::worst_sectors_per_request() const {
  double worst = 0;
  for (const simt::KernelCounts& kernel : counts) {
    for (const simt::LineCounts& line : kernel.lines) {
      worst = std::max(worst, line.sectors_per_request);
    }
  }
  return worst;
}

double CountedCall::worst_conflict_ways() const {
  double worst = 1;
  for (const simt::KernelCounts& kernel : counts) {
    for (const simt::LineCounts& line : kernel.lines) worst = std::max(worst, line.conflict_ways);
  }
  return worst;
}

}  // namespace lamella::tool
