// The counted build: what the emulator tells goes to the watcher, what it saw comes from there.
#include "kernels/simt/watch.h"

#include "kernels/simt/counted/watcher.h"

namespace lamella::simt {
namespace {

Watcher& watcher() {
  return Watcher::instance();
}

using Lock = std::lock_guard<std::recursive_mutex>;

}  // namespace

const char* const kBuild = "counted";
const char* const kDescription =
    "the CUDA kernels on the CPU, thread by thread, every memory access watched";

void set_counting(bool on) {
  const Lock lock(watcher().mutex);
  watcher().counting = on;
}

std::vector<Finding> findings() {
  const Lock lock(watcher().mutex);
  return watcher().ledger.findings();
}

void clear_findings() {
  const Lock lock(watcher().mutex);
  watcher().ledger.clear_findings();
}

std::vector<KernelCounts> counts() {
  const Lock lock(watcher().mutex);
  return watcher().ledger.counts();
}

void clear_counts() {
  const Lock lock(watcher().mutex);
  watcher().ledger.clear_counts();
}

void observe_launch(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed) {
  if (watcher().counting) watcher().begin_launch(shape, call, seed);
}
void observe_block(std::uint64_t block) {
  if (watching != nullptr) watching->begin_block(block);
}
void observe_shared(const SharedRange& variable) {
  if (watching != nullptr) watching->place_shared(variable);
}
void observe_thread(unsigned thread) {
  if (watching != nullptr) watching->run_thread(thread);
}
void observe_warp_rests(unsigned warp) {
  if (watching != nullptr) watching->rest_warp(warp);
}
void observe_block_barrier() {
  if (watching != nullptr) watching->pass_block_barrier();
}
void observe_warp_barrier(unsigned warp, unsigned lanes) {
  if (watching != nullptr) watching->pass_warp_barrier(warp, lanes);
}
void observe_launch_end() {
  if (watching != nullptr) watching->end_launch();
}
void observe_atomic(void* call_site, const void* address, unsigned bytes) {
  if (watching == nullptr) return;
  watching->access({static_cast<const char*>(address), bytes, AccessKind::Atomic,
                    reinterpret_cast<std::uintptr_t>(call_site)});
}

void observe_fault(const Fault& fault) {
  if (watching != nullptr) watching->note_fault(fault);
}
CodePlace observed_place(const void* code) {
  return watching == nullptr ? CodePlace{} : watching->place_at(code);
}

void observe_arena(char* begin, std::size_t bytes) {
  const Lock lock(watcher().mutex);
  watcher().global.cover(begin, bytes);
}
void observe_shared_arena(char* begin, std::size_t bytes) {
  const Lock lock(watcher().mutex);
  watcher().shared.cover(begin, bytes);
}
void observe_allocate(const char* data, std::size_t bytes) {
  const Lock lock(watcher().mutex);
  watcher().global.set_live(data, bytes);
}
void observe_release(const char* data, std::size_t bytes) {
  const Lock lock(watcher().mutex);
  watcher().global.set_dead(data, bytes);
}
void observe_host_write(const char* data, std::size_t bytes) {
  const Lock lock(watcher().mutex);
  watcher().global.set_written(data, bytes);
}
bool observer_names_overruns() {
  return watcher().counting;
}

}  // namespace lamella::simt
