// Stands in for onednn.cpp where oneDNN is not used: everything is own code.
#include "kernels/cpu/onednn.h"

namespace lamella::cpu {

const KernelTable* onednn_table(const char*) {
  return nullptr;
}
const FusedConvolution* onednn_fused() {
  return nullptr;
}
std::string onednn_version() {
  return {};
}
std::string onednn_implementation(ConvKind, const Conv2dShape&, int) {
  return {};
}

}  // namespace lamella::cpu
