// Merging of logs, sectors and wavefronts.
#include "kernels/simt/counted/requests.h"

#include <algorithm>
#include <bit>

namespace lamella::simt {
namespace {

constexpr std::uint64_t kOutside = 0x243F6A8885A308D3U;  // key outside all loops

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t h = (a ^ (b + 0x9E3779B97F4A7C15U + (a << 6U) + (a >> 2U))) * 0xBF58476D1CE4E5B9U;
  return h ^ (h >> 29U);
}

// The distinct values among `count`; sorts them.
unsigned count_distinct(std::uint64_t* values, unsigned count) {
  if (!std::is_sorted(values, values + count)) std::sort(values, values + count);
  return static_cast<unsigned>(std::unique(values, values + count) - values);
}

}  // namespace

Sectors count_sectors(const Request& request, unsigned bytes) {
  std::uint64_t addresses[32], sectors[64];
  unsigned lanes_with = 0, count = 0;
  for (unsigned lanes = request.lanes; lanes != 0; lanes &= lanes - 1) {
    addresses[lanes_with++] = request.address[std::countr_zero(lanes)];
  }
  // Accesses of one width are the same bytes or others: a misaligned one is a finding.
  lanes_with = count_distinct(addresses, lanes_with);
  for (unsigned i = 0; i < lanes_with; ++i) {
    sectors[count++] = addresses[i] / 32;
    const std::uint64_t last = (addresses[i] + bytes - 1) / 32;
    if (last != sectors[count - 1]) sectors[count++] = last;
  }
  return {count_distinct(sectors, count), (lanes_with * bytes + 31) / 32};
}

Wavefronts count_wavefronts(const Request& request, unsigned bytes) {
  const unsigned lanes_together = bytes == 16 ? 8 : bytes == 8 ? 16 : 32;
  const unsigned words_of_lane = std::max(1U, bytes / 4);
  Wavefronts wavefronts{0, 0};
  for (unsigned first = 0; first < 32; first += lanes_together) {
    std::uint64_t words[32];
    unsigned count = 0;
    for (unsigned lane = first; lane < first + lanes_together; ++lane) {
      if ((request.lanes >> lane & 1U) == 0) continue;
      for (unsigned i = 0; i < words_of_lane; ++i) {
        words[count++] = request.address[lane] / 4 + i;
      }
    }
    if (count == 0) continue;
    unsigned of_bank[32] = {}, most = 0;
    count = count_distinct(words, count);
    for (unsigned i = 0; i < count; ++i) most = std::max(most, ++of_bank[words[i] % 32]);
    wavefronts.count += most;
    ++wavefronts.least;
  }
  return wavefronts;
}

void LaneLog::restart() {
  entries_.clear();
  loops_.clear();
  block_ = 0;
}

const std::vector<Request>& RequestMerger::merge(LaneLog* lanes, unsigned count) {
  requests_.clear();
  index_.clear();
  for (unsigned lane = 0; lane < count; ++lane) {
    for (const LogEntry& entry : lanes[lane].entries_) {
      if (entry.site != LogEntry::kJump) continue;
      if (entry.target() >= loop_ends_.size()) loop_ends_.resize(entry.target() + 1U);
      std::uint32_t& end = loop_ends_[entry.target()];
      end = std::max(end, entry.block);
    }
  }
  for (unsigned lane = 0; lane < count; ++lane) add_lane(lanes[lane], lane);
  return requests_;
}

void RequestMerger::add_lane(LaneLog& log, unsigned lane) {
  constexpr std::size_t kKept = 1U << 12U;  // a thousand lanes do not all keep long logs
  cursor_ = 0;
  for (LaneLog::Loop& loop : log.loops_) loop.end = loop_ends_[loop.head];
  for (const LogEntry& entry : log.entries_) {
    if (entry.site == LogEntry::kJump) {
      jump(log, entry);
    } else {
      log.leave_loops(entry.block);
      add(entry, mix(log.loops_.empty() ? kOutside : log.loops_.back().key, entry.site), lane);
    }
  }
  log.entries_.clear();
  if (log.entries_.capacity() > kKept) log.entries_.shrink_to_fit();
}

void RequestMerger::jump(LaneLog& log, const LogEntry& entry) {
  const std::uint32_t to = entry.target();
  log.leave_loops(entry.block);
  while (!log.loops_.empty() && log.loops_.back().head > to) log.loops_.pop_back();
  log.leave_loops(to);
  if (log.loops_.empty() || log.loops_.back().head != to) {
    log.loops_.push_back({to, loop_ends_[to], 0, 0});
  }
  LaneLog::Loop& loop = log.loops_.back();
  loop.count += entry.times();
  const std::size_t depth = log.loops_.size();
  const std::uint64_t outer = depth < 2 ? kOutside : log.loops_[depth - 2].key;
  loop.key = mix(mix(outer, loop.head), loop.count);
}

void RequestMerger::add(const LogEntry& entry, std::uint64_t key, unsigned lane) {
  for (;; key = mix(key, 1)) {  // a lane may come twice: each time is a request of its own
    std::size_t at = cursor_;
    if (at >= requests_.size() || requests_[at].key != key) {
      const auto [it, is_new] =
          index_.try_emplace(key, static_cast<std::uint32_t>(requests_.size()));
      at = it->second;
      if (is_new) requests_.push_back({key, entry.site, 0, {}});
    }
    Request& request = requests_[at];
    if ((request.lanes >> lane & 1U) != 0) continue;
    request.lanes |= 1U << lane;
    request.address[lane] = entry.address;
    cursor_ = at + 1;
    return;
  }
}

}  // namespace lamella::simt
