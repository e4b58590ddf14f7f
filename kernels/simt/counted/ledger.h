// Findings and counts of the process. Not synchronised: the watcher holds a lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/simt/counted/requests.h"
#include "kernels/simt/counted/sites.h"
#include "kernels/simt/simt.h"

namespace lamella::simt {

// What a kernel was launched as, and which function it is.
struct KernelName {
  std::string kernel, function;
  bool operator<(const KernelName& other) const {
    return std::tie(kernel, function) < std::tie(other.kernel, other.function);
  }
};

class Ledger {
 public:
  // A finding with the same kind, kernel and lines is counted, not kept again. `complete` adds its
  // sentence, and is called only when it is new.
  template <class Complete>
  void report(Finding finding, const std::string& chain, const std::string& other_chain,
              const Complete& complete) {
    const auto key = std::make_tuple(finding.kind, finding.kernel, chain, other_chain);
    const auto [it, is_new] = index_.try_emplace(key, findings_.size());
    if (!is_new) {
      ++findings_[it->second].times;
      return;
    }
    complete(finding);
    findings_.push_back(std::move(finding));
  }

  void add_request(const Site& site, std::uint32_t number, const Request& request);
  // What an access touched first in its launch, and in its block.
  struct Fresh {
    unsigned bytes, sectors;
  };
  void add_distinct(const Fresh& in_launch, const Fresh& in_block) {
    launch_.bytes_distinct += in_launch.bytes;
    launch_.sectors_distinct += in_launch.sectors;
    launch_.bytes_distinct_by_block += in_block.bytes;
    launch_.sectors_distinct_by_block += in_block.sectors;
  }
  // Adds what was counted since the last call to the kernel's counts.
  void end_launch(const KernelName& name, std::uint64_t threads, const SiteTable& sites);

  const std::vector<Finding>& findings() const { return findings_; }
  std::vector<KernelCounts> counts() const;
  void clear_findings();
  void clear_counts() { kernels_.clear(); }

 private:
  struct SiteCounts {
    std::uint64_t accesses = 0, requests = 0, sectors = 0, wavefronts = 0, least_wavefronts = 0;
    unsigned most_excess = 0;
  };
  struct Line {
    std::string file;
    int line = 0;
    SiteCounts counts;
  };
  using LineKey = std::tuple<std::string, Space, AccessKind, unsigned>;  // chain, ..., bytes
  struct Kernel {
    KernelCounts totals;
    std::map<LineKey, Line> lines;
  };

  std::vector<Finding> findings_;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::size_t> index_;
  std::map<KernelName, Kernel> kernels_;
  KernelCounts launch_;
  std::vector<SiteCounts> sites_;  // of the running launch
};

}  // namespace lamella::simt
