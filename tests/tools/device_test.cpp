// Devices and types: every device that is there makes the same training step, and what was trained
// in 16 bits is a model like any other.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/context.h"
#include "tests/tools/tool_process.h"
#include "weights/json.h"

namespace lamella {
namespace {

TEST(DeviceTest, DoctorTriesThem) {
  const Answer answer = run_tool({"doctor", "--json"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  const Json devices = parse_json(answer.out, "stdout").at("devices");
  EXPECT_EQ(devices.at(0).at("device"), "cpu");
  EXPECT_EQ(devices.at(0).at("works"), true);
  for (const Json& device : devices) {
    if (device.at("works") == false) {
      EXPECT_NE(device.at("reason"), "") << device.at("device");
      continue;
    }
    const Json& step = device.at("step");
    EXPECT_NEAR(step.at("descent").get<double>(), 1, 0.1) << device.at("device");
    for (const char* part : {"loss", "logits", "gradients", "weights"}) {
      EXPECT_LE(step.at(part).at("error").get<double>(), 1e-5) << device.at("device") << part;
    }
  }
}

TEST(DeviceTest, ModelsTrainedIn16BitsAreLikeOthers) {
  const std::string reason = why_unavailable("simt");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const TemporaryFolder folder;
  const std::string data = folder.file("data");
  make_data(data);
  for (const std::string dtype : {"bf16", "f16"}) {
    const std::string run = folder.file(dtype);
    const std::vector<std::string> train = {"train",  "--model", "cbr_tiny", "--data",  data,
                                            "--size", "12",      "--batch",  "6",       "--device",
                                            "simt",   "--dtype", dtype,      "--epochs"};
    const auto with = [&](std::vector<std::string> words) {
      words.insert(words.begin(), train.begin(), train.end());
      return run_tool(words);
    };
    Answer answer = with({"2", "--out", run});
    ASSERT_EQ(answer.status, 0) << answer.err;
    const Answer there = run_tool({"predict", run, data, "--device", "simt", "--dtype", dtype});
    EXPECT_EQ(there.status, 0) << there.err;
    // Features of one type are not taken for those of another.
    const auto embed = [&](const std::string& type) {
      return run_tool({"embed", "--weights", run, "--data", data, "--out", folder.file("features"),
                       "--device", "simt", "--dtype", type});
    };
    EXPECT_EQ(embed("f32").status, 0);
    const Answer made_again = embed(dtype);
    EXPECT_NE(made_again.err.find("is made again; changed: dtype"), std::string::npos)
        << made_again.err;
    std::filesystem::remove(folder.file("features"));
    const Answer here = run_tool({"predict", run, data});  // checks the known answer
    EXPECT_EQ(here.status, 0) << here.err;
    const Answer refused = run_tool({"predict", run, data, "--dtype", dtype, "--device", "cpu"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find("the processor computes in f32 only"), std::string::npos);
  }
}

}  // namespace
}  // namespace lamella
