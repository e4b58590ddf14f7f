// The safetensors format: what is written is read back, and no bytes crash, hang or cost memory.
#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "engine/errors.h"
#include "engine/rng.h"
#include "tests/support/temporary_folder.h"

namespace lamella {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

// A file from a header and the number of data bytes behind it.
std::vector<std::byte> file_of(const std::string& header, std::size_t data) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return bytes_of(file + header + std::string(data, '\x01'));
}

TensorFile parse(const std::vector<std::byte>& bytes) {
  return parse_safetensors(bytes.data(), bytes.size(), "test.safetensors");
}

// The sentence that refuses these bytes; empty where they are accepted.
std::string refusal(const std::vector<std::byte>& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TensorFile example() {
  TensorFile file;
  file.tensors["b"] = StoredTensor::from_f32({1.5F, -2, 3}, {3});
  file.tensors["a.weight"] = StoredTensor::from_f32({1, 2, 3, 4, 5, 6}, {2, 3, 1});
  file.tensors["none"] = StoredTensor::from_f32({}, {0, 7});
  file.tensors["scalar"] = StoredTensor::from_f32({9}, {});
  file.tensors["odd"] = {"U8", {3}, bytes_of("abc")};
  file.metadata = {{"key", "value with \"quotes\" and \n"}, {"µ", "–"}};
  return file;
}

std::vector<std::byte> example_bytes() {
  const TemporaryFolder folder;
  write_safetensors(folder.file("x.safetensors"), example());
  std::ifstream in(folder.file("x.safetensors"), std::ios::binary);
  return bytes_of(std::string(std::istreambuf_iterator<char>(in), {}));
}

TEST(Safetensors, ReadsWhatItWrote) {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.safetensors");
  write_safetensors(path, example());
  const TensorFile read = read_safetensors(path), expected = example();
  EXPECT_EQ(read.metadata, expected.metadata);
  ASSERT_EQ(read.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors) {
    EXPECT_EQ(read.tensors.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(read.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(read.tensors.at(name).data, tensor.data) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1)
      << "a temporary file was left behind";
}

TEST(Safetensors, ReadsHalfTypesExactly) {
  // 1, -2, smallest subnormal, infinity as f16; 1, -2 as bf16.
  const StoredTensor half{"F16", {4}, bytes_of(std::string("\x00\x3c\x00\xc0\x01\x00\x00\x7c", 8))};
  EXPECT_EQ(half.to_f32(), (std::vector<float>{1, -2, 0x1p-24F, INFINITY}));
  const StoredTensor brain{"BF16", {2}, bytes_of(std::string("\x80\x3f\x00\xc0", 4))};
  EXPECT_EQ(brain.to_f32(), (std::vector<float>{1, -2}));
  const StoredTensor integers{"I32", {1}, bytes_of("abcd")};
  EXPECT_THROW(integers.to_f32(), Error);
}

TEST(Safetensors, ReplacesAFileOnlyWhenTheNewOneIsWhole) {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.safetensors");
  write_safetensors(path, example());
  TensorFile wrong = example();
  wrong.tensors["b"].data.pop_back();
  EXPECT_THROW(write_safetensors(path, wrong), Error);
  EXPECT_EQ(read_safetensors(path).tensors.size(), example().tensors.size());
  EXPECT_THROW(write_safetensors(folder.file("no/such/folder.safetensors"), example()), Error);
  EXPECT_THROW(read_safetensors(folder.file("absent.safetensors")), Error);
  EXPECT_THROW(read_safetensors(folder.path()), Error) << "a folder is no file";
}

struct Hostile {
  const char* header;
  std::size_t data;
  const char* complaint;
};

TEST(Safetensors, RefusesLyingHeaders) {
  const Hostile cases[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "need 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "end at byte 4 of 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "ends at 0"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "lies outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "lies outside"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808]}})", 4, "outside"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", 4, "2^62"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615,0],"data_offsets":[0,4]}})", 4,
       "need 0"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "ends at 4"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
       4, "appears twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "appears twice"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "appears twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "appears twice"},
      {R"({"__metadata__":{"a":1}})", 0, "is a number"},
      {R"({"__metadata__":{"a":{}}})", 0, "is an object"},
      {R"({"__metadata__":"text"})", 0, "is a string"},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown type 'F31'"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "fraction"},
      {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4,
       "fraction"},
      {R"({"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}})", 4, "is null"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "is an array"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
       "more than 8"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
      {R"({"a":{}})", 4, "lacks"},
      {R"({"a":3})", 4, "is a number"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":{}}})", 4, "is an object"},
      {"[]", 0, "not a safetensors file"},
      {"{", 0, "not valid JSON"},
      {R"({"a)", 0, "not valid JSON"},
      {"{\"\xff\xfe\":1}", 0, "not valid JSON"},
      {"{} {}", 0, "not valid JSON"},
  };
  for (const Hostile& hostile : cases) {
    const std::string sentence = refusal(file_of(hostile.header, hostile.data));
    EXPECT_NE(sentence.find(hostile.complaint), std::string::npos)
        << hostile.header << "\n  -> '" << sentence << "'";
    EXPECT_EQ(sentence.rfind("test.safetensors", 0), 0U) << sentence;
  }
}

TEST(Safetensors, RefusesDeepNestingAtOnce) {
  const std::string deep(std::size_t{10} << 20U, '[');
  EXPECT_NE(refusal(file_of(R"({"a":)" + deep, 0)), "");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_NE(refusal(file_of(objects, 0)), "");
}

TEST(Safetensors, RefusesFilesThatAreCutOff) {
  const std::vector<std::byte> whole = example_bytes();
  EXPECT_EQ(refusal(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}), "")
        << length << " bytes of " << whole.size();
  }
  const std::vector<std::byte> huge =
      bytes_of(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  EXPECT_NE(refusal(huge).find("cut off"), std::string::npos);
}

TEST(Safetensors, SurvivesRandomDamage) {
  const std::vector<std::byte> whole = example_bytes();
  Rng rng(1, RngStream::Test);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> damaged = whole;
    for (std::uint32_t i = 0, flips = 1 + rng.below(4); i < flips; ++i) {
      const std::uint32_t at = rng.below(static_cast<std::uint32_t>(damaged.size()));
      damaged[at] = static_cast<std::byte>(rng.below(256));
    }
    refused += refusal(damaged).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 10'000) << "most damage hits the header, which is checked";
}

}  // namespace
}  // namespace lamella
