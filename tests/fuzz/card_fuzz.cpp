// What lamella writes into safetensors files: cards, preprocessing, checkpoints, features. The
// bytes are the JSON header up to the first zero, then the data; the header's length is put before
// them.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "io/preprocess.h"
#include "tests/fuzz/attempt.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint.h"
#include "train/features.h"

using namespace lamella;

namespace {

std::vector<char> as_safetensors(const std::uint8_t* data, std::size_t size) {
  const auto header =
      static_cast<std::uint64_t>(std::find(data, data + size, std::uint8_t{0}) - data);
  std::vector<char> file(sizeof header);
  std::memcpy(file.data(), &header, sizeof header);
  file.insert(file.end(), data, data + header);
  if (header < size) file.insert(file.end(), data + header + 1, data + size);
  return file;
}

void read_preprocessing(const TensorFile& file) {
  const Preprocess preprocess = preprocess_from_metadata(file.metadata);
  if (describe(preprocess).empty()) std::abort();
  if (preprocess_from_metadata(to_metadata(preprocess)) != preprocess) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder;
  static const std::string path = folder.file("checkpoint-last.safetensors");
  const std::vector<char> bytes = as_safetensors(data, size);
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  attempt([&] {
    const TensorFile file = read_safetensors(path);
    attempt([&] { read_card(file, "fuzz"); });
    attempt([&] { read_preprocessing(file); });
    attempt([&] { state_of(file, "fuzz"); });
    bit_differences(file, {});
  });
  attempt([&] { read_features(path); });
  attempt([&] { read_newest_checkpoint(folder.path()); });
  return 0;
}
