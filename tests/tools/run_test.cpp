// Runs that are stopped, killed and damaged go on to the same bits.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/tools/tool_process.h"
#include "train/event_file.h"
#include "weights/durable_file.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

constexpr int kStepsPerEpoch = 5;  // 19 or so training images in batches of 4

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override { make_data(data()); }
  std::string data() const { return folder.file("data"); }
  std::vector<std::string> command(const std::string& run) const {
    return {"train",
            "--model",
            "cbr_tiny",
            "--data",
            data(),
            "--size",
            "32",
            "--batch",
            "4",
            "--epochs",
            "4",
            "--augment",
            "flips,turns,crop",
            "--checkpoint-every",
            "3",
            "--log-steps",
            "--threads",
            "2",
            "--out",
            folder.file(run)};
  }
  // Weights and optimiser state of the last checkpoint.
  std::map<std::string, std::vector<std::byte>> tensors(const std::string& run) const {
    std::map<std::string, std::vector<std::byte>> bits;
    const TensorFile file = read_safetensors(folder.file(run) + "/checkpoint-last.safetensors");
    for (const auto& [name, tensor] : file.tensors) bits[name] = tensor.data;
    return bits;
  }
  // The figures of the log that bits decide; times differ.
  std::vector<std::string> losses(const std::string& run, const std::string& log) const {
    std::vector<std::string> lines;
    std::ifstream in(folder.file(run) + "/" + log);
    for (std::string line; std::getline(in, line);) {
      Json json = parse_json(line, log);
      json.erase("seconds");
      json.erase("images_per_s");
      lines.push_back(dump_json(json));
    }
    return lines;
  }
  // Step and tag of what TensorBoard shows; nothing behind the last whole record.
  std::vector<std::string> events(const std::string& run) const {
    const std::string file = read_text_file(folder.file(run) + "/events.out.tfevents.lamella");
    std::vector<std::string> found;
    const std::string whole = kept_events(file, [&](std::int64_t step, std::string_view tag) {
      found.push_back(std::to_string(step) + " " + std::string(tag));
      return true;
    });
    EXPECT_EQ(whole.size(), file.size());
    return found;
  }
  void expect_same_runs(const std::string& a, const std::string& b) const {
    EXPECT_EQ(tensors(a), tensors(b));
    EXPECT_EQ(losses(a, "log.jsonl"), losses(b, "log.jsonl"));
    EXPECT_EQ(losses(a, "steps.jsonl"), losses(b, "steps.jsonl"));
    EXPECT_EQ(events(a), events(b));
    EXPECT_EQ(read_text_file(folder.file(a) + "/model-best.safetensors"),
              read_text_file(folder.file(b) + "/model-best.safetensors"));
  }
  void train_straight() const {
    const Answer answer = run_tool(command("straight"));
    ASSERT_EQ(answer.status, 0) << answer.err;
  }

  TemporaryFolder folder;
};

TEST_F(RunTest, KilledAnywhereItGoesOnToTheSameBits) {
  train_straight();
  {
    RunningTool first(command("killed"));
    ASSERT_TRUE(first.wait_for_lines(folder.file("killed/steps.jsonl"), 2));
    first.send(SIGKILL);
    EXPECT_EQ(first.wait().status, 128 + SIGKILL);
  }
  for (const int steps : {kStepsPerEpoch + 2, 2 * kStepsPerEpoch, 3 * kStepsPerEpoch + 1}) {
    RunningTool again({"train", "--resume", folder.file("killed")});
    ASSERT_TRUE(again.wait_for_lines(folder.file("killed/steps.jsonl"), steps)) << again.wait().err;
    again.send(SIGKILL);
    EXPECT_EQ(again.wait().status, 128 + SIGKILL);
  }
  const Answer end = run_tool({"train", "--resume", folder.file("killed")});
  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(end.err.find("cannot give the same bits"), std::string::npos) << end.err;
  expect_same_runs("straight", "killed");
}

TEST_F(RunTest, CtrlCSavesAndSaysHowToGoOn) {
  train_straight();
  std::string resume;
  {
    RunningTool tool(command("stopped"));
    ASSERT_TRUE(tool.wait_for_lines(folder.file("stopped/steps.jsonl"), kStepsPerEpoch + 1));
    tool.send(SIGINT);
    const Answer answer = tool.wait();
    EXPECT_EQ(answer.status, 1);
    resume = std::string(LAMELLA_TOOL) + " train --resume " + folder.file("stopped");
    EXPECT_NE(answer.err.find(resume), std::string::npos) << answer.err;
  }
  const Json run = read_json(folder.file("stopped/run.json"));
  EXPECT_EQ(run.at("status"), "interrupted");
  EXPECT_EQ(run.at("next_command"), resume);
  const Answer end = run_tool({"train", "--resume", folder.file("stopped")});
  ASSERT_EQ(end.status, 0) << end.err;
  expect_same_runs("straight", "stopped");
}

