// Bytes that try to harm a reader of weight files, and what they did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lamella {

// Reads the bytes as a weight file. Returns the sentence that refuses them, empty where they were
// read. Fails the test when that took more memory than twice the bytes and the readers' allowance,
// or when the sentence does not name the file.
std::string read_hostile(const std::string& bytes);

// A number as it lies in memory.
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string repeated(const std::string& piece, std::size_t times);

// --- pickles ------------------------------------------------------------------------------------
std::string pickled_text(const std::string& text);
std::string pickled_int(std::int64_t value);
// (size..., ) as a tuple.
std::string pickled_tuple(const std::vector<std::int64_t>& values);
// A tensor of f32 in storage "0", which has `elements` elements.
std::string pickled_tensor(std::int64_t offset, const std::vector<std::int64_t>& shape,
                           const std::vector<std::int64_t>& strides, std::int64_t elements);
// {"w": value}, or what else the keys and values are, complete with the end.
std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& entries);

// --- checkpoints
// ---------------------------------------------------------------------------------- A file of the
// older form around a pickle. Its storages follow as they are, their keys as a list.
std::string legacy_file(const std::string& pickle, const std::vector<std::string>& keys = {},
                        const std::string& storages = "");
struct ZipMember {
  std::string name, data;
};
// A zip archive; `directory` is changed by the caller's function before it is written.
struct ZipFile {
  std::string data, directory;
  std::uint16_t members = 0;
  void add(const ZipMember& member);
  // An entry of the directory alone.
  void add_row(const std::string& name, std::uint32_t bytes, std::uint32_t offset,
               std::uint16_t method = 0, std::uint16_t flags = 0);
  std::string bytes() const;
};
// A checkpoint with one tensor of two elements.
ZipFile good_zip();

}  // namespace lamella
