#include "weights/read_weights.h"

#include <vector>

#include "engine/errors.h"
#include "weights/byte_source.h"
#include "weights/torch_checkpoint.h"
#include "weights/torch_tar.h"

namespace lamella {
namespace {

// safetensors begin with the length of a JSON header, whose first byte is the ninth.
bool looks_like_safetensors(const ByteSource& source) {
  if (source.size() < 9) return false;
  ByteReader reader(source, 8, 9);
  return reader.byte() == '{';
}

// Reads every form but safetensors.
TensorFile read_torch(const ByteSource& source, const std::string& entry, ReadReport& report) {
  if (ZipArchive::looks_like_one(source)) return read_torch_zip(source, entry, report);
  if (looks_like_tar(source)) return read_torch_tar(source, entry, report);
  if (looks_like_pickle(source)) return read_torch_legacy(source, entry, report);
  fail(source.name(), ": no weight file: neither safetensors nor written by torch.save");
}

}  // namespace

TensorFile read_weights(const std::string& path, const std::string& entry, ReadReport* report) {
  ReadReport unwanted;
  ReadReport& found = report == nullptr ? unwanted : *report;
  const ByteSource source(path);
  if (!looks_like_safetensors(source)) return read_torch(source, entry, found);
  found.form = "safetensors";
  return read_safetensors(path);
}

TensorFile parse_weights(std::span<const std::byte> bytes, const std::string& name,
                         const std::string& entry, ReadReport* report) {
  ReadReport unwanted;
  ReadReport& found = report == nullptr ? unwanted : *report;
  const ByteSource source(bytes, name);
  if (!looks_like_safetensors(source)) return read_torch(source, entry, found);
  found.form = "safetensors";
  return parse_safetensors(bytes.data(), bytes.size(), name);
}

}  // namespace lamella
