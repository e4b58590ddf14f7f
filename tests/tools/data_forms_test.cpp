// Lists and IDX files through the verbs that take data.
#include <gtest/gtest.h>

#include <fstream>

#include "io/dataset.h"
#include "tests/tools/tool_process.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

std::string big_endian(std::size_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xffU);
  return bytes;
}

// The same 24 crops in both forms: 16 for training, 8 for the test.
class DataFormsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    make_data(file("crops"));
    const Dataset crops = read_dataset(file("crops"));
    std::string list = "path,class,split\n";
    std::string pixels[2], labels[2];
    for (std::size_t i = 0; i < crops.samples.size(); ++i) {
      const Sample& sample = crops.samples[i];
      const std::size_t part = i % 3 == 0 ? 1 : 0;
      const Image image = crops.read(sample);
      for (const std::uint16_t s : image.samples) {
        pixels[part] += static_cast<char>(s >> (image.bit_depth - 8));
      }
      labels[part] += static_cast<char>(sample.label);
      list += sample.path + "," + crops.classes[static_cast<std::size_t>(sample.label)] +
              (part == 1 ? ",test\n" : ",train\n");
    }
    std::ofstream(file("crops/list.csv")) << list;
    std::filesystem::create_directories(file("idx"));
    for (const std::size_t part : {0, 1}) {
      const std::string name = file(part == 1 ? "idx/t10k" : "idx/train");
      const std::string count = big_endian(labels[part].size());
      std::ofstream(name + "-images-idx3-ubyte", std::ios::binary)
          << std::string{0, 0, 8, 3} << count << big_endian(32) << big_endian(32) << pixels[part];
      std::ofstream(name + "-labels-idx1-ubyte", std::ios::binary)
          << std::string{0, 0, 8, 1} << count << labels[part];
    }
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string file(const std::string& name) { return folder_->file(name); }

  // Trains and evaluates; the run lies in file("run-" + `name`).
  static void train_and_eval(const std::string& name, const std::string& data,
                             const std::string& split) {
    const std::string run = file("run-" + name);
    const Answer trained =
        run_tool({"train", "--model", "cbr_tiny", "--data", data, "--size", "32", "--epochs", "1",
                  "--val-fraction", "0.25", "--skip-bad", "--out", run, "--json"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    const Json info = parse_json(trained.out, "stdout");
    EXPECT_EQ(info.at("data").at("train_images"), 12);
    EXPECT_EQ(info.at("data").at("validation_images"), 4);
    EXPECT_EQ(info.at("data").at("split").get<std::string>().find(
                  "ready-made, by " + split + "; validation: 0.25 of the training images"),
              0U)
        << info.at("data").at("split");
    EXPECT_NE(info.at("next_command").get<std::string>().find("--split test"), std::string::npos);
    EXPECT_NE(read_text_file(run + "/report.html").find("data:image/png"), std::string::npos);
    for (const auto& [part, n] : {std::pair{"test", 8}, std::pair{"validation", 4}}) {
      const Answer eval = run_tool({"eval", run, "--split", part, "--json"});
      ASSERT_EQ(eval.status, 0) << eval.err;
      EXPECT_EQ(parse_json(eval.out, "stdout").at("n"), n);
    }
  }

 private:
  static inline TemporaryFolder* folder_ = nullptr;
};

TEST_F(DataFormsTest, AListGoesThroughTheVerbs) {
  train_and_eval("list", file("crops/list.csv"), "column split of list.csv");
  const Answer inspected = run_tool({"inspect", file("crops/list.csv"), "--json"});
  ASSERT_EQ(inspected.status, 0) << inspected.err;
  EXPECT_EQ(parse_json(inspected.out, "stdout").at("splits").at("test"), 8);
  const Answer embedded = run_tool({"embed", "--weights", file("run-list"), "--data",
                                    file("crops/list.csv"), "--out", file("list.safetensors")});
  EXPECT_EQ(embedded.status, 0) << embedded.err;
}

TEST_F(DataFormsTest, IdxFilesGoThroughTheVerbs) {
  train_and_eval("idx", file("idx"), "IDX file");
  const Answer inspected = run_tool({"inspect", file("idx"), "--json"});
  ASSERT_EQ(inspected.status, 0) << inspected.err;
  EXPECT_EQ(parse_json(inspected.out, "stdout").at("images"), 24);
  const Answer embedded = run_tool({"embed", "--weights", file("run-idx"), "--data", file("idx"),
                                    "--out", file("idx.safetensors")});
  EXPECT_EQ(embedded.status, 0) << embedded.err;

  const Answer all = run_tool({"predict", file("run-idx"), file("idx"), "--json"});
  ASSERT_EQ(all.status, 0) << all.err;
  const Json predictions = parse_json(all.out, "stdout").at("predictions");
  ASSERT_EQ(predictions.size(), 24U);
  EXPECT_EQ(predictions[0].at("file"), file("idx/t10k-images-idx3-ubyte#0"));
  const std::string one = file("idx/train-images-idx3-ubyte#15");
  const Answer single = run_tool({"predict", file("run-idx"), one, one + "6", "--json"});
  EXPECT_EQ(single.status, 1) << "there is no image 156";
  EXPECT_EQ(predictions[23].at("file"), one);
  const Json json = parse_json(single.out, "stdout");
  EXPECT_EQ(json.at("skipped")[0].at("reason"), one + "6: the file holds 16 images, from 0");
  EXPECT_EQ(json.at("predictions")[0].at("top")[0].at("label"),
            predictions[23].at("top")[0].at("label"));
}

}  // namespace
}  // namespace lamella
