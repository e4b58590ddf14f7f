// Sums of requests by line and kernel.
#include "kernels/simt/counted/ledger.h"

#include <algorithm>
#include <bit>

namespace lamella::simt {
namespace {

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

void Ledger::add_request(const Site& site, std::uint32_t number, const Request& request) {
  if (number >= sites_.size()) sites_.resize(number + 1U);
  SiteCounts& counts = sites_[number];
  const auto lanes = static_cast<unsigned>(std::popcount(request.lanes));
  ++counts.requests;
  counts.accesses += lanes;
  if (site.space == Space::Global) {
    const Sectors sectors = count_sectors(request, site.bytes);
    counts.sectors += sectors.count;
    counts.most_excess = std::max(counts.most_excess, sectors.count - sectors.least);
    launch_.bytes_requested += std::uint64_t{site.bytes} * lanes;
    return;
  }
  const Wavefronts wavefronts = count_wavefronts(request, site.bytes);
  counts.wavefronts += wavefronts.count;
  counts.least_wavefronts += wavefronts.least;
}

void Ledger::end_launch(const KernelName& name, std::uint64_t threads, const SiteTable& sites) {
  Kernel& kernel = kernels_[name];
  kernel.totals.kernel = name.kernel;
  kernel.totals.function = name.function;
  ++kernel.totals.launches;
  kernel.totals.threads += threads;
  kernel.totals.bytes_requested += launch_.bytes_requested;
  kernel.totals.bytes_distinct += launch_.bytes_distinct;
  kernel.totals.bytes_distinct_by_block += launch_.bytes_distinct_by_block;
  kernel.totals.sectors_distinct += launch_.sectors_distinct;
  kernel.totals.sectors_distinct_by_block += launch_.sectors_distinct_by_block;
  for (std::uint32_t number = 1; number < sites_.size(); ++number) {
    const SiteCounts& counts = sites_[number];
    if (counts.requests == 0) continue;
    const Site& site = sites[number];
    Line& line = kernel.lines[{site.chain, site.space, site.kind, site.bytes}];
    line.file = site.file;
    line.line = site.line;
    line.counts.accesses += counts.accesses;
    line.counts.requests += counts.requests;
    line.counts.sectors += counts.sectors;
    line.counts.most_excess = std::max(line.counts.most_excess, counts.most_excess);
    line.counts.wavefronts += counts.wavefronts;
    line.counts.least_wavefronts += counts.least_wavefronts;
  }
  launch_ = {};
  sites_.clear();
}

std::vector<KernelCounts> Ledger::counts() const {
  std::vector<KernelCounts> all;
  for (const auto& [name, kernel] : kernels_) {
    KernelCounts counts = kernel.totals;
    for (const auto& [key, line] : kernel.lines) {
      const auto& [chain, space, kind, bytes] = key;
      const SiteCounts& sum = line.counts;
      counts.lines.push_back({line.file, line.line, chain, name_of(space), name_of(kind), bytes,
                              sum.accesses, sum.requests, sum.sectors, sum.wavefronts,
                              ratio(sum.sectors, sum.requests),
                              ratio(sum.wavefronts, sum.least_wavefronts), sum.most_excess});
    }
    all.push_back(std::move(counts));
  }
  return all;
}

void Ledger::clear_findings() {
  findings_.clear();
  index_.clear();
}

}  // namespace lamella::simt
