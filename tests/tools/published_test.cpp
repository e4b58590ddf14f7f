// The cards of public weights against what torchvision and timm say, on published.txt, which
// make_published.py wrote.
#include "weights/published.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "io/preprocess.h"
#include "weights/durable_file.h"
#include "weights/json.h"

namespace lamella {
namespace {

std::vector<double> numbers(const std::string& list) {
  std::vector<double> values;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) values.push_back(std::stod(word));
  return values;
}

TEST(Published, CardsSayWhatTorchvisionAndTimmSay) {
  std::ifstream goldens(LAMELLA_PUBLISHED);
  std::string line;
  ASSERT_TRUE(std::getline(goldens, line));
  std::size_t cards = 0;
  while (std::getline(goldens, line)) {
    SCOPED_TRACE(line);
    std::istringstream in(line);
    std::string name, interpolation, means, deviations;
    std::int64_t crop = 0, side = 0;
    bool transform_input = false;
    in >> name >> crop >> side >> interpolation >> means >> deviations >> transform_input;
    ASSERT_TRUE(in);
    const auto card = published_card(name);
    ASSERT_TRUE(card);
    EXPECT_EQ(card->spec.name, name);
    EXPECT_EQ(card->spec.height, crop);
    EXPECT_EQ(card->spec.width, crop);
    EXPECT_EQ(card->spec.classes, 1000);
    EXPECT_EQ(card->labels, imagenet_classes());
    const Preprocess p = preprocess_from_metadata(card->preprocessing);
    EXPECT_EQ(p.height + p.margin, side);
    EXPECT_EQ(p.resize, ResizeRule::ShortSide);
    EXPECT_EQ(p.interpolation == Interpolation::Bicubic, interpolation == "bicubic");
    EXPECT_EQ(p.channels, card->spec.channels);
    const std::vector<double> mean = numbers(means), std = numbers(deviations);
    const Image image{1, 2, 3, 8, {0, 10, 200, 255, 128, 3}};
    float got[6];
    normalise(image, p, got);
    // What the layers see: of torchvision's formulas, transform_input's behind Normalize's.
    const double imagenet_mean[] = {0.485, 0.456, 0.406}, imagenet_std[] = {0.229, 0.224, 0.225};
    for (std::size_t i = 0; i < 6; ++i) {
      const std::size_t c = i % 3;
      double x = (image.samples[i] / 255.0 - mean[c]) / std[c];
      if (transform_input) x = x * (imagenet_std[c] / 0.5) + (imagenet_mean[c] - 0.5) / 0.5;
      EXPECT_NEAR(got[i], x, 1e-6) << i;
    }
    ++cards;
  }
  std::size_t published = 0;
  for (const std::string& name : model_names()) published += published_card(name).has_value();
  EXPECT_EQ(cards, 10U);
  EXPECT_EQ(published, cards);
}

// Every network with public weights is in the catalogue, at the size its card says.
TEST(Published, TheCatalogueHasTheSameNetworks) {
  const Json catalogue = parse_json(read_text_file(LAMELLA_CATALOGUE), "catalogue.json");
  EXPECT_EQ(catalogue.at("schema"), "lamella.catalogue/1");
  std::size_t entries = 0;
  for (const Json& entry : catalogue.at("weights")) {
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const auto card = published_card(entry.at("model").get<std::string>());
    ASSERT_TRUE(card);
    EXPECT_EQ(entry.at("input"), card->spec.height);
    EXPECT_EQ(entry.at("mean").size(), 3U);
    EXPECT_TRUE(entry.at("address").get<std::string>().starts_with("https://"));
    for (const char* key : {"licence", "top1", "source"}) EXPECT_FALSE(entry.at(key).is_null());
    for (const char* key : {"size", "sha256", "sha256_begins"}) EXPECT_TRUE(entry.contains(key));
    ++entries;
  }
  EXPECT_EQ(entries, 10U);
}

TEST(Published, NetworksWithoutPublicWeightsHaveNone) {
  EXPECT_FALSE(published_card("tem_small"));
  EXPECT_FALSE(published_card("no_such_net"));
}

TEST(Published, ImageNetHasItsThousandNames) {
  const std::vector<std::string> names = imagenet_classes();
  ASSERT_EQ(names.size(), 1000U);
  EXPECT_EQ(names.front(), "tench");
  EXPECT_EQ(names[608], "jean");
  EXPECT_EQ(names.back(), "toilet tissue");
}

}  // namespace
}  // namespace lamella
