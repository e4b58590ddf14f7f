#include "tests/weights/hostile.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/errors.h"
#include "weights/memory_budget.h"
#include "weights/read_weights.h"

namespace {

std::atomic<std::size_t> live{0}, peak{0};

}  // namespace

// Counts what is allocated, in this program and in the library.
void* operator new(std::size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t now = live += malloc_usable_size(memory);
  if (now > peak) peak = now;
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) live -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

namespace lamella {

std::string read_hostile(const std::string& bytes) {
  constexpr std::size_t kWindows = std::size_t{160} << 10U;  // buffers, the sentence
  const std::string name = "hostile.pt";
  std::string sentence;
  const std::size_t before = live;
  peak = before;
  try {
    parse_weights(std::as_bytes(std::span(bytes)), name);
  } catch (const Error& error) {
    sentence = error.what();
  }
  EXPECT_LE(peak - before, 2 * bytes.size() + MemoryBudget::kSlack + kWindows);
  if (!sentence.empty()) {
    EXPECT_EQ(sentence.rfind(name, 0), 0U) << sentence;
  }
  return sentence;
}

std::string repeated(const std::string& piece, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += piece;
  return all;
}

std::string pickled_text(const std::string& text) {
  return "X" + raw(static_cast<std::uint32_t>(text.size())) + text;
}

std::string pickled_int(std::int64_t value) {
  return "\x8a\x08" + raw(value);  // LONG1
}

std::string pickled_tuple(const std::vector<std::int64_t>& values) {
  std::string pickle = "(";
  for (const std::int64_t value : values) pickle += pickled_int(value);
  return pickle + "t";
}

std::string pickled_tensor(std::int64_t offset, const std::vector<std::int64_t>& shape,
                           const std::vector<std::int64_t>& strides, std::int64_t elements) {
  const std::string storage = "(" + pickled_text("storage") + "ctorch\nFloatStorage\n" +
                              pickled_text("0") + pickled_text("cpu") + pickled_int(elements) +
                              "tQ";
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + pickled_int(offset) +
         pickled_tuple(shape) + pickled_tuple(strides) + "\x89" + "}tR";
}

std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string pickle = "\x80\x02}(";
  for (const auto& [key, value] : entries) pickle += pickled_text(key) + value;
  return pickle + "u.";
}

std::string legacy_file(const std::string& pickle, const std::vector<std::string>& keys,
                        const std::string& storages) {
  std::string file = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  file += "\x80\x02M\xe9\x03.";
  file += "\x80\x02}" + pickled_text("little_endian") + "\x88s.";
  file += pickle + "\x80\x02](";
  for (const std::string& key : keys) file += pickled_text(key);
  return file + "e." + storages;
}

void ZipFile::add(const ZipMember& member) {
  const auto bytes = static_cast<std::uint32_t>(member.data.size());
  add_row(member.name, bytes, static_cast<std::uint32_t>(data.size()));
  data += "PK\x03\x04" + raw<std::uint16_t>(10) + repeated(std::string(1, '\0'), 12) + raw(bytes) +
          raw(bytes) + raw(static_cast<std::uint16_t>(member.name.size())) + raw<std::uint16_t>(0) +
          member.name + member.data;
}

void ZipFile::add_row(const std::string& name, std::uint32_t bytes, std::uint32_t offset,
                      std::uint16_t method, std::uint16_t flags) {
  directory += "PK\x01\x02" + raw<std::uint32_t>(0) + raw(flags) + raw(method) +
               raw<std::uint64_t>(0) + raw(bytes) + raw(bytes) +
               raw(static_cast<std::uint16_t>(name.size())) + repeated(std::string(1, '\0'), 12) +
               raw(offset) + name;
  ++members;
}

std::string ZipFile::bytes() const {
  return data + directory + "PK\x05\x06" + raw<std::uint32_t>(0) + raw(members) + raw(members) +
         raw(static_cast<std::uint32_t>(directory.size())) +
         raw(static_cast<std::uint32_t>(data.size())) + raw<std::uint16_t>(0);
}

ZipFile good_zip() {
  ZipFile zip;
  zip.add({"a/data.pkl", pickled_dict({{"w", pickled_tensor(0, {2}, {1}, 2)}})});
  zip.add({"a/data/0", std::string(8, '\x01')});
  return zip;
}

}  // namespace lamella
