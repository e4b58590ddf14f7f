// What a run leaves on disk, and the report made from it.
#include "train/run_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/errors.h"
#include "tests/support/temporary_folder.h"
#include "train/report.h"
#include "train/run_lock.h"
#include "weights/durable_file.h"
#include "weights/json.h"

namespace lamella {
namespace {

const char* const kHostile = "<script>alert('x')</script> & \"Co\"";

RunInfo example_info() {
  RunInfo info;
  info.status = "running";
  info.card.spec = {"cbr_tiny", 32, 32, 1, 2};
  info.card.labels = {kHostile, "plain"};
  info.card.preprocessing["preprocess.height"] = "32";
  info.data = {kHostile, "0123", "by hand", 10, 4};
  info.best_epoch = 2;
  info.best_confusion = Confusion(2);
  info.best_confusion.add(0, 0, 3);
  info.best_confusion.add(1, 0, 1);
  info.next_command = "lamella train --resume 'a b'";
  return info;
}

EpochRecord epoch(std::int64_t number) {
  EpochRecord record;
  record.epoch = number;
  record.step = 10 * number;
  record.train_loss = 1.0 / static_cast<double>(number);
  record.validation = {{"accuracy", 0.5}, {"balanced_accuracy", 0.25}, {"loss", 0.75}};
  record.weights_hash = "0011223344556677";
  return record;
}

TEST(RunFolder, ComesBack) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.file("deep/run"));
  run.write_info(example_info());
  const RunInfo info = RunFolder::open(run.path()).info();
  EXPECT_EQ(info.status, "running");
  EXPECT_EQ(info.card.labels, example_info().card.labels);
  EXPECT_EQ(info.data.fingerprint, "0123");
  EXPECT_EQ(info.best_confusion.at(0, 0), 3);
  EXPECT_EQ(info.next_command, example_info().next_command);
  const Json json = parse_json(read_text_file(run.file("run.json")), "run.json");
  EXPECT_EQ(json.begin().key(), "schema");
  EXPECT_EQ(json.at("schema"), "lamella.run/1");
  EXPECT_THROW(RunFolder::create(run.path()), Error) << "a run must not be overwritten";
  EXPECT_THROW(RunFolder::open(folder.path()), Error);
}

TEST(RunFolder, LosesWhatKilledProcessesLeft) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path());
  const std::vector<std::string> kept = {"run.json", "a.tmp", "12", "a.tmp12.txt", "atmp3"};
  for (const std::string& name : kept) std::ofstream(run.file(name)) << name;
  std::ofstream(run.file("model-best.safetensors.tmp1234")) << "unfinished";
  run.remove_leftovers();
  EXPECT_FALSE(std::filesystem::exists(run.file("model-best.safetensors.tmp1234")));
  for (const std::string& name : kept) EXPECT_TRUE(std::filesystem::exists(run.file(name))) << name;
}

TEST(RunFolder, IsTrainedByOneProcess) {
  const TemporaryFolder folder;
  {
    RunLock lock(folder.path());
    EXPECT_THROW(RunLock(folder.path()), Error);
    const RunLock moved = std::move(lock);
    EXPECT_THROW(RunLock(folder.path()), Error);
  }
  EXPECT_NO_THROW(RunLock(folder.path()));
  EXPECT_THROW(RunLock(folder.file("absent")), Error);
}

TEST(RunFolder, RefusesADamagedRunFile) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path());
  for (const char* text :
       {"", "{", "[]", "{}", R"({"schema":"other"})", R"({"schema":"lamella.run/1","status":3})"}) {
    write_file_durably(run.file("run.json"), text);
    EXPECT_THROW(run.info(), Error) << text;
  }
}

TEST(RunFolder, RemembersWhatTheValidationImagesGave) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path());
  EXPECT_TRUE(run.validation(2).empty());
  run.write_validation(
      {{"a/\"1\".png", "g", {7, 1, {0.1F, 0.9F}}}, {"b.png", "h", {8, 0, {NAN, 0}}}});
  const std::vector<ValidationImage> images = run.validation(2);
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[0].path, "a/\"1\".png");
  EXPECT_EQ(images[0].group, "g");
  EXPECT_EQ(images[0].prediction.label, 1);
  EXPECT_EQ(images[0].prediction.probabilities, (std::vector{0.1F, 0.9F}));
  EXPECT_TRUE(std::isnan(images[1].prediction.probabilities[0]));
  EXPECT_THROW(run.validation(3), Error);
  for (const char* damage : {"{}\n", "[1]\n", "{\n",
                             R"({"image":1,"group":"","label":0})"
                             "\n"}) {
    write_file_durably(run.file("validation.jsonl"), damage);
    EXPECT_THROW(run.validation(2), Error) << damage;
  }
}

TEST(RunFolder, DropsACutOffLineAndWhatWillBeWrittenAgain) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path());
  for (std::int64_t number : {1, 2, 3}) run.append(epoch(number));
  for (std::int64_t step : {1, 2, 3, 4}) run.append(StepRecord{1, step, 9, step, 4, 0.1, 0.5});
  std::ofstream(run.file("log.jsonl"), std::ios::app) << R"({"epoch":4,"st)";
  EXPECT_EQ(run.epochs().size(), 3U);
  TrainState state;
  state.epoch = 2;
  state.step = 3;
  run.rewind_logs(state);
  ASSERT_EQ(run.epochs().size(), 2U);
  EXPECT_EQ(run.epochs()[1].train_loss, 0.5);
  EXPECT_EQ(run.epochs()[1].validation.at("balanced_accuracy"), 0.25);
  const std::string steps = read_text_file(run.file("steps.jsonl"));
  EXPECT_EQ(std::count(steps.begin(), steps.end(), '\n'), 3);
}

TEST(Report, IsOnePageThatEscapesWhatItIsGiven) {
  const std::string html = report_html(example_info(), {epoch(1), epoch(2)}, kHostile);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;Co&quot;"),
            std::string::npos);
  for (const char* outside : {"http:", "https:", "src=", "href=", "@import", "url("}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  for (const char* part : {"<svg", "Confusion matrix", "Per class", "75.0 %", "macro mean"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(html.find(">-0"), std::string::npos) << "an axis starts at minus nought";
}

TEST(Report, DoesWithoutEpochsAndValidation) {
  RunInfo info = example_info();
  info.best_epoch = 0;
  EXPECT_EQ(report_html(info, {}, "").find("Confusion"), std::string::npos);
  EpochRecord bare = epoch(1);
  bare.validation.clear();
  EXPECT_NE(report_html(info, {bare}, "").find("<svg"), std::string::npos);
}

}  // namespace
}  // namespace lamella
