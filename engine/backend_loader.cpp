// Finds backends: the CPU one is linked in, the others are shared libraries beside liblamella.
#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "engine/context.h"
#include "kernels/cpu/backend.h"

namespace lamella {
namespace {

struct Loaded {
  const Backend* backend = nullptr;
  std::string problem;
};

std::string folder_of_this_library() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&folder_of_this_library), &info) == 0) return "";
  const std::string path = info.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

Loaded load(const std::string& device) {
  const std::string file = "liblamella_" + device + ".so";
  void* library = dlopen((folder_of_this_library() + file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return {nullptr, text(file, " was not built or cannot be loaded (", dlerror(), ")")};
  }
  const auto entry =
      reinterpret_cast<LamellaBackendFunction*>(dlsym(library, kLamellaBackendSymbol));
  if (entry == nullptr) return {nullptr, text(file, " has no symbol ", kLamellaBackendSymbol)};
  const Backend* backend = entry();
  if (backend->abi != kBackendAbi) {
    return {nullptr, text(file, " has backend interface ", backend->abi, ", this library needs ",
                          kBackendAbi, "; build both from the same source")};
  }
  if (backend->unavailable != nullptr) {
    if (const char* reason = backend->unavailable()) return {nullptr, reason};
  }
  return {backend, ""};
}

// Libraries stay loaded for the life of the process: tensors may outlive any one user of them.
const Loaded& loaded(const std::string& device) {
  static std::mutex mutex;
  static std::map<std::string, Loaded> all;
  const std::lock_guard lock(mutex);
  const auto it = all.find(device);
  return it != all.end() ? it->second : all.emplace(device, load(device)).first->second;
}

bool known(const std::string& device) {
  return device == "cuda" || device == "simt" || device == "simt-counted";
}

}  // namespace

const Backend& find_backend(const std::string& device) {
  if (device == "cpu") return cpu_backend();
  if (device == "auto") {
    const Loaded& cuda = loaded("cuda");
    return cuda.backend != nullptr ? *cuda.backend : cpu_backend();
  }
  const std::string problem = why_unavailable(device);
  if (!problem.empty()) fail("device ", device, " cannot be used: ", problem);
  return *loaded(device == "simt-counted" ? "simt_counted" : device).backend;
}

std::string why_unavailable(const std::string& device) {
  if (device == "cpu" || device == "auto") return "";
  if (!known(device)) return "there is no such device; use auto, cpu, cuda or simt";
  return loaded(device == "simt-counted" ? "simt_counted" : device).problem;
}

}  // namespace lamella
