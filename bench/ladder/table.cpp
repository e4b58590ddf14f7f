// The kernel table with one rung of one ladder in it: LAMELLA_RUNG=softmax/warp_row. Without it, or
// with .../production, all is as in kernels/cuda. CMakeLists.txt compiles kernels/cuda/table.cpp
// under another name, production_kernel_table.
#include "kernels/cuda/table.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "bench/ladder/rung.h"

namespace lamella {

const KernelTable& production_kernel_table();

namespace {

const std::vector<ladder::Ladder>& ladders() {
  static const std::vector<ladder::Ladder> all{
      ladder::product_ladder(),
      ladder::convolution_ladder(),
      ladder::softmax_ladder(),
      ladder::batch_norm_ladder(),
  };
  return all;
}

KernelTable table_with(const std::string& wanted) {
  KernelTable table = production_kernel_table();
  std::string known;
  for (const ladder::Ladder& ladder : ladders()) {
    if (wanted == std::string(ladder.name) + "/production") return table;
    for (const ladder::Rung& rung : ladder.rungs) {
      const std::string name = std::string(ladder.name) + "/" + rung.name;
      if (wanted == name) {
        rung.put(table);
        return table;
      }
      known += " " + name;
    }
  }
  throw std::runtime_error("LAMELLA_RUNG is " + wanted + "; there are" + known);
}

}  // namespace

const KernelTable& cuda_kernel_table() {
  static const KernelTable table = [] {
    const char* wanted = std::getenv("LAMELLA_RUNG");
    return wanted == nullptr ? production_kernel_table() : table_with(wanted);
  }();
  return table;
}

}  // namespace lamella

// All rungs for a script: lines of ladder, rung, call, idea, divided by tabs.
extern "C" __attribute__((visibility("default"))) const char* lamella_ladders() {
  static const std::string text = [] {
    std::string lines;
    for (const lamella::ladder::Ladder& ladder : lamella::ladders()) {
      const auto line = [&](const std::string& rung, const std::string& idea) {
        lines += std::string(ladder.name) + "\t" + rung + "\t" + ladder.call + "\t" + idea + "\n";
      };
      for (const lamella::ladder::Rung& rung : ladder.rungs) line(rung.name, rung.idea);
      line("production", "what the kernel table holds");
    }
    return lines;
  }();
  return text.c_str();
}
