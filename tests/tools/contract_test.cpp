// The command line's contract: verbs, exit status, where results and messages go, JSON.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/tools/tool_process.h"
#include "tools/npy.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

// One trained run for all tests of this file.
class ContractTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    make_data(data());
    const Answer answer =
        run_tool({"train", "--model", "cbr_tiny", "--data", data(), "--size", "32", "--batch", "6",
                  "--epochs", "2", "--out", trained(), "--json"});
    ASSERT_EQ(answer.status, 0) << answer.err;
    EXPECT_EQ(parse_json(answer.out, "stdout").at("schema"), "lamella.run/1");
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string data() { return folder_->file("data"); }
  static std::string trained() { return folder_->file("run"); }
  static std::string file(const std::string& name) { return folder_->file(name); }
  static std::string an_image() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data())) {
      if (entry.path().extension() == ".png") return entry.path().string();
    }
    return "";
  }

 private:
  static inline TemporaryFolder* folder_ = nullptr;
};

TEST_F(ContractTest, EveryVerbHelpsWithAnExample) {
  const Answer general = run_tool({"--help"});
  EXPECT_EQ(general.status, 0);
  for (const std::string verb : {"train", "eval", "predict", "forward", "embed", "head", "synth",
                                 "inspect", "convert", "doctor", "bench"}) {
    EXPECT_NE(general.out.find(verb), std::string::npos) << verb;
    const Answer answer = run_tool({verb, "--help"});
    EXPECT_EQ(answer.status, 0) << verb;
    EXPECT_NE(answer.out.find("Example:\n  lamella " + verb), std::string::npos) << answer.out;
    EXPECT_EQ(answer.err, "");
  }
  EXPECT_EQ(run_tool({"--version"}).status, 0);
}

TEST_F(ContractTest, BadUsageIsTwoAndFailureIsOne) {
  const std::vector<std::string> bad[] = {
      {},
      {"fly"},
      {"train"},
      {"train", "--epochs", "many"},
      {"train", "--no-such-option"},
      {"train", "--model", "cbr_tiny", "--data", data()},
      {"train", "--resume", trained(), "--lr", "1"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--dtype", "bf16"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--augment", "fog"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--augment", "blur=x"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--augment",
       "blur=99"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--class-weight",
       "x=1"},
      {"eval", trained(), "--split", "holiday"},
      {"predict", trained()},
      {"forward", "--model", "cbr_tiny"},
      {"inspect"},
      {"synth"}};
  for (const auto& arguments : bad) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 2) << (arguments.empty() ? "" : arguments.back()) << answer.err;
    EXPECT_EQ(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
    EXPECT_EQ(answer.out, "");
  }
  const std::vector<std::string> failing[] = {
      {"train", "--model", "cbr_tiny", "--data", file("absent"), "--out", file("x")},
      {"train", "--model", "no_net", "--data", data(), "--out", file("x")},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", trained()},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--device", "tpu"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--mixup", "9"},
      {"train", "--model", "cbr_tiny", "--data", data(), "--out", file("x"), "--optimizer", "x"},
      {"train", "--resume", file("absent")},
      {"eval", file("absent")},
      {"predict", trained(), file("absent.png")},
      {"inspect", file("absent.safetensors")},
      {"train", "--config", file("absent.toml")}};
  for (const auto& arguments : failing) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 1) << arguments.back() << ": " << answer.err;
    EXPECT_NE(answer.err, "");
  }
  EXPECT_FALSE(std::filesystem::exists(file("x"))) << "a refused run must leave nothing";
}

TEST_F(ContractTest, DoubtsAboutDataAreToldAndStopStrictRuns) {
  EXPECT_EQ(run_tool({"inspect", data(), "--strict"}).status, 0);
  std::filesystem::copy(data(), file("doubtful"), std::filesystem::copy_options::recursive);
  std::vector<std::string> images;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(file("doubtful"))) {
    if (entry.path().extension() == ".png") images.push_back(entry.path().string());
  }
  ASSERT_GT(images.size(), 4U);
  std::ofstream(images[0]) << "no image";
  const std::vector<std::string> train = {
      "train", "--model", "cbr_tiny", "--data", file("doubtful"), "--size", "32", "--epochs", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), train.begin(), train.end());
    return run_tool(more);
  };
  const Answer inspect = run_tool({"inspect", file("doubtful"), "--strict", "--json"});
  EXPECT_EQ(inspect.status, 1);
  EXPECT_EQ(parse_json(inspect.out, "stdout").at("unreadable").size(), 1U);
  EXPECT_EQ(parse_json(inspect.out, "stdout").at("doubts").size(), 1U);
  const Answer strict = with({"--out", file("y"), "--strict"});
  EXPECT_EQ(strict.status, 1);
  EXPECT_NE(strict.err.find("--strict stops"), std::string::npos) << strict.err;
  EXPECT_FALSE(std::filesystem::exists(file("y")));
  const Answer skipped = with({"--out", file("y"), "--strict", "--skip-bad"});
  EXPECT_EQ(skipped.status, 0) << skipped.err;
  EXPECT_NE(skipped.err.find("left out: "), std::string::npos) << skipped.err;
  EXPECT_NE(read_text_file(file("y") + "/run.json").find("1 unreadable images left out"),
            std::string::npos);
  EXPECT_EQ(run_tool({"train", "--resume", file("y")}).status, 0);
  for (const char* split : {"train", "validation"}) {  // the bad image is in one of them
    const Answer eval = run_tool({"eval", file("y"), "--split", split});
    EXPECT_EQ(eval.status, 0) << eval.err;
  }
}

