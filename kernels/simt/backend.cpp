// The `simt` backend: the kernels of kernels/cuda, the arena as device memory, and the control.
#include "kernels/backend.h"

#include <cstring>

#include "kernels/cuda/table.h"
#include "kernels/simt/arena.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/settings.h"
#include "kernels/simt/simt.h"
#include "kernels/simt/watch.h"

namespace lamella::simt {
namespace {

void* allocate(std::size_t bytes) {
  return Arena::instance().allocate(bytes);
}

void release(void* data, std::size_t) {
  if (data != nullptr) Arena::instance().release(data);
}

void copy_to_device(void* dst, const void* src, std::size_t bytes, void*) {
  if (bytes == 0) return;
  Arena::instance().require(dst, bytes, "the target of a copy to the device");
  std::memcpy(dst, src, bytes);
  observe_host_write(static_cast<const char*>(dst), bytes);
}

void copy_to_host(void* dst, const void* src, std::size_t bytes, void*) {
  if (bytes == 0) return;
  Arena::instance().require(src, bytes, "the source of a copy to the host");
  std::memcpy(dst, src, bytes);
}

void synchronize(void*) {}

}  // namespace
}  // namespace lamella::simt

extern "C" __attribute__((visibility("default"))) const lamella::Backend* lamella_backend() {
  using namespace lamella;
  static const Backend backend{
      kBackendAbi,       "simt",        simt::kDescription,   &cuda_kernel_table(),
      simt::allocate,    simt::release, simt::copy_to_device, simt::copy_to_host,
      simt::synchronize, nullptr,
  };
  return &backend;
}

extern "C" __attribute__((visibility("default"))) const lamella::simt::Control*
lamella_simt_control() {
  using namespace lamella::simt;
  static const Control control{
      kControlAbi, kBuild,         set_order_seed, order_seed,   set_counting,
      findings,    clear_findings, counts,         clear_counts,
  };
  return &control;
}
