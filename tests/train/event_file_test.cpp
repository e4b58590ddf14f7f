// The file for TensorBoard, byte by byte, and after a run was cut off.
#include "train/event_file.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "train/run_folder.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char byte : bytes) {
    for (const int half : {byte >> 4 & 15, byte & 15}) {
      digits += "0123456789abcdef"[half];
    }
  }
  return digits;
}

using Point = std::pair<std::int64_t, std::string>;  // step, tag

std::vector<Point> points(const RunFolder& run) {
  std::vector<Point> found;
  const std::string file = read_text_file(run.file("events.out.tfevents.lamella"));
  const std::string whole = kept_events(file, [&](std::int64_t step, std::string_view tag) {
    found.emplace_back(step, tag);
    return true;
  });
  EXPECT_EQ(whole.size(), file.size());
  return found;
}

// From RFC 3720, section B.4, and the usual check value.
TEST(EventFile, SumsAsTheStandardSays) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

// The bytes that the package tensorboard 2.21.0 makes of the same two events (RecordWriter); its
// EventAccumulator also read the file of a run that was killed and went on, no step of it twice.
TEST(EventFile, HasTheBytesOfTensorBoard) {
  EXPECT_EQ(hex(event_file_start(1.5)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
  EXPECT_EQ(hex(event_record({1.5, 300, "train/loss", 0.25F})),
            "2100000000000000017becf609000000000000f83f10ac022a130a110a0a747261696e2f6c6f73731500"
            "00803e6557981f");
}

TEST(EventFile, KeepsWhatIsWhole) {
  const std::string start = event_file_start(0), one = event_record({0, 7, "a", 1}),
                    two = event_record({0, std::int64_t{1} << 40, std::string(300, 'b'), 2});
  const auto all = [](std::int64_t, std::string_view) { return true; };
  const std::string file = start + one + two;
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string expected = size < start.size()                ? ""
                                 : size < start.size() + one.size() ? start
                                                                    : start + one;
    EXPECT_EQ(kept_events(file.substr(0, size), all), expected) << size;
    std::string damaged = file;
    damaged[size] = static_cast<char>(damaged[size] ^ 1);
    EXPECT_LT(kept_events(damaged, all).size(), file.size()) << size;
  }
  EXPECT_EQ(kept_events(file, [](std::int64_t step, std::string_view) { return step != 7; }),
            start + two);
  EXPECT_EQ(kept_events(file, [](std::int64_t, std::string_view tag) { return tag.size() < 2; }),
            start + one);
}

TEST(EventFile, ShowsNoStepTwiceWhenARunGoesOn) {
  const TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path());
  const std::string path = run.file("events.out.tfevents.lamella");
  EpochRecord epoch{1, 2, 0.1, 0.5, {{"loss", 0.75}}, 1, 1, "", false};
  for (std::int64_t step : {1, 2}) run.append(StepRecord{1, step, 2, step, 4, 0.1, 0.5});
  run.append(epoch);
  run.append(StepRecord{2, 1, 2, 3, 4, 0.1, 0.5});
  const Point begin(0, ""), step_1(1, "train/step_loss"), step_2(2, "train/step_loss");
  const std::vector<Point> after_epoch = {begin,
                                          step_1,
                                          step_2,
                                          {2, "epoch"},
                                          {2, "learning_rate"},
                                          {2, "train/loss"},
                                          {2, "validation/loss"}};
  ASSERT_EQ(points(run).size(), 8U);
  const std::string torn = read_text_file(path) + event_record({0, 4, "x", 1}).substr(0, 30);
  write_file_durably(path, torn);
  TrainState state;
  state.epoch = 1;
  state.step = 2;
  run.rewind_logs(state);
  EXPECT_EQ(points(run), after_epoch);
  // Behind the last batch of the first epoch, before its validation.
  state.epoch = 0;
  state.batch = 2;
  run.rewind_logs(state);
  EXPECT_EQ(points(run), (std::vector<Point>{begin, step_1, step_2}));
  run.append(epoch);
  EXPECT_EQ(points(run), after_epoch);
  // Nothing of it is whole: it begins anew.
  write_file_durably(path, "torn");
  run.rewind_logs(state);
  run.append(epoch);
  EXPECT_EQ(points(run).size(), 5U);
}

}  // namespace
}  // namespace lamella
