// The files of tests/shapes: every line is a case that can be made, under a name used once, and
// together they are what the network of that name calls.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "models/model.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

using NamedLines = std::vector<std::pair<std::string, CaseLine>>;

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

// A line traced with one image as it would be with 12: N, or the pixels of all images together.
std::string for_twelve_images(const std::string& line) {
  std::istringstream words(line);
  std::string result;
  words >> result;
  bool scaled = false;
  for (std::string word; words >> word;) {
    const std::string key = word.substr(0, word.find('='));
    if (!scaled && (key == "N" || key == "pixels")) {
      word = key + "=" + std::to_string(12 * std::stoll(word.substr(key.size() + 1)));
      scaled = true;
    }
    result += " " + word;
  }
  return result;
}

std::vector<std::string> traced(const std::string& network) {
  std::vector<std::string> lines;
  Context::Options options;
  options.trace_ops = true;
  options.trace = [&](const std::string& line) {
    const std::string kernel = line.substr(0, line.find(' '));
    const bool counted =
        kernel != "fill" && kernel != "batch_norm_stats" && kernel != "batch_norm_update";
    if (counted) lines.push_back(for_twelve_images(line));
  };
  Context ctx(options);
  const Model model = make_model(ctx, {network, 256, 256, 1, 14});
  const Tensor x = ctx.zeros({1, 256, 256, 1});
  const Tensor labels = ctx.zeros({1}, DType::I32);
  lines.clear();
  ctx.training = true;
  softmax_cross_entropy(ctx, model.forward(ctx, x), labels);
  return lines;
}

TEST(Shapes, EveryLineIsACaseOfItsOwnName) {
  ASSERT_GE(networks().size(), 3U);
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
  for (const std::string& network : networks()) {
    std::vector<std::string> lines;
    for (const auto& [name, line] : lines_of(network)) lines.push_back(line.text());
    EXPECT_EQ(lines, traced(network)) << network;
  }
}

}  // namespace
}  // namespace lamella::test
