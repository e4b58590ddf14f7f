// Files that carry all that is needed to use them, and those that do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "io/image.h"
#include "models/model.h"
#include "tests/tools/tool_process.h"
#include "tools/npy.h"
#include "weights/durable_file.h"
#include "weights/filter_layout.h"
#include "weights/model_io.h"
#include "weights/published.h"

namespace lamella {
namespace {

// Files as PyTorch would write them, without a card.
class CardTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name) const { return folder_.file(name); }

  void SetUp() override {
    Image image{40, 50, 3, 8, {}};
    for (std::size_t i = 0; i < 40 * 50 * 3; ++i) {
      image.samples.push_back(static_cast<std::uint16_t>(i * i % 251));
    }
    write_png(file("image.png"), image);
    raw_file("raw.safetensors", {"cbr_tiny", 32, 32, 3, 2});
    std::ofstream(file("labels.txt")) << "first\nsecond\n";
  }

  void raw_file(const std::string& name, const ModelSpec& spec) const {
    Context ctx;
    const Model model = make_model(ctx, spec);
    model.initialise(ctx, 3);
    TensorFile tensors = model_file(ctx, model, {spec, {}, {}});
    to_pytorch(tensors, name);
    write_safetensors(file(name), tensors);
  }

  // `convert` of the raw file with these options; the others are right.
  Answer convert(const std::vector<std::string>& options) const {
    std::vector<std::string> words = {"convert", file("raw.safetensors"), "--model", "cbr_tiny",
                                      "--out",   file("out.safetensors")};
    words.insert(words.end(), options.begin(), options.end());
    return run_tool(words);
  }
  // The same with all that it needs.
  Answer convert_well(std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--labels", file("labels.txt"), "--size", "32", "--normalise",
                                   "0.5,0.5,0.5/1,1,1"});
    return convert(options);
  }
  Answer predict(const std::vector<std::string>& options) const {
    std::vector<std::string> words = {"predict", file("image.png")};
    words.insert(words.end(), options.begin(), options.end());
    return run_tool(words);
  }

 private:
  TemporaryFolder folder_;
};

