// The launch: what a device would refuse, the run, and the look at the guards afterwards.
#include "kernels/simt/launch.h"

#include <stdexcept>
#include <string>

#include "kernels/simt/arena.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/scheduler.h"
#include "kernels/simt/settings.h"

namespace lamella::simt {
namespace {

std::string text_of(dim3 d) {
  return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
}

void require_possible(const LaunchShape& shape) {
  const dim3 grid = shape.grid, block = shape.block;
  const std::string name = shape.name;
  const unsigned long long threads = 1ULL * block.x * block.y * block.z;
  if (threads == 0 || block.x > kMostThreads || block.y > kMostThreads || block.z > 64 ||
      threads > kMostThreads) {
    throw std::runtime_error(name + ": a block of " + text_of(block) +
                             " threads; a device takes 1 to 1024, at most 64 of them along z");
  }
  if (grid.x > 0x7FFFFFFFU || grid.y > 0xFFFFU || grid.z > 0xFFFFU) {
    throw std::runtime_error(name + ": a grid of " + text_of(grid) +
                             " blocks; a device takes 2^31-1 along x and 65535 along y and z");
  }
  if (shape.shared_bytes > SharedArena::kMost) {
    throw std::runtime_error(name + ": " + std::to_string(shape.shared_bytes) +
                             " bytes of dynamic shared memory; a device has at most " +
                             std::to_string(SharedArena::kMost));
  }
}

}  // namespace

void run_grid(const LaunchShape& shape, const KernelCall& call) {
  require_possible(shape);
  Scheduler::mine().run(shape, call, order_seed());
  const std::string damage = Arena::instance().check_guards();
  if (damage.empty() || observer_names_overruns()) return;
  throw std::runtime_error("kernel " + std::string(shape.name) + ", order seed " +
                           std::to_string(order_seed()) + ": " + damage +
                           "; the counted build (simt-counted) names the line");
}

}  // namespace lamella::simt
