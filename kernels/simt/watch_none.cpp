// Nobody watches: the plain build and the one under sanitizers.
#include "kernels/simt/asan.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/watch.h"

namespace lamella::simt {

const char* const kBuild = kAddressSanitizer ? "asan" : "plain";
const char* const kDescription =
    kAddressSanitizer ? "the CUDA kernels on the CPU, thread by thread, under sanitizers"
                      : "the CUDA kernels on the CPU, thread by thread";

void set_counting(bool) {}
std::vector<Finding> findings() {
  return {};
}
void clear_findings() {}
std::vector<KernelCounts> counts() {
  return {};
}
void clear_counts() {}

void observe_launch(const LaunchShape&, const KernelCall&, std::uint64_t) {}
void observe_block(std::uint64_t) {}
void observe_shared(const SharedRange&) {}
void observe_thread(unsigned) {}
void observe_warp_rests(unsigned) {}
void observe_block_barrier() {}
void observe_warp_barrier(unsigned, unsigned) {}
void observe_launch_end() {}
void observe_atomic(void*, const void*, unsigned) {}
void observe_fault(const Fault&) {}
CodePlace observed_place(const void*) {
  return {};
}
void observe_arena(char*, std::size_t) {}
void observe_shared_arena(char*, std::size_t) {}
void observe_allocate(const char*, std::size_t) {}
void observe_release(const char*, std::size_t) {}
void observe_host_write(const char*, std::size_t) {}
bool observer_names_overruns() {
  return false;
}

}  // namespace lamella::simt
