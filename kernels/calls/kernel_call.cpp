#include "kernels/calls/kernel_call.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "kernels/calls/families.h"

namespace lamella {
namespace {

const std::vector<calls::Entry>& all_entries() {
  static const std::vector<calls::Entry> entries = [] {
    std::vector<calls::Entry> all;
    for (const auto* family :
         {&calls::pointwise_entries(), &calls::product_entries(), &calls::batch_norm_entries(),
          &calls::pooling_entries(), &calls::loss_entries(), &calls::image_entries(),
          &calls::summary_entries(), &calls::optimiser_entries()}) {
      all.insert(all.end(), family->begin(), family->end());
    }
    return all;
  }();
  return entries;
}

// What a forward entry brings with it.
const std::map<std::string, std::vector<std::string>>& companions() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"relu_fwd", {"relu_bwd"}},
      {"dropout_fwd", {"dropout_bwd"}},
      {"conv2d_fwd", {"conv2d_bwd_data", "conv2d_bwd_weight"}},
      {"linear_fwd", {"linear_bwd_data", "linear_bwd_weight"}},
      {"batch_norm_apply",
       {"batch_norm_stats", "batch_norm_bwd_reduce", "batch_norm_bwd_apply", "batch_norm_update"}},
      {"batch_norm_copy_stats", {"batch_norm_stats_bwd"}},
      {"max_pool2d_fwd", {"max_pool2d_bwd"}},
      {"avg_pool2d_fwd", {"avg_pool2d_bwd"}},
      {"global_avg_pool_fwd", {"global_avg_pool_bwd"}},
      {"softmax_cross_entropy_fwd", {"softmax_cross_entropy_bwd"}},
      {"l2_penalty_fwd", {"l2_penalty_bwd"}},
  };
  return all;
}

[[noreturn]] void refuse(const KernelLine& line, const std::string& why) {
  throw std::runtime_error("\"" + line.text() + "\": " + why);
}

// Refuses what is no size, and sizes whose products would not fit into 64 bits.
void check_sizes(const KernelLine& line) {
  const auto size = [&](const std::string& key, std::int64_t otherwise, std::int64_t least = 0) {
    const std::int64_t value = line.get(key, otherwise);
    if (value < least) refuse(line, key + " must be at least " + std::to_string(least));
    return static_cast<double>(value);
  };
  size("stride_h", 1, 1), size("stride_w", 1, 1);
  double high = size("H", 1) + 2 * size("pad_h", 0), wide = size("W", 1) + 2 * size("pad_w", 0);
  const bool told = line.has("P") && line.has("Q");
  if (!told && (size("R", 1) > high || size("S", 1) > wide)) {
    refuse(line, "the window is larger than the image");
  }
  high = std::max(high, size("P", 1)), wide = std::max(wide, size("Q", 1));
  double columns = 1;
  for (const char* key :
       {"C", "K", "x_pitch", "y_pitch", "a_pitch", "b_pitch", "dx_pitch", "dy_pitch"}) {
    columns = std::max(columns, size(key, 1));
  }
  double all = high * wide * columns * columns;
  for (const char* key : {"N", "pixels", "count", "R", "S"}) all *= std::max(1.0, size(key, 1));
  if (all > 0x1p56) refuse(line, "the call is too large for 64-bit arithmetic");
}

}  // namespace

std::int64_t KernelCall::least_bytes() const {
  std::int64_t bytes = 0;
  for (const CallOperand& operand : operands) {
    bytes += operand.bytes() * (operand.use == CallOperand::Use::InOut ? 2 : 1);
  }
  return bytes;
}

KernelCall make_call(const KernelLine& line) {
  for (const calls::Entry& entry : all_entries()) {
    if (line.kernel() != entry.name) continue;
    check_sizes(line);
    KernelCall call = entry.make(line);
    call.line = line.text();
    return call;
  }
  std::string names;
  for (const std::string& name : callable_kernels()) names += (names.empty() ? "" : ", ") + name;
  throw std::runtime_error("there is no kernel \"" + line.kernel() + "\" in \"" + line.text() +
                           "\"; the table has " + names);
}

std::vector<std::string> callable_kernels() {
  std::vector<std::string> names;
  for (const calls::Entry& entry : all_entries()) names.emplace_back(entry.name);
  return names;
}

std::vector<KernelLine> with_backward(const KernelLine& line) {
  std::vector<KernelLine> lines = {line};
  const auto found = companions().find(line.kernel());
  if (found == companions().end()) return lines;
  for (const std::string& name : found->second) {
    lines.emplace_back(name + line.text().substr(line.kernel().size()));
  }
  // A slice is normalised by several layers, which share its statistics.
  if (line.kernel() == "batch_norm_apply" && line.get("x_pitch", 0) > line.get("C", 0)) {
    lines.emplace_back("batch_norm_bwd_shared" + line.text().substr(line.kernel().size()));
  }
  return lines;
}

}  // namespace lamella
