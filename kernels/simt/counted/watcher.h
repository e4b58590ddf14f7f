// Watches every access of a launch: says what memory it is to, checks it, and logs it for the
// requests of its warp. There is one watcher in the process; launches under it take turns.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "kernels/simt/counted/ledger.h"
#include "kernels/simt/counted/races.h"
#include "kernels/simt/counted/requests.h"
#include "kernels/simt/counted/shadow.h"
#include "kernels/simt/counted/sites.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/scheduler.h"

namespace lamella::simt {

class Watcher;

// What every callback asks first: is the address on the running thread's own stack (most are), and
// is the running code a kernel that is watched? Null when not.
extern constinit thread_local Fibre::Stack own_stack __attribute__((tls_model("initial-exec")));
extern constinit thread_local Watcher* watching __attribute__((tls_model("initial-exec")));

struct Access {
  const char* address;
  unsigned bytes;
  AccessKind kind;
  std::uintptr_t return_address;  // of the callback
};

class Watcher {
 public:
  static Watcher& instance();

  // --- told by the kernel's code --------------------------------------------------------------
  void access(const Access& access);
  void enter_block_of_code(std::uintptr_t address) {
    lane_->enter_block(sites_.offset_of(address));
  }

  // --- told by the emulator, see observer.h ---------------------------------------------------
  void begin_launch(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed);
  void begin_block(std::uint64_t block);
  void place_shared(const SharedRange& variable);
  void run_thread(unsigned thread);
  void rest_warp(unsigned warp);
  void pass_block_barrier();
  void pass_warp_barrier(unsigned warp, unsigned lanes);
  void end_launch();
  void note_fault(const Fault& fault);
  CodePlace place_at(const void* code) const { return sites_.place_at(code); }

  bool counting = true;
  std::recursive_mutex mutex;  // held during a launch, and by whoever else calls
  Shadow global, shared;
  Ledger ledger;

 private:
  struct BlockStart {
    std::uint32_t interval;
    std::uint64_t block;
  };

  void touch(const Access& access, Space space, std::uint32_t site);
  bool check_bits(ShadowPage* page, std::size_t group, std::uint64_t mask, const Access& access,
                  Space space, std::uint32_t site);
  void count_distinct(ShadowPage& page, std::size_t group, std::uint64_t mask);
  void check_order(ShadowPage& page, const Access& access, Space space, std::uint32_t site);
  bool is_ignored(const Access& access) const;
  [[noreturn]] void refuse(const Access& access);

  // --- sentences (watcher_text.cpp) -----------------------------------------------------------
  void report(const char* kind, const Access& access, std::uint32_t site, const char* what);
  void report_race(const Access& access, std::uint32_t site, const Accessor& other);
  Finding finding_of(const char* kind, std::uint32_t site) const;
  std::string block_text() const;
  std::string memory_text(const char* address) const;
  std::string thread_text(unsigned thread) const;
  std::string access_text(const Access& access, std::uint32_t site) const;

  SiteTable sites_;
  RequestMerger merger_;
  Scheduler* scheduler_ = nullptr;
  LaunchShape shape_{};
  KernelCall call_{};
  std::uint64_t seed_ = 0, launches_ = 0, blocks_ = 0;
  Timeline time_;
  std::vector<BlockStart> block_starts_;  // of this launch
  std::vector<SharedRange> shared_variables_;
  std::vector<LaneLog> lanes_;
  std::vector<unsigned> epochs_;  // of the threads' warp barriers, since the last of the block
  unsigned thread_ = 0;
  LaneLog* lane_ = nullptr;
};

}  // namespace lamella::simt
