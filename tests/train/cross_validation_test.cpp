// Several models together, and what the runs of a cross-validation say.
#include "train/cross_validation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/errors.h"
#include "weights/json.h"

namespace lamella {
namespace {

Evaluation judged(const std::vector<std::vector<float>>& probabilities,
                  const std::vector<std::int32_t>& labels) {
  Evaluation made{{}, 0, Confusion(std::ssize(probabilities.front()))};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    made.predictions.push_back({static_cast<std::int64_t>(i), labels[i], probabilities[i]});
    made.confusion.add(labels[i], top_class(probabilities[i]));
  }
  return made;
}

TEST(Ensemble, TakesTheMeanOfProbabilities) {
  const std::vector<Evaluation> members = {judged({{0.9F, 0.1F}, {0.2F, 0.8F}}, {0, 0}),
                                           judged({{0.5F, 0.5F}, {0.4F, 0.6F}}, {0, 0})};
  const Evaluation mean = mean_of(members);
  EXPECT_FLOAT_EQ(mean.predictions[0].probabilities[0], 0.7F);
  EXPECT_FLOAT_EQ(mean.predictions[1].probabilities[1], 0.7F);
  EXPECT_EQ(mean.confusion.at(0, 0), 1);
  EXPECT_EQ(mean.confusion.at(0, 1), 1);
  EXPECT_NEAR(mean.loss, -(std::log(0.7) + std::log(0.3)) / 2, 1e-6);
}

// Two slightly for class 1, one surely for class 0: the mean says 0, the vote 1. A draw goes to the
// higher mean.
TEST(Ensemble, VotesByMajority) {
  const std::vector<Evaluation> three = {judged({{0.45F, 0.55F, 0}}, {0}),
                                         judged({{0.45F, 0.55F, 0}}, {0}),
                                         judged({{0.95F, 0.05F, 0}}, {0})};
  EXPECT_EQ(mean_of(three).confusion.at(0, 0), 1);
  EXPECT_EQ(majority_of(three).at(0, 1), 1);
  const std::vector<Evaluation> two = {judged({{0.2F, 0.7F, 0.1F}}, {0}),
                                       judged({{0.2F, 0.1F, 0.9F}}, {0})};
  EXPECT_EQ(majority_of(two).at(0, 2), 1);
}

TEST(Ensemble, RefusesMembersThatJudgedOtherImages) {
  const Evaluation one = judged({{1, 0}, {1, 0}}, {0, 1}), other = judged({{1, 0}}, {0});
  EXPECT_THROW(mean_of({}), Error);
  EXPECT_THROW(mean_of(std::vector<Evaluation>{one, other}), Error);
  EXPECT_THROW(majority_of(std::vector<Evaluation>{other, judged({{1, 0}}, {1})}), Error);
  EXPECT_THROW(majority_of(std::vector<Evaluation>{other, judged({{1, 0, 0}}, {0})}), Error);
}

TEST(CrossValidation, SpreadIsThatOfASample) {
  const Spread spread = spread_of({1, 2, 4});
  EXPECT_DOUBLE_EQ(spread.mean, 7.0 / 3);
  EXPECT_NEAR(spread.deviation, std::sqrt(((16.0 + 1 + 25) / 9) / 2), 1e-12);
  EXPECT_EQ(spread_of({3}).deviation, 0);
  EXPECT_EQ(spread_of({}).mean, 0);
}

CrossValidation two_repeats() {
  CrossValidation made;
  made.model = "net<1>";
  made.labels = {"a", "b"};
  made.folds = made.repeats = 2;
  const auto image = [](const char* path, std::int32_t label, float second) {
    return ValidationImage{path, path, {0, label, {1 - second, second}}};
  };
  made.runs = {{"repeat-1-fold-1", 1, 1, 3, 1.5, {image("x", 0, 0.2F), image("y", 1, 0.4F)}},
               {"repeat-1-fold-2", 1, 2, 3, 1.5, {image("z", 1, 0.9F)}},
               {"repeat-2-fold-1", 2, 1, 3, 1.5, {image("z", 1, 0.7F), image("y", 1, 0.8F)}},
               {"repeat-2-fold-2", 2, 2, 3, 1.5, {image("x", 0, 0.4F)}}};
  return made;
}

TEST(CrossValidation, PoolsEveryImageOnce) {
  const auto images = pooled_images(two_repeats());
  ASSERT_EQ(images.size(), 3U);
  EXPECT_EQ(images[1].path, "y");
  EXPECT_NEAR(images[1].prediction.probabilities[1], 0.6, 1e-6);
  const Confusion confusion = confusion_of(images, 2);
  EXPECT_EQ(confusion.at(0, 0), 1);
  EXPECT_EQ(confusion.at(1, 1), 2);
}

TEST(CrossValidation, SaysWhatItIs) {
  CrossValidation made = two_repeats();
  Json json = parse_json(cross_validation_json(made), "json");
  EXPECT_EQ(json.at("runs").size(), 4U);
  EXPECT_EQ(json.at("runs").at(0).at("accuracy"), 0.5);
  EXPECT_EQ(json.at("over_runs").at("accuracy").at("mean"), 0.875);
  EXPECT_NEAR(json.at("over_runs").at("accuracy").at("sd").get<double>(), 0.25, 1e-12);
  EXPECT_EQ(json.at("pooled").at("accuracy"), 1.0);
  EXPECT_TRUE(json.at("held_out").is_null());
  std::string html = cross_validation_html(made, {});
  EXPECT_NE(html.find("net&lt;1&gt;"), std::string::npos);
  EXPECT_NE(html.find("87.5 &plusmn; 25.0 %"), std::string::npos);
  EXPECT_EQ(html.find("held-out images</h2>"), std::string::npos);
  made.held_out = HeldOut{"3 images", {Metrics{}}, made.runs[0].images, Confusion(2)};
  json = parse_json(cross_validation_json(made), "json");
  EXPECT_EQ(json.at("held_out").at("mean_probability").at("accuracy"), 0.5);
  html = cross_validation_html(made, {});
  EXPECT_NE(html.find("held-out images</h2>"), std::string::npos);
}

}  // namespace
}  // namespace lamella
