#include "kernels/calls/kernel_call.h"

#include <map>
#include <stdexcept>

#include "kernels/calls/families.h"

namespace lamella {
namespace {

std::vector<calls::Entry> all_entries() {
  std::vector<calls::Entry> all;
  for (const auto* family :
       {&calls::pointwise_entries(), &calls::product_entries(), &calls::batch_norm_entries(),
        &calls::pooling_entries(), &calls::loss_entries(), &calls::image_entries(),
        &calls::summary_entries(), &calls::optimiser_entries()}) {
    all.insert(all.end(), family->begin(), family->end());
  }
  return all;
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
