// Libraries of test kernels are backends without an entry.
#include "kernels/cuda/table.h"

namespace lamella {

const KernelTable& cuda_kernel_table() {
  static const KernelTable table{};
  return table;
}

}  // namespace lamella