TEST_F(ContractTest, TrainsWithEverythingAtOnce) {
  const Answer answer = run_tool(
      {"train",
       "--model",
       "cbr_tiny",
       "--data",
       data(),
       "--size",
       "32",
       "--epochs",
       "1",
       "--out",
       file("everything"),
       "--augment",
       "flips,turns,rotate,translate=0.2,resized-crop,brightness,contrast,saturation,blur,noise",
       "--mixup",
       "0.2",
       "--ema",
       "0.9",
       "--class-weight",
       "auto",
       "--label-smoothing",
       "0.1"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  const std::string recipe = read_text_file(file("everything") + "/recipe.toml");
  EXPECT_NE(recipe.find("mixup = 0.2"), std::string::npos) << recipe;
}

TEST_F(ContractTest, RunFolderHoldsWhatTheContractSays) {
  for (const char* name : {"recipe.toml", "run.json", "log.jsonl", "model-best.safetensors",
                           "checkpoint-last.safetensors", "checkpoint-prev.safetensors",
                           "report.html", "validation.jsonl"}) {
    EXPECT_TRUE(std::filesystem::exists(trained() + "/" + name)) << name;
  }
  const Json run = read_json(trained() + "/run.json");
  for (const char* key : {"version", "build", "machine", "data", "labels", "preprocessing",
                          "status", "best", "next_command"}) {
    EXPECT_TRUE(run.contains(key)) << key;
  }
  EXPECT_EQ(run.at("status"), "finished");
  std::ifstream log(trained() + "/log.jsonl");
  std::string line;
  std::getline(log, line);
  const Json epoch = parse_json(line, "log.jsonl");
  for (const char* key :
       {"epoch", "step", "lr", "train_loss", "val", "seconds", "images_per_s", "weights_hash"}) {
    EXPECT_TRUE(epoch.contains(key)) << key;
  }
}

TEST_F(ContractTest, EvalSpeaksItsSchema) {
  const Answer answer = run_tool({"eval", trained(), "--json"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  const Json json = parse_json(answer.out, "stdout");
  EXPECT_EQ(json.begin().key(), "schema");
  EXPECT_EQ(json.at("schema"), "lamella.eval/1");
  EXPECT_EQ(json.at("accuracy_ci").size(), 2U);
  EXPECT_EQ(json.at("confusion").size(), 2U);
  for (const char* key : {"n", "accuracy", "balanced_accuracy", "macro", "weighted", "calibration",
                          "intervals", "triage"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_TRUE(json.at("macro").contains("auroc"));
  EXPECT_TRUE(json.at("per_class").at(1).contains("auprc"));
  EXPECT_EQ(json.at("triage").back().at("share"), 1.0);
  EXPECT_EQ(json.at("triage").back().at("accuracy"), json.at("accuracy"));
  // The run's own split is found again: the same images give the same figure.
  const Json run = read_json(trained() + "/run.json");
  EXPECT_EQ(json.at("per_class").at(1).at("label"), run.at("labels").at(1));
  const Json& best = run.at("best");
  EXPECT_EQ(json.at("accuracy"), best.at("accuracy"));
  EXPECT_EQ(json.at("confusion"), best.at("confusion"));
  const Answer all = run_tool(
      {"eval", trained(), "--split", "all", "--min-confidence", "0", "--json", file("e.json")});
  ASSERT_EQ(all.status, 0) << all.err;
  EXPECT_EQ(read_json(file("e.json")).at("n"), 24);
  EXPECT_EQ(read_json(file("e.json")).at("min_confidence").at("kept"), 24);
  EXPECT_NE(all.out.find("with a confidence of at least 0: 24 images (100.0 %)"), std::string::npos)
      << all.out;
  EXPECT_NE(all.out.find("24 images"), std::string::npos);
}

TEST_F(ContractTest, PredictSpeaksItsSchemaAndSkipsWhatItCannotRead) {
  std::ofstream(file("broken.png")) << "no image";
  const Answer answer = run_tool({"predict", trained(), file("broken.png"), an_image(), "--json"});
  EXPECT_EQ(answer.status, 1) << answer.err;  // results, and a file that is none of them
  const Json json = parse_json(answer.out, "stdout");
  EXPECT_EQ(json.begin().key(), "schema");
  EXPECT_EQ(json.at("schema"), "lamella.predict/1");
  EXPECT_EQ(json.at("labels").size(), 2U);
  ASSERT_EQ(json.at("predictions").size(), 1U);
  const Json& first = json.at("predictions").at(0);
  EXPECT_EQ(first.at("file"), an_image());
  EXPECT_TRUE(first.at("confident").is_boolean());
  double sum = 0;
  for (const Json& top : first.at("top")) {
    EXPECT_EQ(top.at("label"), json.at("labels").at(top.at("index").get<std::size_t>()));
    sum += top.at("probability").get<double>();
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  ASSERT_EQ(json.at("skipped").size(), 1U);
  EXPECT_EQ(json.at("skipped").at(0).at("file"), file("broken.png"));
  EXPECT_NE(json.at("skipped").at(0).at("reason"), "");
  EXPECT_NE(answer.err.find("broken.png"), std::string::npos);
  EXPECT_EQ(run_tool({"predict", trained(), file("broken.png")}).status, 1);
}

// The validation images, of which the temperature is, have none left afterwards.
TEST_F(ContractTest, CalibratedProbabilitiesAreThoseOfTheBestTemperature) {
  const auto judged = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"eval", trained(), "--json"});
    const Answer answer = run_tool(more);
    EXPECT_EQ(answer.status, 0) << answer.err;
    return parse_json(answer.out, "stdout");
  };
  const Json plain = judged({}), calibrated = judged({"--calibrated"});
  EXPECT_EQ(calibrated.at("calibrated"), true);
  EXPECT_EQ(calibrated.at("confusion"), plain.at("confusion"));
  EXPECT_LE(calibrated.at("loss").get<double>(), plain.at("loss").get<double>());
  const double before = plain.at("calibration").at("temperature").get<double>();
  EXPECT_GT(std::abs(std::log(before)), 0.05) << "nothing to see";
  const auto probability = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command = {"predict", trained(), an_image(), "--json", "--top", "2"};
    command.insert(command.end(), more.begin(), more.end());
    const Answer answer = run_tool(command);
    EXPECT_EQ(answer.status, 0) << answer.err;
    const Json top = parse_json(answer.out, "stdout").at("predictions").at(0).at("top");
    return top.at(0).at("probability").get<double>();
  };
  // Of two classes, log(p / (1 - p)) is the difference of the logits.
  const double p = probability({}), scaled = probability({"--calibrated"});
  EXPECT_NEAR(std::log(scaled / (1 - scaled)), std::log(p / (1 - p)) / before, 2e-3);
  ASSERT_EQ(run_tool({"convert", trained(), "--out", file("bare.safetensors")}).status, 0);
  const Answer refused =
      run_tool({"predict", file("bare.safetensors"), an_image(), "--calibrated"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("validation.jsonl"), std::string::npos) << refused.err;
}

TEST_F(ContractTest, PredictDoesNotDependOnTheBatch) {
  const Answer one = run_tool({"predict", trained(), data(), "--batch", "1"});
  const Answer many = run_tool({"predict", trained(), data(), "--batch", "5"});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 24);
  EXPECT_EQ(one.out, many.out);
}

TEST_F(ContractTest, ForwardTakesBothLayouts) {
  tool::NpyArray nhwc{{2, 32, 32, 1}, std::vector<float>(2 * 32 * 32)};
  for (std::size_t i = 0; i < nhwc.values.size(); ++i) {
    nhwc.values[i] = static_cast<float>(i % 37) / 37;
  }
  tool::write_npy(file("nhwc.npy"), nhwc);
  nhwc.shape = {2, 1, 32, 32};  // one channel: the same bytes
  tool::write_npy(file("nchw.npy"), nhwc);
  const auto forward = [&](const std::string& layout, const std::string& layer) {
    std::vector<std::string> arguments = {
        "forward",  "--weights",     trained(),  "--input", file(layout + ".npy"),
        "--output", file("out.npy"), "--layout", layout};
    if (!layer.empty()) arguments.insert(arguments.end(), {"--layer", layer});
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 0) << answer.err;
    return tool::read_npy(file("out.npy"));
  };
  EXPECT_EQ(forward("nhwc", "").shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(forward("nhwc", "").values, forward("nchw", "").values);
  EXPECT_EQ(forward("nhwc", "features").shape, (std::vector<std::int64_t>{2, 256}));
  EXPECT_EQ(run_tool({"forward", "--model", "cbr_tiny", "--input", file("nhwc.npy"), "--output",
                      file("out.npy"), "--layer", "nowhere"})
                .status,
            1);
}

// The profile is of all kernels, by name and by call, with rates where a call says what it
// computes.
TEST_F(ContractTest, ProfileTellsWhereTheTimeWent) {
  const Answer answer = run_tool({"predict", trained(), data(), "--profile", "--json"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(parse_json(answer.out, "stdout").at("schema"), "lamella.predict/1");
  std::istringstream lines(answer.err);
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(lines, line);) {
    rows[line.substr(line.rfind("  ") + 2)] = line;
  }
  for (const char* kernel : {"conv2d_fwd", "batch_norm_apply", "linear_fwd", "outside kernels"}) {
    EXPECT_TRUE(rows.contains(kernel)) << kernel << " in " << answer.err;
  }
  double ms = 0, share = 0, flops = 0;
  long long calls = 0;
  ASSERT_EQ(
      std::sscanf(rows["conv2d_fwd"].c_str(), "%lf %lf %lld %lf", &ms, &share, &calls, &flops), 4);
  EXPECT_GT(ms, 0);
  EXPECT_EQ(calls % 4, 0);  // of the four layers
  EXPECT_GT(flops, 0);
}

TEST_F(ContractTest, InspectTellsDataRunsWeightsAndModels) {
  const auto inspect = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "inspect");
    arguments.push_back("--json");
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 0) << answer.err;
    return parse_json(answer.out, "stdout");
  };
  const Json data_facts = inspect({data()});
  EXPECT_EQ(data_facts.at("images"), 24);
  EXPECT_EQ(data_facts.at("sizes").at("32x32"), 24);
  EXPECT_EQ(data_facts.at("kinds").at("16-bit gray"), 24);
  EXPECT_EQ(data_facts.at("unreadable").size(), 0U);
  EXPECT_EQ(data_facts.at("groups").at("n"), 8);
  EXPECT_EQ(inspect({trained()}).at("status"), "finished");
  EXPECT_EQ(inspect({trained() + "/model-best.safetensors"}).at("metadata").at("architecture"),
            "cbr_tiny");
  EXPECT_EQ(inspect({"--model", "tem_small"}).at("parameters"), 14'649'867);
}

TEST_F(ContractTest, RecipesOfTheProjectAreRead) {
  for (const auto& entry : std::filesystem::directory_iterator(LAMELLA_RECIPES)) {
    if (entry.path().extension() != ".toml") continue;
    const std::string out = file("recipe-" + entry.path().stem().string());
    const Answer answer = run_tool({"train", "--config", entry.path().string(), "--data", data(),
                                    "--out", out, "--epochs", "0", "--size", "96"});
    EXPECT_EQ(answer.status, 0) << entry.path() << answer.err;
    EXPECT_TRUE(std::filesystem::exists(out + "/model-best.safetensors"));
  }
}

// With an image more, the drawn split would hold out other images: those the model was trained on.
TEST_F(ContractTest, EvalDrawsASplitFromTheRunsOwnImagesOnly) {
  const std::string grown = file("grown");
  std::filesystem::copy(data(), grown, std::filesystem::copy_options::recursive);
  std::filesystem::remove(grown + "/manifest.csv");  // it names every image
  const std::string image = an_image();
  const std::string name = std::filesystem::relative(image, data()).string();
  std::filesystem::copy_file(image, grown + "/" + name.substr(0, name.size() - 4) + "_too.png");
  const Answer refused = run_tool({"eval", trained(), "--data", grown});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("cannot be drawn again"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--split all"), std::string::npos) << refused.err;
  const Answer whole = run_tool({"eval", trained(), "--data", grown, "--split", "all", "--json"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(parse_json(whole.out, "stdout").at("split"), "all");
  const Answer own = run_tool({"eval", trained()});
  EXPECT_EQ(own.status, 0) << own.err;
  EXPECT_EQ(own.out.rfind("validation split of ", 0), 0U) << own.out;
}

}  // namespace
}  // namespace lamella
