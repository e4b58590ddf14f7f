#include "train/event_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace lamella {
namespace {

constexpr std::size_t kHead = 12, kTail = 4;  // of a record: length and its sum; sum of the data

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0x82f63b78U : 0U);
    table[byte] = rest;
  }
  return table;
}

std::uint32_t masked_sum(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

// `size` bytes, the lowest first.
std::string bytes_of(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xffU);
  return bytes;
}

std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::string record(const std::string& data) {
  const std::string length = bytes_of(data.size(), 8);
  return length + bytes_of(masked_sum(length), 4) + data + bytes_of(masked_sum(data), 4);
}

// Protobuf: a field is its key, number * 8 + kind, and the value; kind 0 is a varint, 1 eight
// bytes, 2 a varint of the length and so many bytes, 5 four bytes.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7fU) | 0x80U);
  return bytes + static_cast<char>(value);
}

std::string field(char key, const std::string& bytes) {
  return key + varint(bytes.size()) + bytes;
}

std::string wall_time(double time) {
  return '\x09' + bytes_of(std::bit_cast<std::uint64_t>(time), 8);
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) break;
  }
  return value;
}

bool take(std::string_view& bytes, char key) {
  if (!bytes.starts_with(key)) return false;
  bytes.remove_prefix(1);
  return true;
}

// As event_record() writes it; no tag for what else there may be.
Scalar scalar_of(std::string_view data) {
  Scalar scalar;
  data.remove_prefix(std::min<std::size_t>(data.size(), 9));
  if (!take(data, '\x10')) return scalar;
  scalar.step = static_cast<std::int64_t>(take_varint(data));
  for (const char key : {'\x2a', '\x0a', '\x0a'}) {
    if (!take(data, key)) return scalar;
    data = data.substr(0, take_varint(data));
  }
  scalar.tag = data;
  return scalar;
}

// The record at the beginning of `file`, with head and tail; empty where it is not whole.
std::string_view first_record(std::string_view file) {
  if (file.size() < kHead + kTail) return {};
  const std::uint64_t length = number_of(file.substr(0, 8));
  if (length > file.size() - kHead - kTail) return {};
  const bool whole =
      masked_sum(file.substr(0, 8)) == number_of(file.substr(8, 4)) &&
      masked_sum(file.substr(kHead, length)) == number_of(file.substr(kHead + length, kTail));
  return whole ? file.substr(0, kHead + length + kTail) : std::string_view();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t sum = 0xffffffffU;
  for (const char byte : bytes) {
    sum = (sum >> 8) ^ kTable[(sum ^ static_cast<unsigned char>(byte)) & 0xffU];
  }
  return ~sum;
}

std::string event_file_start(double time) {
  return record(wall_time(time) + field('\x1a', "brain.Event:2"));
}

std::string event_record(const Scalar& scalar) {
  const std::string value =
      field('\x0a', scalar.tag) + '\x15' + bytes_of(std::bit_cast<std::uint32_t>(scalar.value), 4);
  return record(wall_time(scalar.time) + '\x10' + varint(static_cast<std::uint64_t>(scalar.step)) +
                field('\x2a', field('\x0a', value)));
}

std::string kept_events(std::string_view file,
                        const std::function<bool(std::int64_t step, std::string_view tag)>& keep) {
  std::string kept;
  for (std::string_view next; !(next = first_record(file)).empty();) {
    const Scalar scalar = scalar_of(next.substr(kHead, next.size() - kHead - kTail));
    if (keep(scalar.step, scalar.tag)) kept += next;
    file.remove_prefix(next.size());
  }
  return kept;
}

}  // namespace lamella
