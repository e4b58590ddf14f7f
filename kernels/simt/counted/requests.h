// Puts the accesses of the lanes of a warp together into requests: the lanes at the same source
// access with equal iteration counts of all enclosing loops. Lanes run one after another, so each
// keeps a log; the logs are merged when the warp rests.
//
// Loops are seen from outside: the compiler lays blocks of code out in source order, so a jump to a
// lower address is a loop's, to its head; its end is the highest address a jump to that head ever
// came from.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace lamella::simt {

struct LogEntry {
  // The access's site, or kJump.
  std::uint32_t site;
  // Of an access the block of code it is in, of a jump the one jumped from.
  std::uint32_t block;
  // Of an access the address, of a jump the block jumped to and, from bit 32, how often in a row.
  std::uint64_t address;
  static constexpr std::uint32_t kJump = ~std::uint32_t{0};
  static constexpr std::uint64_t kOnce = std::uint64_t{1} << 32U;
  std::uint32_t target() const { return static_cast<std::uint32_t>(address); }
  std::uint64_t times() const { return address / kOnce; }
};

// Lanes at one access. Addresses of lanes that take no part are undefined.
struct Request {
  std::uint64_t key;
  std::uint32_t site, lanes;
  std::uint64_t address[32];
};

// Aligned 32-byte pieces of memory touched by a request whose lanes access `bytes` each, and how
// many would do if what it touches lay together.
struct Sectors {
  unsigned count, least;
};
Sectors count_sectors(const Request& request, unsigned bytes);

// Passes over the 32 banks of 4 bytes: lanes of a quarter warp (16-byte accesses), a half warp
// (8-byte) or a warp go together, and a bank gives one word in each pass. `least` is the number
// without conflicts.
struct Wavefronts {
  unsigned count, least;
};
Wavefronts count_wavefronts(const Request& request, unsigned bytes);

// A lane's log and the loops it is in.
class LaneLog {
 public:
  void restart();
  // The lane enters the block of code at `block` (an offset in the library).
  void enter_block(std::uint32_t block) {
    if (block <= block_) jump(block);
    block_ = block;
  }
  void access(std::uint32_t site, std::uint64_t address) {
    entries_.push_back({site, block_, address});
  }

 private:
  friend class RequestMerger;
  void jump(std::uint32_t block) {
    if (!entries_.empty()) {  // loops without accesses leave one entry
      LogEntry& last = entries_.back();
      if (last.site == LogEntry::kJump && last.block == block_ && last.target() == block) {
        last.address += LogEntry::kOnce;
        return;
      }
    }
    entries_.push_back({LogEntry::kJump, block_, LogEntry::kOnce | block});
  }
  void leave_loops(std::uint32_t block) {
    while (!loops_.empty() && (block < loops_.back().head || block > loops_.back().end)) {
      loops_.pop_back();
    }
  }
  struct Loop {
    std::uint32_t head, end;
    std::uint64_t count, key;  // key: of this loop's and all outer counts
  };
  std::vector<LogEntry> entries_;
  std::vector<Loop> loops_;
  std::uint32_t block_ = 0;
};

class RequestMerger {
 public:
  // The requests of the lanes' logs, which are empty afterwards. Valid until the next call.
  const std::vector<Request>& merge(LaneLog* lanes, unsigned count);

 private:
  void add_lane(LaneLog& log, unsigned lane);
  void jump(LaneLog& log, const LogEntry& entry);
  void add(const LogEntry& entry, std::uint64_t key, unsigned lane);

  std::vector<std::uint32_t> loop_ends_;  // by head
  std::vector<Request> requests_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;  // by key
  std::size_t cursor_ = 0;  // where the next access of this lane is expected
};

}  // namespace lamella::simt
