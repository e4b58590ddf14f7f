#include "tests/ops/device.h"

#include <exception>

#include "engine/context.h"
#include "kernels/simt/simt.h"
#include "tests/ops/guarded_backend.h"

namespace lamella::test {
namespace {

const simt::Control* control(const Device& device) {
  return device.emulated() ? simt::control_of(find_backend(device.name)) : nullptr;
}

const Backend& with_choice(const Device& device) {
  const Backend& backend = find_backend(device.name);
  if (backend.kernels_with == nullptr) return backend;
  static Backend chosen;
  chosen = backend;
  chosen.kernels = &backend.kernels_with({device.convolution.c_str(), device.product.c_str()});
  return chosen;
}

}  // namespace

std::string problem_of(const Device& device) {
  const std::string problem = why_unavailable(device.name);
  if (!problem.empty()) return problem;
  try {
    with_choice(device);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

const Backend& backend_of(const Device& device) {
  const Backend& backend = with_choice(device);
  return device.guards ? guarded(backend) : backend;
}

void set_order_seed(const Device& device, std::uint64_t seed) {
  if (const simt::Control* emulator = control(device)) emulator->set_order_seed(seed);
}

std::string findings(const Device& device) {
  const simt::Control* emulator = control(device);
  if (emulator == nullptr) return "";
  std::string sentences;
  for (const simt::Finding& finding : emulator->findings()) sentences += finding.sentence + "\n";
  emulator->clear_findings();
  emulator->clear_counts();
  return sentences;
}

}  // namespace lamella::test
