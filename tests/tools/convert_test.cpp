// Weight files of others go in, and files that others read come out.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/tools/tool_process.h"
#include "tools/npy.h"
#include "weights/durable_file.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

class ConvertTest : public ::testing::Test {
 protected:
  static std::string golden(const std::string& name) {
    return std::string(LAMELLA_WEIGHT_GOLDENS) + "/" + name;
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string rules(const std::string& text) const {
    std::ofstream(file("rules.txt")) << text;
    return file("rules.txt");
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(ConvertTest, WritesWhatPyTorchReadsFromTheSameFile) {
  for (const std::string name : {"zip_training", "legacy_python2", "tar", "zip_types"}) {
    const Answer answer =
        run_tool({"convert", golden(name + ".pt"), "--out", file("o.safetensors"), "--json"});
    ASSERT_EQ(answer.status, 0) << answer.err;
    EXPECT_EQ(answer.err, "");
    const TensorFile out = read_safetensors(file("o.safetensors"));
    const TensorFile expected = read_safetensors(golden(name + ".safetensors"));
    ASSERT_EQ(out.tensors.size(), expected.tensors.size()) << name;
    for (const auto& [key, tensor] : expected.tensors) {
      EXPECT_EQ(out.tensors.at(key).dtype, tensor.dtype) << key;
      EXPECT_EQ(out.tensors.at(key).shape, tensor.shape) << key;
      EXPECT_EQ(out.tensors.at(key).data, tensor.data) << key;
    }
    EXPECT_EQ(out.metadata.at("format"), "pt");
    const Json json = parse_json(answer.out, "stdout");
    EXPECT_EQ(json.begin().key(), "schema");
    EXPECT_EQ(json.at("schema"), "lamella.convert/1");
    EXPECT_EQ(json.at("tensors"), expected.tensors.size());
    EXPECT_EQ(json.at("form"), expected.metadata.at("form"));
    EXPECT_EQ(json.at("entry"), expected.metadata.at("entry"));
  }
}

TEST_F(ConvertTest, ChangesNamesByRules) {
  const std::string map = rules(
      "conv.* -> stem.conv.*\n# the rest\nbn.num_batches_tracked -> -\nbn.* -> stem.bn.*\n"
      "fc.* -> fc.* without row 0 of 2\n");
  const Answer answer =
      run_tool({"convert", golden("zip_nested.pt"), "--out", file("o.safetensors"), "--map", map});
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_NE(answer.out.find("entry model/state_dict"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("dropped: bn.num_batches_tracked"), std::string::npos) << answer.out;
  const TensorFile before = read_safetensors(golden("zip_nested.safetensors")),
                   after = read_safetensors(file("o.safetensors"));
  EXPECT_EQ(after.tensors.size(), before.tensors.size() - 1);
  EXPECT_EQ(after.tensors.at("stem.conv.weight").data, before.tensors.at("conv.weight").data);
  EXPECT_EQ(after.tensors.at("fc.weight").shape, (std::vector<std::int64_t>{1, 3}));
  const auto& all = before.tensors.at("fc.weight").data;
  EXPECT_TRUE(std::equal(all.begin() + 12, all.end(), after.tensors.at("fc.weight").data.begin()));
}

TEST_F(ConvertTest, WeightsOfARunGoOutAndComeBack) {
  make_data(file("data"));
  std::vector<std::string> train = {"train",  "--model", "cbr_tiny", "--data", file("data"),
                                    "--size", "32",      "--batch",  "6",      "--epochs",
                                    "1",      "--out",   file("run")};
  ASSERT_EQ(run_tool(train).status, 0);
  const std::string out = file("o.safetensors");
  ASSERT_EQ(run_tool({"convert", file("run"), "--out", out}).status, 0);
  const TensorFile converted = read_safetensors(out);
  bool filters = false;
  for (const auto& [name, tensor] : converted.tensors) {
    if (tensor.shape.size() != 4) continue;
    filters = true;
    EXPECT_EQ(tensor.shape[2], tensor.shape[3]) << name << " is not [K,C,R,S]";
  }
  EXPECT_TRUE(filters);
  EXPECT_EQ(converted.metadata.at("filters"), "KCRS");
  EXPECT_EQ(converted.metadata.at("format"), "pt");
  tool::NpyArray input{{1, 32, 32, 1}, std::vector<float>(32 * 32)};
  for (std::size_t i = 0; i < input.values.size(); ++i) {
    input.values[i] = static_cast<float>(i % 17) / 8 - 1;
  }
  tool::write_npy(file("in.npy"), input);
  for (const auto& [weights, to] : {std::pair(file("run"), "a.npy"), std::pair(out, "b.npy")}) {
    const Answer answer = run_tool({"forward", "--model", "cbr_tiny", "--classes", "2", "--weights",
                                    weights, "--input", file("in.npy"), "--output", file(to)});
    ASSERT_EQ(answer.status, 0) << answer.err;
  }
  EXPECT_EQ(read_text_file(file("a.npy")), read_text_file(file("b.npy")));
  train.back() = file("again");
  train.insert(train.end(), {"--epochs", "0", "--weights", out});
  const Answer again = run_tool(train);
  ASSERT_EQ(again.status, 0) << again.err;
  const TensorFile first = read_safetensors(file("run/model-best.safetensors")),
                   second = read_safetensors(file("again/model-best.safetensors"));
  for (const auto& [name, tensor] : first.tensors) {
    EXPECT_EQ(second.tensors.at(name).data, tensor.data) << name;
  }
}

TEST_F(ConvertTest, RefusesInASentence) {
  const std::string out = file("o.safetensors");
  const std::vector<std::string> bad[] = {{"convert"},
                                          {"convert", golden("tar.pt")},
                                          {"convert", golden("tar.pt"), "--out", file("o.pt")}};
  for (const auto& arguments : bad) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 2) << answer.err;
    EXPECT_EQ(answer.out, "");
  }
  const std::pair<std::vector<std::string>, const char*> failing[] = {
      {{"convert", file("absent.pt"), "--out", out}, "cannot read"},
      {{"convert", golden("refused/zip_code.pt"), "--out", out}, "posix.system"},
      {{"convert", golden("refused/ambiguous.pt"), "--out", out}, "--entry"},
      {{"convert", golden("tar.pt"), "--out", out, "--map", "densenet_bc_cifar"}, "fits the rule"},
      {{"convert", golden("tar.pt"), "--out", out, "--map", file("none.txt")}, "none.txt"},
      {{"convert", golden("tar.pt"), "--out", out, "--map", rules("a b -> c")}, "rules.txt:1"}};
  for (const auto& [arguments, words] : failing) {
    const Answer answer = run_tool(arguments);
    EXPECT_EQ(answer.status, 1) << answer.err;
    EXPECT_NE(answer.err.find(words), std::string::npos) << answer.err;
  }
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_EQ(run_tool({"convert", golden("refused/ambiguous.pt"), "--out", out, "--entry", "critic"})
                .status,
            0);
  std::filesystem::copy_file(golden("tar.safetensors"), file("same.safetensors"));
  EXPECT_EQ(
      run_tool({"convert", file("same.safetensors"), "--out", file("same.safetensors")}).status, 2);
}

TEST_F(ConvertTest, InspectDescribesACheckpoint) {
  const Answer answer = run_tool({"inspect", golden("zip_mixed.pt"), "--json"});
  ASSERT_EQ(answer.status, 0) << answer.err;
  const Json json = parse_json(answer.out, "stdout");
  EXPECT_EQ(json.at("form"), "PyTorch zip");
  EXPECT_EQ(json.at("skipped"), Json({"version", "extra"}));
  EXPECT_EQ(json.at("elements"), 6);
}

TEST_F(ConvertTest, ARealCheckpointGetsTorchvisionsNames) {
  const char* data = std::getenv("LAMELLA_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAMELLA_TEST_DATA is not set";
  const std::string in = std::string(data) + "/weights/densenet_bc_100_12_cifar10.pth.tar";
  const Answer answer = run_tool({"convert", in, "--out", file("o.safetensors"), "--map",
                                  "densenet_bc_cifar", "--json", file("o.json")});
  ASSERT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(read_json(file("o.json")).at("renamed"), 596);
  const TensorFile out = read_safetensors(file("o.safetensors"));
  EXPECT_EQ(out.tensors.size(), 596U);
  EXPECT_EQ(out.tensors.at("features.conv0.weight").shape,
            (std::vector<std::int64_t>{24, 3, 3, 3}));
  EXPECT_EQ(out.tensors.at("features.denseblock3.denselayer16.conv1.weight").shape,
            (std::vector<std::int64_t>{48, 330, 1, 1}));
  for (const char* name :
       {"features.denseblock1.denselayer1.norm1.running_var", "features.transition2.norm.bias",
        "features.transition2.conv.weight", "features.norm5.weight", "classifier.bias"}) {
    EXPECT_TRUE(out.tensors.contains(name)) << name;
  }
}

}  // namespace
}  // namespace lamella
