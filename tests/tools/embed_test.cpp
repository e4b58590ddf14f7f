// lamella embed and lamella head, from a trained run to a model that predict takes.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/tools/tool_process.h"
#include "weights/durable_file.h"
#include "weights/filter_layout.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

// One trained run for all tests of this file.
class EmbedTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TemporaryFolder;
    make_data(shared("data"));
    for (const std::string seed : {"1", "2"}) {
      const Answer answer = run_tool({"train", "--model", "cbr_tiny", "--data", shared("data"),
                                      "--size", "32", "--batch", "6", "--epochs", "1", "--seed",
                                      seed, "--out", shared("run" + seed)});
      ASSERT_EQ(answer.status, 0) << answer.err;
    }
  }
  static void TearDownTestSuite() { delete shared_; }
  static std::string shared(const std::string& name) { return shared_->file(name); }

  std::string file(const std::string& name) const { return folder_.file(name); }
  std::vector<std::string> command(const std::string& out) const {
    return {"embed",        "--weights", shared("run1"), "--data",
            shared("data"), "--out",     file(out),      "--json"};
  }
  // Runs `embed` with further arguments; what was changed is the last line of `err`.
  Answer embed(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = command(out);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }
  Json embedded(const std::string& out, const std::vector<std::string>& more = {}) const {
    const Answer answer = embed(out, more);
    EXPECT_EQ(answer.status, 0) << answer.err;
    return parse_json(answer.out, "stdout");
  }
  Json head(const std::string& features, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"head", "--features", file(features), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 0) << answer.err;
    Json json = parse_json(answer.out, "stdout");
    json.erase("seconds");
    return json;
  }

 private:
  static inline TemporaryFolder* shared_ = nullptr;
  TemporaryFolder folder_;
};

TEST_F(EmbedTest, UsesTheFileAgainUntilSomethingChanges) {
  const Json first = embedded("f");
  EXPECT_EQ(first.begin().key(), "schema");
  EXPECT_EQ(first.at("schema"), "lamella.embed/1");
  EXPECT_EQ(first.at("n"), 24);
  EXPECT_EQ(first.at("width"), 256);
  EXPECT_EQ(first.at("layer"), "features");
  EXPECT_EQ(first.at("reused"), false);
  const std::string bytes = read_text_file(file("f"));
  const Json again = embedded("f", {"--batch", "5"});
  EXPECT_EQ(again.at("reused"), true);
  EXPECT_EQ(again.at("fingerprint"), first.at("fingerprint"));
  EXPECT_EQ(read_text_file(file("f")), bytes);

  const auto made_again = [&](const std::string& key, const std::vector<std::string>& more) {
    const Answer answer = embed("f", more);
    ASSERT_EQ(answer.status, 0) << answer.err;
    EXPECT_NE(answer.err.find("made again; changed: " + key + "\n"), std::string::npos)
        << answer.err;
    EXPECT_EQ(parse_json(answer.out, "stdout").at("reused"), false);
    EXPECT_EQ(embedded("f", more).at("reused"), true);
  };
  made_again("layer", {"--layer", "pool"});
  made_again("layer, weights", {"--weights", shared("run2")});
  made_again("samples, weights", {"--group-pattern", ".*"});
  const std::string changed = file("changed");
  std::filesystem::copy(shared("data"), changed, std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(changed)) {
    if (entry.path().extension() != ".png") continue;
    std::ofstream(entry.path(), std::ios::app) << "x";
    break;
  }
  made_again("images, samples", {"--data", changed});
  embedded("f");
  EXPECT_EQ(read_text_file(file("f")), bytes) << "the same features have the same bits";
}

TEST_F(EmbedTest, DoesNotOverwriteWhatIsNotItsOwn) {
  embedded("half");
  std::filesystem::resize_file(file("half"), std::filesystem::file_size(file("half")) / 2);
  std::ofstream(file("text")) << "dear diary";
  std::filesystem::copy_file(shared("run1") + "/model-best.safetensors", file("model"));
  for (const std::string name : {"half", "text", "model"}) {
    const std::string before = read_text_file(file(name));
    const Answer answer = embed(name);
    EXPECT_EQ(answer.status, 1) << name;
    EXPECT_NE(answer.err.find("is not overwritten"), std::string::npos) << answer.err;
    EXPECT_NE(answer.err.find("remove it or name another"), std::string::npos) << answer.err;
    EXPECT_EQ(read_text_file(file(name)), before);
  }
}

// A file as PyTorch would write it: no card, filters [K,C,R,S], so the options say what it is.
TEST_F(EmbedTest, TakesForeignWeights) {
  TensorFile foreign = read_safetensors(shared("run1") + "/model-best.safetensors");
  foreign.metadata.clear();
  for (auto& [name, tensor] : foreign.tensors) {
    if (tensor.shape.size() == 4) tensor = krsc_to_kcrs(tensor);
  }
  write_safetensors(file("foreign"), foreign);
  embedded("own");
  const std::vector<std::string> said = {
      "--weights", file("foreign"), "--model", "cbr_tiny",    "--size",
      "32",        "--channels",    "1",       "--normalise", "zscore"};
  EXPECT_EQ(embedded("f", said).at("fingerprint"), embedded("own").at("fingerprint"));
  EXPECT_EQ(read_safetensors(file("f")).tensors.at("features").data,
            read_safetensors(file("own")).tensors.at("features").data);
  EXPECT_EQ(embed("g", {"--weights", file("foreign")}).status, 1) << "nothing says what it is";
}