void expect_refused(const Answer& answer, int status, const std::string& words) {
  EXPECT_EQ(answer.status, status) << answer.err;
  EXPECT_NE(answer.err.find(words), std::string::npos) << answer.err;
  EXPECT_EQ(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
  EXPECT_EQ(answer.out, "");
}

TEST_F(CardTest, AConvertedFileIsAllThatPredictNeeds) {
  const Answer answer = convert_well({"--resize", "short_side", "--margin", "5", "--interpolation",
                                      "bicubic", "--json", file("report.json")});
  ASSERT_EQ(answer.status, 0) << answer.err;
  const Json report = read_json(file("report.json"));
  EXPECT_EQ(report.at("model"), "cbr_tiny");
  EXPECT_EQ(report.at("classes"), 2);
  EXPECT_EQ(report.at("images"),
            "3 channels, short side to 37 (bicubic), centre 32x32, mean 0.5,0.5,0.5, std 1,1,1");
  // PyTorch's tensors, untouched.
  const TensorFile raw = read_safetensors(file("raw.safetensors")),
                   out = read_safetensors(file("out.safetensors"));
  ASSERT_EQ(out.tensors.size(), raw.tensors.size());
  for (const auto& [name, tensor] : raw.tensors) {
    EXPECT_EQ(out.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(out.tensors.at(name).data, tensor.data) << name;
  }
  const Answer predicted = predict({"--weights", file("out.safetensors"), "--json"});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_EQ(predicted.err, "");
  EXPECT_EQ(parse_json(predicted.out, "stdout").at("labels"), Json({"first", "second"}));
  // Once more through convert: the card stays.
  ASSERT_EQ(run_tool({"convert", file("out.safetensors"), "--out", file("b.safetensors")}).status,
            0);
  EXPECT_EQ(read_text_file(file("b.safetensors")), read_text_file(file("out.safetensors")));
}

TEST_F(CardTest, AConvertedFileThatWasChangedIsRefused) {
  ASSERT_EQ(convert_well({}).status, 0);
  TensorFile changed = read_safetensors(file("out.safetensors"));
  for (auto& [name, tensor] : changed.tensors) {
    if (tensor.shape.size() != 2) continue;  // the classifier
    tensor = StoredTensor::from_f32(
        std::vector<float>(static_cast<std::size_t>(tensor.count()), 1.0F), tensor.shape);
  }
  write_safetensors(file("changed.safetensors"), changed);
  const char* const words = "changed.safetensors does not give its known answer on cpu";
  expect_refused(predict({"--weights", file("changed.safetensors")}), 1, words);
  expect_refused(run_tool({"convert", file("changed.safetensors"), "--out", file("b.safetensors")}),
                 1, words);
}

TEST_F(CardTest, ARunsFileKeepsItsCard) {
  make_data(file("data"));
  const std::string run = file("run"), out = file("run.safetensors");
  ASSERT_EQ(run_tool({"train", "--model", "cbr_tiny", "--data", file("data"), "--size", "32",
                      "--batch", "6", "--epochs", "1", "--out", run})
                .status,
            0);
  ASSERT_EQ(run_tool({"convert", run, "--out", out}).status, 0);
  const Answer ours = run_tool({"predict", run, file("data"), "--json"}),
               theirs = run_tool({"predict", out, file("data"), "--json"});
  ASSERT_EQ(ours.status, 0) << ours.err;
  EXPECT_EQ(theirs.out, ours.out);
  const Answer eval = run_tool({"eval", run, "--split", "all", "--json"}),
               eval_out = run_tool(
                   {"eval", "--weights", out, "--data", file("data"), "--split", "all", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_EQ(eval_out.out, eval.out);
  // What lies in a checkpoint beside the weights stays behind.
  ASSERT_EQ(run_tool({"convert", run + "/checkpoint-last.safetensors", "--out", out}).status, 0);
  for (const auto& [key, value] : read_safetensors(out).metadata) {
    EXPECT_TRUE(key == "format" || key == "filters" || key == "schema" || key == "architecture" ||
                key == "input" || key == "labels" || key == "known_answer" ||
                key.starts_with("preprocess."))
        << key;
  }
}

TEST_F(CardTest, ContradictionsAreRefused) {
  ASSERT_EQ(convert_well().status, 0);
  const std::string weights = file("out.safetensors");
  EXPECT_EQ(predict({"--weights", weights, "--size", "32", "--channels", "3"}).status, 0);
  expect_refused(predict({"--weights", weights, "--size", "64"}), 1, "preprocess.height = 32");
  expect_refused(predict({"--weights", weights, "--normalise", "zscore"}), 1,
                 "preprocess.normalise = fixed");
  expect_refused(predict({"--weights", weights, "--normalise", "0.5,0.5,0.5/1,1,2"}), 1,
                 "preprocess.std = 1,1,1, and 1,1,2 was asked for");
  expect_refused(predict({"--weights", weights, "--interpolation", "bicubic"}), 1, "bilinear");
  expect_refused(predict({"--weights", weights, "--normalise", "0.5"}), 2, "neither zscore nor");
  expect_refused(predict({"--weights", weights, "--model", "cbr_small"}), 1, "holds cbr_tiny");
  expect_refused(run_tool({"eval", "--weights", weights, "--data", ".", "--margin", "3"}), 1,
                 "preprocess.margin = 0");
  std::ofstream(file("other.txt")) << "second\nfirst\n";
  const std::vector<std::string> again = {"convert", weights, "--out", file("c.safetensors")};
  for (const auto& [option, value, words] :
       {std::array<std::string, 3>{"--size", "64", "preprocess.height = 32"},
        {"--labels", file("other.txt"), "are others"},
        {"--model", "cbr_small", "holds cbr_tiny"}}) {
    std::vector<std::string> command = again;
    command.insert(command.end(), {option, value});
    expect_refused(run_tool(command), 1, words);
  }
  EXPECT_FALSE(std::filesystem::exists(file("c.safetensors")));
}

TEST_F(CardTest, ConvertRefusesWhatDoesNotFit) {
  std::ofstream(file("three.txt")) << "a\nb\nc\n";
  std::ofstream(file("gap.txt")) << "a\n\nb\n";
  const std::vector<std::string> normalise = {"--normalise", "0.5,0.5,0.5/1,1,1"};
  const auto with = [&](std::vector<std::string> options) {
    options.insert(options.end(), normalise.begin(), normalise.end());
    return convert(options);
  };
  const std::string labels = file("labels.txt");
  expect_refused(convert({}), 2, "3 channels and 2 classes and is none of the public weights");
  expect_refused(with({"--size", "32"}), 2, "--labels");
  expect_refused(with({"--labels", labels}), 2, "--size");
  expect_refused(convert({"--labels", labels, "--size", "32"}), 2, "--normalise");
  expect_refused(with({"--size", "32", "--labels", file("three.txt")}), 1, "has 3 labels");
  expect_refused(with({"--size", "32", "--labels", file("gap.txt")}), 1, "line 2 is empty");
  expect_refused(with({"--size", "32", "--labels", file("none.txt")}), 1, "none.txt");
  expect_refused(
      convert({"--labels", labels, "--size", "32", "--channels", "1", "--normalise", "0.5/1"}), 1,
      "takes 3");
  expect_refused(with({"--size", "32", "--labels", labels, "--model", "cbr_small"}), 1,
                 "does not fit cbr_small");
  expect_refused(with({"--size", "32", "--labels", labels, "--model", "no_net"}), 1, "no_net");
  EXPECT_FALSE(std::filesystem::exists(file("out.safetensors")));
}

TEST_F(CardTest, PublicWeightsNeedOnlyTheirName) {
  raw_file("squeezenet.safetensors", {"squeezenet1_1", 224, 224, 3, 1000});
  const std::string weights = file("squeezenet.safetensors");
  const Answer answer =
      predict({"--weights", weights, "--model", "squeezenet1_1", "--json", "--top", "1"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(answer.err, weights +
                            ": taken as public weights of squeezenet1_1: 3 channels, short side to "
                            "256 (bilinear), centre 224x224, mean 0.485,0.456,0.406, std "
                            "0.229,0.224,0.225\n");
  const Json said = parse_json(answer.out, "stdout");
  EXPECT_EQ(said.at("labels"), Json(imagenet_classes()));
  ASSERT_EQ(
      run_tool({"convert", weights, "--model", "squeezenet1_1", "--out", file("out.safetensors")})
          .status,
      0);
  const Answer carded = predict({"--weights", file("out.safetensors"), "--json", "--top", "1"});
  EXPECT_EQ(carded.out, answer.out);
  EXPECT_EQ(carded.err, "");
  expect_refused(predict({"--weights", weights}), 1, "--model");
  expect_refused(predict({"--weights", file("raw.safetensors"), "--model", "cbr_tiny"}), 1,
                 "lamella convert --model cbr_tiny");
}

// A file that ends behind a stage says so, and what it ends with is what the whole network has
// there.
TEST_F(CardTest, ABackboneIsUsedWithoutOptions) {
  tool::NpyArray input{{1, 64, 64, 3}, std::vector<float>(64 * 64 * 3)};
  for (std::size_t i = 0; i < input.values.size(); ++i) {
    input.values[i] = static_cast<float>(i % 17) / 8 - 1;
  }
  tool::write_npy(file("in.npy"), input);
  raw_file("whole.safetensors", {"squeezenet1_1", 64, 64, 3, 1000});
  const std::string whole = file("whole.safetensors"), bare = file("bare.safetensors"),
                    out = file("out.safetensors");
  TensorFile cut = read_safetensors(whole);
  cut.tensors.erase("classifier.1.weight");
  cut.tensors.erase("classifier.1.bias");
  write_safetensors(bare, cut);
  const std::vector<std::string> convert = {"convert", bare, "--model", "squeezenet1_1",
                                            "--out",   out,  "--layer", "features"};
  const auto without = [](std::vector<std::string> words, std::size_t last) {
    words.resize(words.size() - last);
    return words;
  };
  expect_refused(run_tool(without(convert, 2)), 1, "2 missing: 'classifier.1.weight'");
  ASSERT_EQ(run_tool(convert).status, 0);
  const ModelCard card = read_card(read_safetensors(out), out);
  EXPECT_EQ(card.spec.cut, "features");
  EXPECT_EQ(card.spec.head, "none");
  EXPECT_TRUE(card.labels.empty());
  const auto forward = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--input", file("in.npy"), "--output", file("y.npy")});
    words.insert(words.begin(), "forward");
    const Answer answer = run_tool(words);
    EXPECT_EQ(answer.status, 0) << answer.err;
    return tool::read_npy(file("y.npy"));
  };
  const tool::NpyArray y = forward({"--weights", out});
  EXPECT_EQ(y.shape, (std::vector<std::int64_t>{1, 512}));
  EXPECT_EQ(
      y.values,
      forward({"--model", "squeezenet1_1", "--weights", whole, "--layer", "features"}).values);
  expect_refused(predict({"--weights", out}), 1, "ends behind features and has no classifier");
  std::vector<std::string> bad = convert;
  bad.insert(bad.end(), {"--labels", file("labels.txt")});
  expect_refused(run_tool(bad), 2, "no classes behind --layer");
  bad = convert;
  bad[7] = "nowhere";
  expect_refused(run_tool(bad), 1, "has no layer nowhere");
  expect_refused(run_tool({"convert", bare, "--out", out, "--layer", "features"}), 2, "--model");
  bad = convert;
  bad[1] = out;
  bad[5] = file("again.safetensors");
  ASSERT_EQ(run_tool(without(bad, 2)).status, 0);
  EXPECT_EQ(read_text_file(file("again.safetensors")), read_text_file(out));
  bad[7] = "fire2";
  expect_refused(run_tool(bad), 1, "ends behind features");
}

TEST_F(CardTest, CardsThatMakeNoSenseAreRefused) {
  ASSERT_EQ(convert_well().status, 0);
  const TensorFile good = read_safetensors(file("out.safetensors"));
  const std::array<const char*, 3> damages[] = {
      {"labels", R"(["a"])", "1 labels for 2 classes"},
      {"labels", "", "'labels'"},
      {"architecture", "no_net", "there is no model no_net"},
      {"architecture", "cbr_small", "does not fit cbr_small"},
      {"head", "none", "2 labels for 0 classes"},
      {"head", "hydra", "there is no head 'hydra'"},
      {"cut", "nowhere", "has no layer nowhere"},
      {"filters", "HWIO", "KRSC and KCRS"},
      {"filters", "KRSC", "of another shape"},
      {"preprocess.height", "", "preprocess.height is missing"},
      {"preprocess.std", "1,1,0", "above 0"},
      {"preprocess.std", "1,1", "2 standard deviations"},
      {"preprocess.interpolation", "nearest", "bilinear or bicubic"}};
  for (const auto& [key, value, words] : damages) {
    TensorFile bad = good;
    bad.metadata[key] = value;
    if (*value == '\0') bad.metadata.erase(key);
    write_safetensors(file("bad.safetensors"), bad);
    SCOPED_TRACE(key);
    expect_refused(predict({"--weights", file("bad.safetensors")}), 1, words);
  }
}

}  // namespace
}  // namespace lamella