TEST_F(RunTest, ADamagedCheckpointIsToldAndTheOneBeforeIsUsed) {
  train_straight();
  {
    RunningTool tool(command("hurt"));
    ASSERT_TRUE(tool.wait_for_lines(folder.file("hurt/steps.jsonl"), kStepsPerEpoch + 4));
    tool.send(SIGKILL);
    tool.wait();
  }
  const std::string last = folder.file("hurt/checkpoint-last.safetensors");
  std::filesystem::resize_file(last, std::filesystem::file_size(last) / 2);
  const Answer end = run_tool({"train", "--resume", folder.file("hurt")});
  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_NE(end.err.find("checkpoint-last.safetensors"), std::string::npos) << end.err;
  EXPECT_NE(end.err.find("from the checkpoint before"), std::string::npos) << end.err;
  expect_same_runs("straight", "hurt");
}

TEST_F(RunTest, SaysWhenBitsCannotMatch) {
  RunningTool tool(command("moved"));
  ASSERT_TRUE(tool.wait_for_lines(folder.file("moved/steps.jsonl"), 2));
  tool.send(SIGINT);
  EXPECT_EQ(tool.wait().status, 1);
  const Answer end = run_tool({"train", "--resume", folder.file("moved"), "--threads", "1"});
  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_NE(end.err.find("the number of threads was 2, is 1"), std::string::npos) << end.err;
}

TEST_F(RunTest, OtherDataIsRefused) {
  train_straight();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data())) {
    if (entry.path().extension() != ".png") continue;
    std::ofstream(entry.path(), std::ios::app) << "x";
    break;
  }
  const Answer answer = run_tool({"train", "--resume", folder.file("straight")});
  EXPECT_EQ(answer.status, 1);
  EXPECT_NE(answer.err.find("fingerprint"), std::string::npos) << answer.err;
}

