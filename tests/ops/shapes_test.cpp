// The files of tests/shapes: every line is a case that can be made, under a name used once, and
// together they are what the network of that name calls. A file may be there before its network; it
// is compared as soon as the registry has one of its name.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "models/model.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

using NamedLines = std::vector<std::pair<std::string, KernelLine>>;

NamedLines lines_of(const std::string& network) {
  std::ifstream file(std::string(LAMELLA_SHAPES_FOLDER) + "/" + network + ".txt");
  return read_shapes(file);
}

std::vector<std::string> networks() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(LAMELLA_SHAPES_FOLDER)) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  return names;
}

// The images a file was written for.
struct Input {
  std::int64_t images = 12, height = 256, width = 256, channels = 1, classes = 14;
};

Input input_of(const std::string& network) {
  static const std::map<std::string, Input> others = {
      {"densenet121", {1, 224, 224, 3, 1000}},
      {"inception_v3", {1, 299, 299, 3, 1000}},
  };
  const auto found = others.find(network);
  return found == others.end() ? Input() : found->second;
}

// A line traced with one image as it would be with more: N, or the pixels of all images together.
std::string for_images(std::int64_t images, const std::string& line) {
  std::istringstream words(line);
  std::string result;
  words >> result;
  bool scaled = false;
  for (std::string word; words >> word;) {
    const std::string key = word.substr(0, word.find('='));
    if (!scaled && (key == "N" || key == "pixels")) {
      word = key + "=" + std::to_string(images * std::stoll(word.substr(key.size() + 1)));
      scaled = true;
    }
    result += " " + word;
  }
  return result;
}

std::vector<std::string> traced(const std::string& network) {
  const Input input = input_of(network);
  std::vector<std::string> lines;
  Context::Options options;
  options.trace_ops = true;
  options.trace = [&](const std::string& line) {
    const std::string kernel = line.substr(0, line.find(' '));
    const bool counted =
        kernel != "fill" && kernel != "batch_norm_stats" && kernel != "batch_norm_update";
    if (counted) lines.push_back(for_images(input.images, line));
  };
  Context ctx(options);
  // The files hold batch norm and the convolution behind it one by one, as a backend does them that
  // cannot do both at once.
  KernelTable kernels = ctx.kernels();
  kernels.norm_conv2d_fwd = nullptr;
  ctx.replace_kernels(kernels);
  const Model model =
      make_model(ctx, {network, input.height, input.width, input.channels, input.classes});
  const Tensor x = ctx.zeros({1, input.height, input.width, input.channels});
  const Tensor labels = ctx.zeros({1}, DType::I32);
  lines.clear();
  ctx.training = true;
  softmax_cross_entropy(ctx, model.forward(ctx, x), labels);
  return lines;
}

bool registered(const std::string& network) {
  const std::vector<std::string> names = model_names();
  return std::find(names.begin(), names.end(), network) != names.end();
}

struct Totals {
  std::int64_t convolutions = 0, parameters = 0, multiply_adds = 0;
};

// Of a network whose convolutions have no bias; its linear layer has one.
Totals totals_of(const std::string& network) {
  Totals totals;
  for (const auto& [name, line] : lines_of(network)) {
    if (line.kernel() == "conv2d_fwd") {
      const std::int64_t filters = line.get("K") * line.get("R") * line.get("S") * line.get("C");
      ++totals.convolutions;
      totals.parameters += filters;
      totals.multiply_adds += filters * line.get("N") * line.get("P") * line.get("Q");
    } else if (line.kernel() == "linear_fwd") {
      const std::int64_t weights = line.get("K") * line.get("C");
      totals.parameters += weights + line.get("K");
      totals.multiply_adds += weights * line.get("N");
    } else if (line.kernel() == "batch_norm_apply") {
      totals.parameters += 2 * line.get("C");
    }
  }
  return totals;
}

TEST(Shapes, EveryLineIsACaseOfItsOwnName) {
  ASSERT_GE(networks().size(), 5U);
  for (const std::string& network : networks()) {
    std::set<std::string> names;
    for (const auto& [name, line] : lines_of(network)) {
      EXPECT_NO_THROW(make_case(line.text())) << name << " " << line.text();
      EXPECT_EQ(name.rfind(network + ":", 0), 0U) << name;
      EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
    }
  }
}

TEST(Shapes, AreWhatTheNetworksCall) {
  int compared = 0;
  for (const std::string& network : networks()) {
    if (!registered(network)) continue;
    std::vector<std::string> lines;
    for (const auto& [name, line] : lines_of(network)) lines.push_back(line.text());
    EXPECT_EQ(lines, traced(network)) << network;
    ++compared;
  }
  EXPECT_GE(compared, 3);
}

// The figures are torchvision's: parameters to the last one, multiply-adds in millions. Of its
// inception_v3 the auxiliary classifier, 3,326,696 of 27,161,264 parameters, is not in the file.
TEST(Shapes, AddUpToThePublishedNetworks) {
  struct Published {
    std::string network;
    std::int64_t convolutions, parameters, million_multiply_adds;
  };
  // Behind their pools, the three transitions of DenseNet-121 have a quarter of their
  // multiply-adds: 3 * 3/4 * 56 * 56 * 256 * 128 less than the published 2834 million.
  for (const Published& published : {Published{"densenet121", 120, 7978856, 2834 - 231},
                                     Published{"inception_v3", 94, 23834568, 5713}}) {
    const Totals totals = totals_of(published.network);
    EXPECT_EQ(totals.convolutions, published.convolutions) << published.network;
    EXPECT_EQ(totals.parameters, published.parameters) << published.network;
    EXPECT_EQ(std::llround(static_cast<double>(totals.multiply_adds) / 1e6),
              published.million_multiply_adds)
        << published.network;
  }
}

}  // namespace
}  // namespace lamella::test
