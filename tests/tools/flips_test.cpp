// eval and predict --flips.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "io/dataset.h"
#include "tests/tools/tool_process.h"

namespace lamella {
namespace {

class FlipsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_data(file("data"));
    const Dataset crops = read_dataset(file("data"));
    image_ = crops.file(crops.samples.front());
    const Answer answer = run_tool({"train", "--model", "cbr_tiny", "--data", file("data"),
                                    "--size", "32", "--epochs", "0", "--out", file("run")});
    ASSERT_EQ(answer.status, 0) << answer.err;
  }
  std::string file(const std::string& name) const { return folder_.file(name); }

  std::string image_;

 private:
  TemporaryFolder folder_;
};

// The probability of class 0 of each image, by name.
std::map<std::string, double> first_class_of(const Json& predicted) {
  std::map<std::string, double> found;
  for (const Json& row : predicted.at("predictions")) {
    for (const Json& top : row.at("top")) {
      if (top.at("index") == 0) found[row.at("file")] = top.at("probability");
    }
  }
  return found;
}

TEST_F(FlipsTest, AreTheMeanOverTheFlippedImages) {
  const Image image = read_image(image_);
  const std::int64_t side = image.width;
  std::filesystem::create_directories(file("flips"));
  for (int flip = 0; flip < 8; ++flip) {
    Image other = image;
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        std::int64_t row = (flip & 2) != 0 ? side - 1 - y : y;
        std::int64_t column = (flip & 1) != 0 ? side - 1 - x : x;
        if ((flip & 4) != 0) std::swap(row, column);
        other.samples[static_cast<std::size_t>(y * side + x)] =
            image.samples[static_cast<std::size_t>(row * side + column)];
      }
    }
    write_png(file("flips/" + std::to_string(flip) + ".png"), other);
  }
  const auto predict = [&](const std::string& what, const std::string& flips) {
    const Answer answer = run_tool({"predict", file("run"), what, "--flips", flips, "--json"});
    EXPECT_EQ(answer.status, 0) << answer.err;
    return first_class_of(parse_json(answer.out, "stdout"));
  };
  const auto each = predict(file("flips"), "1");
  ASSERT_EQ(each.size(), 8U);
  for (const int flips : {4, 8}) {
    double mean = 0;
    for (int flip = 0; flip < flips; ++flip) {
      mean += each.at(file("flips/" + std::to_string(flip) + ".png")) / flips;
    }
    const std::string one = file("flips/0.png");
    EXPECT_NEAR(predict(one, std::to_string(flips)).at(one), mean, 1e-6) << flips;
    EXPECT_GT(std::abs(each.at(one) - mean), 1e-5) << "the flips look alike";
  }
  EXPECT_EQ(run_tool({"predict", file("run"), image_, "--flips", "3"}).status, 2);
}

TEST_F(FlipsTest, EvalAndPredictMakeTheSameOfFlips) {
  const Answer eval = run_tool({"eval", file("run"), "--split", "all", "--flips", "8", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  const Json judged = parse_json(eval.out, "stdout");
  EXPECT_EQ(judged.at("flips"), 8);
  const Answer predict = run_tool({"predict", file("run"), file("data"), "--flips", "8", "--json"});
  ASSERT_EQ(predict.status, 0) << predict.err;
  const Json predicted = parse_json(predict.out, "stdout");
  const std::string first = predicted.at("labels")[0];
  double loss = 0;
  const auto probabilities = first_class_of(predicted);
  for (const auto& [name, p] : probabilities) {
    const bool is_first = name.find("/" + first + "/") != std::string::npos;
    loss -= std::log(is_first ? p : 1 - p) / static_cast<double>(probabilities.size());
  }
  EXPECT_NEAR(judged.at("loss").get<double>(), loss, 1e-5);
}

}  // namespace
}  // namespace lamella