// Another task's weights, cut short, with a new head; only the head trains, on half the images.
// What comes out is a run like any other.
TEST_F(RunTest, TransfersToAnotherTask) {
  std::vector<std::string> initial = command("initial");
  initial.insert(initial.end(), {"--epochs", "0"});
  ASSERT_EQ(run_tool(initial).status, 0);
  std::vector<std::string> tuned = command("tuned");
  tuned.insert(tuned.end(),
               {"--weights", folder.file("initial"), "--cut", "stage3", "--freeze", "body",
                "--train-fraction", "0.5", "--lr-factors", "head.classifier.bias=2"});
  const Answer answer = run_tool(tuned);
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_NE(answer.err.find("drawn, not taken from"), std::string::npos) << answer.err;
  EXPECT_EQ(answer.err.find("was made for images of"), std::string::npos) << answer.err;
  const auto before = tensors("initial"), after = tensors("tuned");
  EXPECT_EQ(after.at("conv3.weight"), before.at("conv3.weight"));
  EXPECT_EQ(after.at("bn3.running_mean"), before.at("bn3.running_mean"));
  EXPECT_FALSE(after.contains("conv4.weight"));
  EXPECT_TRUE(after.contains("head.classifier.weight"));
  const Answer eval = run_tool({"eval", folder.file("tuned"), "--split", "validation"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  std::vector<std::string> larger = command("larger");
  larger.insert(larger.end(),
                {"--weights", folder.file("initial"), "--size", "40", "--epochs", "0"});
  const Answer told = run_tool(larger);
  EXPECT_NE(told.err.find("was made for images of: 1 channel, resized to 32x32"), std::string::npos)
      << told.err;
  const Answer bad = run_tool({"train", "--model", "cbr_tiny", "--data", data(), "--out",
                               folder.file("bad"), "--freeze", "stage9"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("begins with 'stage9'"), std::string::npos) << bad.err;
}

// Auxiliary classifiers train, are kept, are taken up again, and are in nobody's way afterwards.
TEST_F(RunTest, TrainsWithAuxiliaryClassifiers) {
  const auto googlenet = [&](const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> words{"train",         "--model", "googlenet", "--data", data(),
                                   "--size",        "32",      "--epochs",  "1",      "--out",
                                   folder.file(run)};
    words.insert(words.end(), more.begin(), more.end());
    return run_tool(words);
  };
  const Answer answer = googlenet("aux", {"--auxiliary"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  const auto trained = tensors("aux");
  ASSERT_TRUE(trained.contains("aux2.fc2.weight"));
  ASSERT_EQ(googlenet("drawn", {"--auxiliary", "--epochs", "0"}).status, 0);
  EXPECT_FALSE(trained.at("aux1.fc1.weight") == tensors("drawn").at("aux1.fc1.weight"));
  const Answer eval = run_tool({"eval", folder.file("aux"), "--split", "validation"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  const Answer again =
      googlenet("again", {"--auxiliary", "--weights", folder.file("aux"), "--epochs", "0"});
  EXPECT_EQ(again.err.find("drawn, not taken"), std::string::npos) << again.err;
  const auto taken = tensors("again");
  for (const char* name : {"aux1.fc1.weight", "aux2.conv.bn.running_var", "fc.weight"}) {
    EXPECT_TRUE(taken.at(name) == trained.at(name)) << name;
  }
  ASSERT_EQ(googlenet("plain", {"--weights", folder.file("aux"), "--epochs", "0"}).status, 0);
  EXPECT_FALSE(tensors("plain").contains("aux1.fc1.weight"));
  const Answer bad = run_tool({"train", "--model", "cbr_tiny", "--data", data(), "--auxiliary",
                               "--out", folder.file("bad")});
  EXPECT_NE(bad.err.find("has no auxiliary classifiers"), std::string::npos) << bad.err;
}

TEST_F(RunTest, StartsFromGivenWeights) {
  std::vector<std::string> initial = command("initial");
  initial.insert(initial.end(), {"--epochs", "0"});
  ASSERT_EQ(run_tool(initial).status, 0);
  std::vector<std::string> from = command("from");
  from.insert(from.end(), {"--weights", folder.file("initial/model-best.safetensors")});
  ASSERT_EQ(run_tool(from).status, 0);
  train_straight();
  EXPECT_EQ(tensors("from"), tensors("straight"));
}

// A run of two classes, and images of the second and of a new one whose name sorts before both.
class FromTest : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    ASSERT_EQ(run_tool(command("first")).status, 0);
    labels_ = read_json(folder.file("first/run.json")).at("labels").get<std::vector<std::string>>();
    namespace fs = std::filesystem;
    fs::create_directories(folder.file("more"));
    fs::copy(data() + "/" + labels_[1], folder.file("more/" + labels_[1]));
    fs::copy(data() + "/" + labels_[0], folder.file("more/AA"));
  }
  std::vector<std::string> from(const std::string& run, const std::string& epochs) const {
    return {"train",
            "--from",
            folder.file("first"),
            "--data",
            folder.file("more"),
            "--batch",
            "4",
            "--epochs",
            epochs,
            "--checkpoint-every",
            "2",
            "--log-steps",
            "--threads",
            "2",
            "--out",
            folder.file(run)};
  }
  TensorFile best(const std::string& run) const {
    return read_safetensors(folder.file(run) + "/model-best.safetensors");
  }

  std::vector<std::string> labels_;
};

TEST_F(FromTest, KeepsWhatTheRunKnowsAndAddsClasses) {
  const Answer answer = run_tool(from("second", "0"));
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_NE(answer.err.find("new class: AA\n"), std::string::npos);
  EXPECT_NE(answer.err.find("class " + labels_[0] + " stays, though"), std::string::npos);
  const Json info = read_json(folder.file("second/run.json"));
  EXPECT_EQ(info.at("labels"), (std::vector<std::string>{labels_[0], labels_[1], "AA"}));
  EXPECT_EQ(info.at("preprocessing"), read_json(folder.file("first/run.json")).at("preprocessing"));
  const TensorFile then = best("first"), now = best("second");
  ASSERT_EQ(then.tensors.size(), now.tensors.size());
  for (const auto& [name, tensor] : then.tensors) {
    const std::vector<std::byte>& bits = now.tensors.at(name).data;
    ASSERT_GE(bits.size(), tensor.data.size());
    EXPECT_EQ(bits.size() > tensor.data.size(), name.starts_with("classifier.")) << name;
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), bits.begin())) << name;
  }
  EXPECT_EQ(run_tool({"eval", folder.file("second"), "--data", data(), "--split", "all"}).status, 0)
      << "images of the classes of before";
}

TEST_F(FromTest, TheRecipeAndResumeGiveTheSameBits) {
  ASSERT_EQ(run_tool(from("second", "3")).status, 0);
  const Answer again = run_tool(
      {"train", "--config", folder.file("second/recipe.toml"), "--out", folder.file("again")});
  ASSERT_EQ(again.status, 0) << again.err;
  expect_same_runs("second", "again");

  RunningTool killed(from("killed", "3"));
  ASSERT_TRUE(killed.wait_for_lines(folder.file("killed/steps.jsonl"), 5));
  killed.send(SIGKILL);
  killed.wait();
  std::filesystem::rename(folder.file("first"), folder.file("elsewhere"));
  const Answer resumed = run_tool({"train", "--resume", folder.file("killed")});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same_runs("second", "killed");
}

TEST_F(FromTest, RefusesWhatMakesNoSense) {
  const auto error = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = from("bad", "1");
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Answer answer = run_tool(arguments);
    EXPECT_NE(answer.status, 0);
    EXPECT_FALSE(std::filesystem::exists(folder.file("bad"))) << "what is refused leaves no folder";
    return answer.err;
  };
  EXPECT_NE(error({"--weights", folder.file("first")}).find("leave out --weights"),
            std::string::npos);
  EXPECT_NE(error({"--model", "cbr_small"}).find("is of cbr_tiny, and --model says cbr_small"),
            std::string::npos);
  EXPECT_NE(error({"--from", data()}).find("holds no run"), std::string::npos);
  Json info = read_json(folder.file("first/run.json"));
  info["status"] = "interrupted";
  std::ofstream(folder.file("first/run.json")) << dump_json(info);
  EXPECT_NE(error({}).find("is not finished (interrupted)"), std::string::npos);
}

}  // namespace
}  // namespace lamella
