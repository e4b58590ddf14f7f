// Recipes and what happens to the command line before it is parsed.
#include "tools/recipe.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/errors.h"
#include "engine/rng.h"
#include "tests/support/temporary_folder.h"
#include "tools/arguments.h"

namespace lamella::tool {
namespace {

TEST(Recipe, ReadsOptions) {
  const Recipe recipe = parse_recipe(
      "# a comment\n\nmodel = \"cbr_small\"  # behind\nlr=1e-3\nlog-steps = true\r\n"
      "data = 'C:\\dir # not a comment'\npath = \"a\\\\b\\\"c\\n\"\n",
      "r.toml");
  const Recipe expected = {{"model", "cbr_small"},
                           {"lr", "1e-3"},
                           {"log-steps", "true"},
                           {"data", "C:\\dir # not a comment"},
                           {"path", "a\\b\"c\n"}};
  EXPECT_EQ(recipe, expected);
  EXPECT_EQ(parse_recipe(format_recipe(recipe), "again"), recipe);
}

TEST(Recipe, NamesTheLineThatIsWrong) {
  for (const char* wrong :
       {"model", "= 3", "a b = 3", "model = cbr", "model = \"cbr", "model = \"a\" b", "x = 1 2",
        "x =", "[table]", "x = [1]", "x = \"\\q\"", "x = 1\nx = 2", "x = 1e", "x = --1"}) {
    try {
      parse_recipe(std::string("ok = 1\n") + wrong, "r.toml");
      ADD_FAILURE() << "accepted: " << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind("r.toml line ", 0), 0U) << error.what();
    }
  }
}

TEST(Recipe, SurvivesAnyText) {
  Rng rng(1, RngStream::Test);
  const std::string alphabet = "ab=\"'\\# \n\t[]1e.-";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint32_t i = 0, n = rng.below(24); i < n; ++i) {
      text += alphabet[rng.below(static_cast<std::uint32_t>(alphabet.size()))];
    }
    try {
      const Recipe recipe = parse_recipe(text, "r");
      EXPECT_EQ(parse_recipe(format_recipe(recipe), "again"), recipe) << text;
    } catch (const Error&) {
    }
  }
}

TEST(Arguments, PutTheRecipeBeforeWhatWasTyped) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("r.toml")) << "lr = 0.5\nepochs = 3\n";
  const std::vector<std::string> expanded =
      expand_arguments({"train", "--config", folder.file("r.toml"), "--lr", "0.1"});
  const std::vector<std::string> expected = {
      "train", "--lr=0.5", "--epochs=3", "--config", folder.file("r.toml"), "--lr", "0.1"};
  EXPECT_EQ(expanded, expected);
}

TEST(Arguments, JsonTakesAFileOnlyWhenItLooksLikeOne) {
  EXPECT_EQ(expand_arguments({"predict", "--json", "run", "a.png"})[1], "--json=-");
  EXPECT_EQ(expand_arguments({"predict", "run", "a.png", "--json"})[3], "--json=-");
  EXPECT_EQ(expand_arguments({"predict", "--json", "o.json", "run"})[1], "--json");
}

}  // namespace
}  // namespace lamella::tool
