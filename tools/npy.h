// numpy's .npy files, f32 in C order: versions 1.0 and 2.0 read, 1.0 written.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lamella::tool {

struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// Throw Error that names the file for anything but a little-endian f32 array in C order whose shape
// is exactly what the file holds. Memory: at most twice the file.
NpyArray parse_npy(const std::byte* data, std::size_t bytes, const std::string& name);
NpyArray read_npy(const std::string& path);
// Replaces `path` by a rename. Throws Error.
void write_npy(const std::string& path, const NpyArray& array);

}  // namespace lamella::tool
