// What oneDNN would run for the convolutions of our networks, by name: never reference code, which
// is some 300 times slower and gives no other sign. Also run with ONEDNN_MAX_CPU_ISA=AVX2.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/onednn.h"
#include "tests/cpu/shapes_file.h"

namespace lamella::test {
namespace {

std::vector<ConvCase> network_convolutions() {
  std::vector<ConvCase> convolutions;
  for (const auto& entry : std::filesystem::directory_iterator(LAMELLA_SHAPES_DIR)) {
    const std::string file = entry.path().stem().string();
    if (entry.path().extension() != ".txt") continue;
    for (ConvCase& layer : read_conv_shapes(entry.path().string())) {
      const bool named = layer.name.rfind(file, 0) == 0;
      convolutions.push_back({named ? layer.name : file + ":" + layer.name, layer.shape});
    }
  }
  return convolutions;
}

TEST(OneDnn, NoConvolutionOfOurNetworksRunsReferenceCode) {
  if (cpu_onednn_table() == nullptr) GTEST_SKIP() << "built without oneDNN";
  const std::vector<ConvCase> layers = network_convolutions();
  ASSERT_GE(layers.size(), 12U) << "no shapes found in " << LAMELLA_SHAPES_DIR;
  for (const auto& [name, shape] : layers)
    for (const auto& [kind, text] : {std::pair{cpu::ConvKind::Forward, "forward"},
                                     std::pair{cpu::ConvKind::BackwardData, "backward data"},
                                     std::pair{cpu::ConvKind::BackwardWeight, "backward weight"}}) {
      const std::string implementation = cpu::onednn_implementation(kind, shape, 2);
      std::cout << name << ' ' << text << ": " << implementation
                << (cpu::own_conv_is_faster(kind, shape) ? " (own is used)" : "") << '\n';
      EXPECT_FALSE(implementation.empty()) << name << ' ' << text << ": only reference code";
      EXPECT_EQ(implementation.find("ref"), std::string::npos) << name << ' ' << text;
    }
}

}  // namespace
}  // namespace lamella::test
