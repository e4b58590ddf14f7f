// A vendor's library, found when it is first asked for: the same binary runs where it is missing.
#pragma once

#include <dlfcn.h>

#include <string>

namespace lamella::cuda {

class VendorLibrary {
 public:
  // `file` is what the loader looks for, `vendor` what people call it. Never unloaded.
  VendorLibrary(const std::string& file, const std::string& vendor)
      : file_(file), handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) problem_ = vendor + " cannot be loaded (" + dlerror() + ")";
  }

  // Leaves `function` as it is where there is no library.
  template <class Function>
  void find(const char* name, Function& function) {
    if (handle_ == nullptr) return;
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr) problem_ = file_ + " has no " + name;
  }

  // Why it cannot be used, as a sentence; empty where all functions were found.
  const std::string& problem() const { return problem_; }

 private:
  std::string file_;
  void* handle_ = nullptr;
  std::string problem_;
};

}  // namespace lamella::cuda
