// lamella train --folds: one command, a folder of runs, and what they say together.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/tools/tool_process.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

class CrossValidationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    make_data(file("data"));
    const Answer answer = run_tool(arguments("made"));
    ASSERT_EQ(answer.status, 0) << answer.err;
    summary_ = new Json(parse_json(answer.out, "stdout"));
  }
  static void TearDownTestSuite() {
    delete summary_;
    delete folder_;
  }
  static std::vector<std::string> arguments(const std::string& out) {
    return {"train",    "--model",   "cbr_tiny", "--data", file("data"),      "--size", "32",
            "--epochs", "1",         "--batch",  "6",      "--test-fraction", "0.25",   "--folds",
            "3",        "--repeats", "2",        "--out",  file(out),         "--json"};
  }
  static std::string file(const std::string& name) { return folder_->file(name); }
  static const Json& summary() { return *summary_; }

 private:
  static inline TemporaryFolder* folder_ = nullptr;
  static inline Json* summary_ = nullptr;
};

std::vector<Json> lines_of(const std::string& path) {
  std::vector<Json> lines;
  std::ifstream text(path);
  for (std::string line; std::getline(text, line);) lines.push_back(parse_json(line, path));
  return lines;
}

TEST_F(CrossValidationTest, JudgesEveryImageOncePerRepeat) {
  EXPECT_EQ(summary().at("schema"), "lamella.crossval/1");
  ASSERT_EQ(summary().at("runs").size(), 6U);
  std::set<std::string> folds_of_repeat[2];
  for (int repeat = 1; repeat <= 2; ++repeat) {
    std::set<std::string> seen;
    for (int fold = 1; fold <= 3; ++fold) {
      const std::string run = "repeat-" + std::to_string(repeat) + "-fold-" + std::to_string(fold);
      std::string images;
      for (const Json& line : lines_of(file("made") + "/" + run + "/validation.jsonl")) {
        const auto image = line.at("image").get<std::string>();
        EXPECT_TRUE(seen.insert(image).second) << image << " was judged twice";
        images += image + "\n";
      }
      folds_of_repeat[repeat - 1].insert(images);
    }
    EXPECT_EQ(std::ssize(seen), summary().at("pooled").at("n"));
  }
  EXPECT_NE(folds_of_repeat[0], folds_of_repeat[1]) << "the repeats have the same folds";
  EXPECT_EQ(summary().at("held_out").at("mean_probability").at("n").get<int>() +
                summary().at("pooled").at("n").get<int>(),
            24);
  EXPECT_TRUE(std::filesystem::exists(file("made") + "/report.html"));
}

// A run of it alone is the same run, and eval finds its fold again.
TEST_F(CrossValidationTest, RunsStandAlone) {
  const Json& row = summary().at("runs").at(4);
  const std::string run = file("made") + "/" + row.at("folder").get<std::string>();
  const Answer eval = run_tool({"eval", run, "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  const Json judged = parse_json(eval.out, "stdout");
  EXPECT_EQ(judged.at("n"), row.at("n"));
  EXPECT_EQ(judged.at("accuracy"), row.at("accuracy"));
  std::vector<std::string> alone = arguments("alone");
  alone.erase(std::find(alone.begin(), alone.end(), "--repeats"),
              std::find(alone.begin(), alone.end(), "--out"));
  alone.insert(alone.end(), {"--fold", "2", "--repeat", "2"});
  ASSERT_EQ(run_tool(alone).status, 0);
  EXPECT_EQ(lines_of(file("alone") + "/log.jsonl").back().at("weights_hash"),
            lines_of(run + "/log.jsonl").back().at("weights_hash"));
}

TEST_F(CrossValidationTest, JudgesAndPredictsTogether) {
  const Answer eval = run_tool({"eval", file("made"), "--split", "test", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  const Json judged = parse_json(eval.out, "stdout");
  const Json& held_out = summary().at("held_out").at("mean_probability");
  EXPECT_EQ(judged.at("n"), held_out.at("n"));
  EXPECT_NEAR(judged.at("accuracy").get<double>(), held_out.at("accuracy").get<double>(), 1e-12);
  const auto first_of = [&](const std::string& model) {
    const Answer answer =
        run_tool({"predict", model, file("data"), "--json", "--top", "2", "--calibrated"});
    EXPECT_EQ(answer.status, 0) << answer.err;
    double probability = 0;
    const Json json = parse_json(answer.out, "stdout");
    for (const Json& row : json.at("predictions").at(0).at("top")) {
      if (row.at("index") == 0) probability = row.at("probability").get<double>();
    }
    return probability;
  };
  double mean = 0;
  for (const Json& run : summary().at("runs")) {
    mean += first_of(file("made") + "/" + run.at("folder").get<std::string>()) / 6;
  }
  EXPECT_NEAR(first_of(file("made")), mean, 1e-6);
}

// What is finished stays; what is missing or cut off is made again, to the same figures.
TEST_F(CrossValidationTest, GoesOn) {
  std::filesystem::copy(file("made"), file("again"), std::filesystem::copy_options::recursive);
  const std::string again = file("again");
  std::filesystem::remove_all(again + "/repeat-2-fold-3");
  std::filesystem::remove(again + "/report.html");
  // Killed before its first checkpoint.
  const std::string begun = again + "/repeat-2-fold-1";
  Json info = read_json(begun + "/run.json");
  info["status"] = "running";
  std::filesystem::remove_all(begun);
  std::filesystem::create_directory(begun);
  write_file_durably(begun + "/run.json", dump_json(info));
  // Finished, and its checkpoints removed to save space: it is kept.
  const std::string finished = again + "/repeat-1-fold-1/";
  const std::string best = read_text_file(finished + "log.jsonl");
  std::filesystem::remove(finished + "checkpoint-last.safetensors");
  std::filesystem::remove(finished + "checkpoint-prev.safetensors");
  write_file_durably(again + "/crossval.json",
                     "{\"schema\": \"lamella.crossval/1\", \"status\": \"running\"}");
  const Answer early = run_tool({"predict", again, file("data")});
  EXPECT_EQ(early.status, 1);
  EXPECT_NE(early.err.find("not finished"), std::string::npos) << early.err;
  const Answer answer = run_tool({"train", "--resume", again, "--json"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(parse_json(answer.out, "stdout").at("over_runs"), summary().at("over_runs"));
  EXPECT_TRUE(std::filesystem::exists(again + "/report.html"));
  EXPECT_EQ(read_text_file(finished + "log.jsonl"), best);
}

TEST_F(CrossValidationTest, RefusesWhatCannotBe) {
  std::vector<std::string> taken = arguments("made");
  EXPECT_EQ(run_tool(taken).status, 1);
  std::vector<std::string> many = arguments("many");
  *(std::find(many.begin(), many.end(), "--folds") + 1) = "1000";
  const Answer answer = run_tool(many);
  EXPECT_EQ(answer.status, 1);
  EXPECT_NE(answer.err.find("1000 folds"), std::string::npos) << answer.err;
  EXPECT_FALSE(std::filesystem::exists(file("many")));
  std::vector<std::string> unknown = arguments("unknown");
  *(std::find(unknown.begin(), unknown.end(), "--model") + 1) = "no_net";
  EXPECT_EQ(run_tool(unknown).status, 1);
  EXPECT_FALSE(std::filesystem::exists(file("unknown"))) << "a refused run must leave nothing";
  EXPECT_EQ(run_tool({"train", "--model", "cbr_tiny", "--data", file("data"), "--out", file("x"),
                      "--fold", "1"})
                .status,
            2);
}

}  // namespace
}  // namespace lamella