TEST_F(EmbedTest, HeadSpeaksTheSchemaOfEvalAndMore) {
  embedded("f");
  for (const std::string kind : {"softmax", "svm", "mlp"}) {
    SCOPED_TRACE(kind);
    const std::vector<std::string> more = {"--kind", kind, "--folds", "3", "--l2", "0.01,0.5"};
    const Json json = head("f", more);
    EXPECT_EQ(json.begin().key(), "schema");
    EXPECT_EQ(json.at("schema"), "lamella.head/1");
    EXPECT_EQ(json.at("kind"), kind);
    for (const char* key : {"n", "accuracy", "accuracy_ci", "balanced_accuracy", "macro",
                            "weighted", "per_class", "confusion", "loss"}) {
      EXPECT_TRUE(json.contains(key)) << key;
    }
    const std::int64_t trained = json.at("train_n").get<std::int64_t>();
    EXPECT_EQ(trained + json.at("n").get<std::int64_t>(), 24);
    EXPECT_EQ(json.at("predictions").size(), json.at("n").get<std::size_t>());
    const Json& choice = json.at("choice");
    EXPECT_EQ(choice.at("by"), "balanced_accuracy");
    EXPECT_EQ(choice.at("folds"), 3);
    ASSERT_EQ(choice.at("grid").size(), 2U);
    EXPECT_EQ(choice.at("grid").at(0).at("l2"), 0.5) << "strongest first";
    const double best = std::max(choice.at("grid").at(0).at("balanced_accuracy").get<double>(),
                                 choice.at("grid").at(1).at("balanced_accuracy").get<double>());
    const bool first = choice.at("l2") == 0.5;
    EXPECT_EQ(choice.at("grid").at(first ? 0 : 1).at("balanced_accuracy"), best);
    EXPECT_EQ(head("f", more), json) << "the same again, but for the time";
  }
}

TEST_F(EmbedTest, HeadTrainsOnAShareOfWholeGroups) {
  embedded("f");
  const Json all = head("f", {"--l2", "1"});
  const Json half = head("f", {"--l2", "1", "--train-fraction", "0.5"});
  EXPECT_EQ(all.at("choice").at("folds"), 0) << "nothing to choose from";
  EXPECT_EQ(half.at("n"), all.at("n"));
  EXPECT_LT(half.at("train_n"), all.at("train_n"));
  EXPECT_GE(half.at("train_n"), 6);
  EXPECT_EQ(half.at("train_n").get<int>() % 3, 0) << "micrographs have three crops";
}

// The scores of head's own linear layer are those of the network it writes.
TEST_F(EmbedTest, PredictSaysWhatTheHeadSaid) {
  for (const std::string layer : {"features", "stage2"}) {
    for (const std::string kind : {"softmax", "svm"}) {
      SCOPED_TRACE(layer + " " + kind);
      embedded("f", {"--layer", layer});
      const Json json = head("f", {"--kind", kind, "--l2", "0.1", "--out", file("model")});
      std::vector<std::string> arguments = {"predict", file("model"), "--json"};
      for (const Json& one : json.at("predictions")) {
        arguments.push_back(shared("data") + "/" + one.at("file").get<std::string>());
      }
      const Answer answer = run_tool(arguments);
      ASSERT_EQ(answer.status, 0) << answer.err;
      const Json predicted = parse_json(answer.out, "stdout").at("predictions");
      ASSERT_EQ(predicted.size(), json.at("n").get<std::size_t>());
      for (std::size_t i = 0; i < predicted.size(); ++i) {
        const auto scores = json.at("predictions").at(i).at("scores").get<std::vector<double>>();
        for (const Json& top : predicted.at(i).at("top")) {
          const double score = scores.at(top.at("index").get<std::size_t>());
          double sum = 0;
          for (const double other : scores) sum += std::exp(other - score);
          EXPECT_NEAR(top.at("probability").get<double>(), 1 / sum, 1e-5);
        }
      }
    }
  }
}

TEST_F(EmbedTest, HeadKnowsTheWeightsThatMadeTheFeatures) {
  embedded("f");
  const Answer other = run_tool({"head", "--features", file("f"), "--l2", "1", "--weights",
                                 shared("run2"), "--out", file("model")});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("does not hold the weights that made the features"), std::string::npos)
      << other.err;
  EXPECT_FALSE(std::filesystem::exists(file("model")));
}

TEST_F(EmbedTest, BadUsageIsTwoAndFailureIsOne) {
  embedded("f");
  const std::string features = file("f");
  const std::vector<std::string> bad[] = {
      {"embed"},
      {"embed", "--weights", shared("run1"), "--data", shared("data")},
      {"head"},
      {"head", "--features", features, "--kind", "forest"},
      {"head", "--features", features, "--l2", "1,much"},
      {"head", "--features", features, "--l2", "-1"},
      {"head", "--features", features, "--folds", "1"},
      {"head", "--features", features, "--kind", "mlp", "--out", file("model")}};
  for (const auto& arguments : bad) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 2) << arguments.back() << answer.err;
    EXPECT_EQ(answer.out, "");
  }
  const std::vector<std::string> failing[] = {
      {"embed", "--weights", shared("run1"), "--data", shared("data"), "--out", file("g"), "--size",
       "64"},
      {"embed", "--weights", file("absent"), "--data", shared("data"), "--out", file("g")},
      {"embed", "--weights", shared("run1"), "--data", file("absent"), "--out", file("g")},
      {"embed", "--weights", shared("run1"), "--data", shared("data"), "--layer", "nowhere",
       "--out", file("g")},
      {"head", "--features", file("absent")},
      {"head", "--features", shared("run1") + "/model-best.safetensors"},
      {"head", "--features", features, "--split", "test"},
      {"head", "--features", features, "--folds", "100"}};
  for (const auto& arguments : failing) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 1) << arguments.back() << answer.err;
    EXPECT_NE(answer.err, "");
  }
  EXPECT_FALSE(std::filesystem::exists(file("g")));
}

}  // namespace
}  // namespace lamella
