// safetensors files: an 8-byte little-endian header length, a JSON header, the raw tensors.
// https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lamella {

inline constexpr std::size_t kMaxRank = 8;  // dimensions of a tensor that can be read

// Bytes per element of a type as StoredTensor names it; 0 for one the format does not have.
std::size_t dtype_bytes(std::string_view dtype);

struct StoredTensor {
  std::string dtype;  // as in the file: "F32", "F16", "BF16", "I32", "I64", "U8", …
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  std::int64_t count() const;
  std::vector<float> to_f32() const;  // F32, F16, BF16, F64 (rounded); Error for any other
  static StoredTensor from_f32(const std::vector<float>& values, std::vector<std::int64_t> shape);
};

struct TensorFile {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> metadata;  // __metadata__
};

// Reads a whole file. Header lengths, offsets, shapes and types are checked against the file's
// length before memory is taken: a hostile file costs no more than twice its length. Throws Error
// that names the file and what is wrong.
TensorFile read_safetensors(const std::string& path);
// The same from memory; `name` stands for the file in errors.
TensorFile parse_safetensors(const std::byte* data, std::size_t bytes, const std::string& name);

// Writes to a temporary name beside `path`, flushes file and folder, then renames: `path` holds the
// old file or the new one, whole, at any instant. Throws Error that names the file and the reason.
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace lamella
