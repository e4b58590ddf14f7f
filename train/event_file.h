// Event files, which TensorBoard draws: the scalars of a run over its steps. A file is a sequence
// of records (TensorFlow, "TFRecord and tf.train.Example": length, CRC-32C of the length, data,
// CRC-32C of the data; checksums masked), each of them one protobuf message of event.proto. The
// first names the version. Only scalars are written here, one to a record.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace lamella {

struct Scalar {
  double time = 0;  // seconds since 1970
  std::int64_t step = 0;
  std::string tag;
  float value = 0;
};

// What a file begins with.
std::string event_file_start(double time);
std::string event_record(const Scalar& scalar);

// Of a file as text, the records that are whole, up to the first that is not, and that `keep`
// wants by step and tag; what begins the file has step 0 and no tag.
std::string kept_events(std::string_view file,
                        const std::function<bool(std::int64_t step, std::string_view tag)>& keep);

// CRC-32C (Castagnoli; RFC 3720, section 12.1).
std::uint32_t crc32c(std::string_view bytes);

}  // namespace lamella
