// What is taken of a weight file, what is left as drawn, and what is refused.
#include "weights/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "engine/rng.h"
#include "tests/support/error_of.h"
#include "weights/filter_layout.h"
#include "weights/model_io.h"

namespace lamella {
namespace {

const ModelSpec kThree{"cbr_tiny", 24, 24, 3, 5};

class Transfer : public testing::Test {
 protected:
  Model drawn(const ModelSpec& spec, std::uint64_t seed) {
    Model model = make_model(ctx_, spec);
    model.initialise(ctx_, seed);
    return model;
  }
  TensorFile file_of(const Model& model) {
    return model_file(
        ctx_, model,
        {model.spec(),
         std::vector<std::string>(static_cast<std::size_t>(model.spec().classes), "x"),
         {}});
  }
  std::vector<float> values(const Model& model, const std::string& name) {
    for (const Parameter& p : model.parameters()) {
      if (p.name == name) return ctx_.to_host(p.tensor);
    }
    ADD_FAILURE() << "no parameter " << name;
    return {};
  }
  void expect_same(const Model& a, const Model& b, const std::string& name, bool same = true) {
    EXPECT_EQ(values(a, name) == values(b, name), same) << name;
  }

  Context ctx_;
};

TEST_F(Transfer, MoreClassesKeepTheRowsThereAre) {
  const std::pair<std::string, std::vector<std::string>> networks[] = {
      {"cbr_tiny", {"classifier.weight", "classifier.bias"}},
      {"squeezenet1_1", {"classifier.1.weight", "classifier.1.bias"}}};
  for (const auto& [network, classifier] : networks) {
    ModelSpec spec{network, 64, 64, 3, 5};
    const Model from = drawn(spec, 1);
    spec.classes = 7;
    const Model to = drawn(spec, 2), untouched = drawn(spec, 2);
    TransferOptions options;
    EXPECT_NE(error_of([&] { transfer(ctx_, to, file_of(from), "f", options); }), "");
    options.more_classes = true;
    EXPECT_TRUE(transfer(ctx_, to, file_of(from), "f", options).drawn.empty());
    for (const Parameter& p : from.parameters()) {
      std::vector<float> expected = values(from, p.name);
      if (std::find(classifier.begin(), classifier.end(), p.name) != classifier.end()) {
        const std::vector<float> rows = values(untouched, p.name);
        ASSERT_EQ(rows.size() * 5, expected.size() * 7) << p.name;
        expected.insert(expected.end(), rows.begin() + static_cast<std::ptrdiff_t>(expected.size()),
                        rows.end());
      }
      EXPECT_EQ(values(to, p.name), expected) << p.name;
    }
    EXPECT_NE(error_of([&] { transfer(ctx_, from, file_of(to), "f", options); }), "")
        << "classes are never dropped";
  }
}

TEST_F(Transfer, TakesEverythingStrictly) {
  const Model from = drawn(kThree, 1), to = drawn(kThree, 2);
  const TransferReport report = transfer(ctx_, to, file_of(from), "f", {});
  EXPECT_TRUE(report.drawn.empty() && report.unused.empty() && !report.summed_channels);
  EXPECT_EQ(weights_hash(ctx_, from), weights_hash(ctx_, to));
  TensorFile odd = file_of(from);
  odd.tensors["surplus"] = odd.tensors.begin()->second;
  odd.tensors.erase("conv2.weight");
  const std::string error = error_of([&] { transfer(ctx_, to, odd, "f", {}); });
  EXPECT_NE(error.find("'surplus'"), std::string::npos) << error;
  EXPECT_NE(error.find("'conv2.weight'"), std::string::npos) << error;
}

TEST_F(Transfer, ANewHeadStaysAsDrawn) {
  const Model from = drawn(kThree, 1);
  ModelSpec spec = kThree;
  spec.classes = 2;
  const Model to = drawn(spec, 2), untouched = drawn(spec, 2);
  EXPECT_NE(error_of([&] { transfer(ctx_, to, file_of(from), "f", {}); }).find("of another shape"),
            std::string::npos);
  const TransferReport report = transfer(ctx_, to, file_of(from), "f", {.new_head = true});
  EXPECT_EQ(report.drawn, (std::vector<std::string>{"classifier.weight", "classifier.bias"}));
  EXPECT_EQ(report.unused, (std::vector<std::string>{"classifier.bias", "classifier.weight"}));
  expect_same(to, from, "conv4.weight");
  expect_same(to, untouched, "classifier.weight");
}

TEST_F(Transfer, APrefixIsTaken) {
  const Model from = drawn(kThree, 1), to = drawn(kThree, 2), untouched = drawn(kThree, 2);
  transfer(ctx_, to, file_of(from), "f", {.until = "stage2"});
  expect_same(to, from, "conv2.weight");
  expect_same(to, untouched, "conv3.weight");
  expect_same(to, untouched, "classifier.weight");
  EXPECT_NE(error_of([&] {
              transfer(ctx_, to, file_of(from), "f", {.until = "stage9"});
            }).find("no layer stage9"),
            std::string::npos);
}

TEST_F(Transfer, ACutNetworkLeavesTheRestOfTheFile) {
  const Model from = drawn(kThree, 1);
  ModelSpec spec = kThree;
  spec.cut = "stage2";
  const Model to = drawn(spec, 2);
  const TransferReport report = transfer(ctx_, to, file_of(from), "f", {.new_head = true});
  expect_same(to, from, "bn2.weight");
  EXPECT_EQ(std::set(report.drawn.begin(), report.drawn.end()),
            (std::set<std::string>{"head.classifier.weight", "head.classifier.bias"}));
  EXPECT_EQ(report.unused.size(), 12U);  // of conv3, bn3, conv4, bn4 and the classifier
  // What such a network wrote is what it reads; the head of another is left out on purpose only.
  const Model again = drawn(spec, 3);
  transfer(ctx_, again, file_of(to), "f", {});
  EXPECT_EQ(weights_hash(ctx_, to), weights_hash(ctx_, again));
}

// Of a file without them, and with a new head, auxiliary classifiers are drawn; else taken.
TEST_F(Transfer, AuxiliaryClassifiersAreTakenWhereTheFileHasThem) {
  ModelSpec spec{"googlenet", 32, 32, 3, 4};
  const Model plain = drawn(spec, 1);
  spec.auxiliary = true;
  const Model from = drawn(spec, 1), to = drawn(spec, 2), untouched = drawn(spec, 2);
  const auto is_auxiliary = [](const std::string& name) { return name.starts_with("aux"); };

  const TransferReport without = transfer(ctx_, to, file_of(plain), "f", {});
  EXPECT_TRUE(std::all_of(without.drawn.begin(), without.drawn.end(), is_auxiliary));
  EXPECT_EQ(without.drawn.size(), 18U);
  expect_same(to, plain, "fc.weight");
  expect_same(to, untouched, "aux2.fc2.weight");

  const TransferReport with = transfer(ctx_, to, file_of(from), "f", {.new_head = true});
  EXPECT_EQ(with.drawn.size(), 20U);
  expect_same(to, untouched, "aux1.conv.conv.weight");

  EXPECT_TRUE(transfer(ctx_, to, file_of(from), "f", {}).drawn.empty());
  EXPECT_EQ(weights_hash(ctx_, to), weights_hash(ctx_, from));
  // A network without them passes them over.
  transfer(ctx_, plain, file_of(from), "f", {});
  expect_same(plain, from, "fc.weight");
}

TEST_F(Transfer, MeanVarKeepsMeanAndVarianceOnly) {
  const Model from = drawn(kThree, 1), to = drawn(kThree, 2);
  transfer(ctx_, to, file_of(from), "f", {.mean_var = true, .seed = 5});
  const auto moments = [](const std::vector<float>& v) {
    double mean = 0, square = 0;
    for (const float x : v) mean += double{x} / static_cast<double>(v.size());
    for (const float x : v) square += (x - mean) * (x - mean) / static_cast<double>(v.size());
    return std::pair(mean, std::sqrt(square));
  };
  const std::vector<float> a = values(from, "conv4.weight"), b = values(to, "conv4.weight");
  const auto [mean, stddev] = moments(a);
  const auto [mean_b, stddev_b] = moments(b);
  const double error = stddev / std::sqrt(static_cast<double>(a.size()));
  EXPECT_NEAR(mean_b, mean, 5 * error);
  EXPECT_NEAR(stddev_b / stddev, 1.0, 0.01);
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += (a[i] - mean) * (b[i] - mean_b);
  EXPECT_LT(std::abs(product / static_cast<double>(a.size()) / stddev / stddev_b),
            5 / std::sqrt(static_cast<double>(a.size())));
  expect_same(to, from, "bn4.weight");
}

// The filter summed over its channels sees one channel as the whole filter sees three equal ones,
// whichever layout the file has.
TEST_F(Transfer, OneChannelIsAsGoodAsThreeEqualOnes) {
  const Model three = drawn(kThree, 1);
  ModelSpec spec = kThree;
  spec.channels = 1;
  std::vector<float> gray, colour;
  Rng rng(3, RngStream::Test);
  for (int i = 0; i < 2 * 24 * 24; ++i) {
    gray.push_back(static_cast<float>(rng.normal()));
    colour.insert(colour.end(), 3, gray.back());
  }
  const std::vector<float> want =
      ctx_.to_host(three.forward(ctx_, ctx_.from_host(colour, {2, 24, 24, 3})));
  TensorFile pytorch = file_of(three);
  to_pytorch(pytorch, "f");
  for (const TensorFile& file : {file_of(three), pytorch}) {
    const Model one = drawn(spec, 2);
    EXPECT_TRUE(transfer(ctx_, one, file, "f", {}).summed_channels);
    const std::vector<float> got =
        ctx_.to_host(one.forward(ctx_, ctx_.from_host(gray, {2, 24, 24, 1})));
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-5F * (1 + std::abs(want[i])));
    }
  }
}

}  // namespace
}  // namespace lamella
