// Checkpoints of every form are read as PyTorch reads them, or refused in a sentence. The files and
// what they hold are made by make_goldens.py.
#include "weights/read_weights.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "engine/errors.h"
#include "tests/support/temporary_folder.h"

namespace lamella {
namespace {

const std::string kGoldens = LAMELLA_WEIGHT_GOLDENS;

std::string refusal(const std::string& file, const std::string& entry = "") {
  try {
    read_weights(file, entry);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

TEST(ReadWeights, ReadsWhatPyTorchReads) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGoldens)) {
    if (entry.path().extension() != ".pt") continue;
    SCOPED_TRACE(entry.path().filename());
    ++files;
    ReadReport report;
    const TensorFile read = read_weights(entry.path().string(), "", &report);
    std::filesystem::path golden = entry.path();
    const TensorFile expected = read_weights(golden.replace_extension(".safetensors").string());
    EXPECT_EQ(report.form, expected.metadata.at("form"));
    EXPECT_EQ(report.entry, expected.metadata.at("entry"));
    EXPECT_EQ(joined(report.skipped), expected.metadata.at("skipped"));
    EXPECT_EQ(read.tensors.size(), expected.tensors.size());
    for (const auto& [name, tensor] : expected.tensors) {
      const auto found = read.tensors.find(name);
      ASSERT_NE(found, read.tensors.end()) << name;
      EXPECT_EQ(found->second.dtype, tensor.dtype) << name;
      EXPECT_EQ(found->second.shape, tensor.shape) << name;
      EXPECT_EQ(found->second.data, tensor.data) << name;
    }
  }
  EXPECT_GE(files, 15);
}

TEST(ReadWeights, RefusesWhatItCannotReadInASentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"zip_code.pt", "Python object of posix.system, which is not among those"},
      {"legacy_code.pt", "Python object of posix.system, which is not among those"},
      {"whole_model.pt", "Python object of torch.nn.modules.linear.Linear"},
      {"compressed.pt", "is compressed"},
      {"zip_big_endian.pt", "big-endian"},
      {"legacy_big_endian.pt", "big-endian"},
      {"torchscript.pt", "TorchScript"},
      {"ambiguous.pt", "several of its entries hold tensors: 'generator' 'critic'"},
      {"no_weights.pt", "no dictionary of tensors among its entries: 'epoch' 'lr'"},
      {"complex.pt", "torch.ComplexFloatStorage"},
      {"list.pt", "no dictionary of tensors"},
      {"pickle_only.pt", "a pickle, but no checkpoint"},
  };
  for (const auto& [file, words] : cases) {
    const std::string path = kGoldens + "/refused/" + file, sentence = refusal(path);
    EXPECT_NE(sentence.find(words), std::string::npos) << file << ": " << sentence;
    EXPECT_EQ(sentence.rfind(path, 0), 0U) << sentence;
  }
  EXPECT_NE(refusal(kGoldens + "/absent.pt").find("cannot read"), std::string::npos);
  EXPECT_NE(refusal(kGoldens).find("it is no file"), std::string::npos);
  EXPECT_NE(refusal(std::string(LAMELLA_WEIGHT_GOLDENS) + "/../make_goldens.py").find("no weight"),
            std::string::npos);
}

TEST(ReadWeights, TakesTheEntryThatIsNamed) {
  const std::string path = kGoldens + "/refused/ambiguous.pt";
  ReadReport report;
  EXPECT_EQ(read_weights(path, "critic", &report).tensors.size(), 1U);
  EXPECT_EQ(report.entry, "critic");
  EXPECT_NE(refusal(path, "encoder").find("no dictionary 'encoder' among its entries: 'generator'"),
            std::string::npos);
}

TEST(ReadWeights, ReadsARealCheckpoint) {
  const char* data = std::getenv("LAMELLA_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAMELLA_TEST_DATA is not set";
  ReadReport report;
  const TensorFile file =
      read_weights(std::string(data) + "/weights/densenet_bc_100_12_cifar10.pth.tar", "", &report);
  EXPECT_EQ(report.form, "PyTorch zip");
  EXPECT_EQ(report.entry, "state_dict");
  ASSERT_EQ(file.tensors.size(), 596U);
  // d = torch.load(FILE, weights_only=False)["state_dict"]; d[name].double().sum()
  const std::pair<const char*, double> sums[] = {
      {"conv1.weight", -2.160607225378044},
      {"block2.layer.7.conv2.weight", -39.47006330198201},
      {"trans2.bn1.running_var", 48.5662294216454},
      {"fc.weight", -0.0009200266656765876}};
  for (const auto& [name, expected] : sums) {
    const std::vector<float> values = file.tensors.at(name).to_f32();
    EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0), expected, 1e-12) << name;
  }
  std::int64_t batches = 0;
  const StoredTensor& counter = file.tensors.at("bn1.num_batches_tracked");
  ASSERT_EQ(counter.dtype, "I64");
  std::memcpy(&batches, counter.data.data(), sizeof batches);
  EXPECT_EQ(batches, 78200);
}

}  // namespace
}  // namespace lamella
