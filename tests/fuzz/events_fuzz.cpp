// An event file, cut back as a run that goes on does it. The checksums are put right first: with
// wrong ones hardly any change would get beyond them.
#include <bit>
#include <cstdlib>
#include <cstring>
#include <string>

#include "train/event_file.h"

namespace {

constexpr std::size_t kHead = 12, kTail = 4;  // of a record, around its data

void put_sum(char* to, std::string_view bytes) {
  const std::uint32_t sum = std::rotr(lamella::crc32c(bytes), 15) + 0xa282ead8U;
  std::memcpy(to, &sum, sizeof sum);
}

void mend_checksums(std::string& file) {
  std::size_t at = 0;
  while (file.size() - at >= kHead + kTail) {
    std::uint64_t length = 0;
    std::memcpy(&length, &file[at], sizeof length);
    if (length > file.size() - at - kHead - kTail) return;
    put_sum(&file[at + 8], std::string_view(file).substr(at, 8));
    put_sum(&file[at + kHead + length], std::string_view(file).substr(at + kHead, length));
    at += kHead + length + kTail;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  mend_checksums(file);
  std::size_t records = 0;
  const std::string all = lamella::kept_events(file, [&](std::int64_t, std::string_view) {
    ++records;
    return true;
  });
  if (!file.starts_with(all) || records > size / (kHead + kTail)) std::abort();
  const auto early = [](std::int64_t step, std::string_view tag) {
    return step < 2 || tag.empty();
  };
  const std::string kept = lamella::kept_events(file, early);
  if (lamella::kept_events(kept, early) != kept) std::abort();
  return 0;
}
