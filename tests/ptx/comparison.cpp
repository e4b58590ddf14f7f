#include "tests/ptx/comparison.h"

#include <numeric>
#include <set>

#include "tests/ptx/control_flow.h"

namespace lamella::ptx {
namespace {

// Whether the access belongs to the line that calls this one. As in
// kernels/simt/counted/sites.cpp, and headers of the toolkit.
bool is_accessor(const Frame& frame) {
  return frame.function.rfind("load", 0) == 0 || frame.function.rfind("store", 0) == 0 ||
         frame.file.rfind("kernels/cuda/device/", 0) == 0 || frame.file.empty() ||
         frame.file[0] == '/';
}

std::vector<Site> sites_of(const Access& access) {
  std::set<Site> sites;
  for (const std::vector<Frame>& chain : access.chains) {
    Site site{"", 0, access.space, access.kind, access.bytes};
    for (const Frame& frame : chain) {
      site.file = frame.file;
      site.line = frame.line;
      if (!is_accessor(frame)) break;
    }
    sites.insert(site);
  }
  if (sites.empty()) sites.insert({"unknown line", 0, access.space, access.kind, access.bytes});
  return {sites.begin(), sites.end()};
}

// Instructions of a site by class of blocks, divided by their greatest common divisor.
struct Ratio {
  std::map<std::size_t, std::uint64_t> shape;
  std::uint64_t factor = 0;

  explicit Ratio(std::map<std::size_t, std::uint64_t> counts) : shape(std::move(counts)) {
    for (const auto& [number, count] : shape) factor = std::gcd(factor, count);
    for (auto& [number, count] : shape) count /= factor;
  }
};

// Accesses that are known to be made equally often, times their factors.
struct Reference {
  std::string text;
  std::uint64_t accesses, factor;
  bool used;  // counted as compared
};

std::vector<Site> sites_in_both(const Instruction& instruction, const Emulated& emulated) {
  std::vector<Site> sites;
  for (const Site& site : instruction.sites) {
    if (emulated.sites.count(site) != 0) sites.push_back(site);
  }
  return sites;
}

using Counts = std::map<Site, std::map<std::size_t, std::uint64_t>>;

// The instructions of each site by class of blocks; without the sites of which some instruction may
// or may not be.
Counts count_instructions(const Compiled& compiled, const Emulated& emulated) {
  Counts counts;
  std::set<Site> doubtful;
  for (const Instruction& instruction : compiled) {
    const std::vector<Site> possible = sites_in_both(instruction, emulated);
    if (possible.size() == 1) ++counts[possible[0]][instruction.block_class];
    if (possible.size() > 1) doubtful.insert(possible.begin(), possible.end());
  }
  for (const Site& site : doubtful) counts.erase(site);
  return counts;
}

void compare_counts(const std::string& function, const Counts& counts, const Emulated& emulated,
                    Comparison& result) {
  std::map<std::map<std::size_t, std::uint64_t>, Reference> references;
  references[{{kOnce, 1}}] = {"threads", emulated.threads, 1, true};
  for (const auto& [site, by_class] : counts) {
    const std::uint64_t accesses = emulated.sites.at(site);
    const Ratio ratio(by_class);
    const auto [it, is_first] = references.try_emplace(
        ratio.shape, Reference{"accesses at " + site.text(), accesses, ratio.factor, false});
    if (is_first) continue;
    Reference& reference = it->second;
    result.counted += reference.used ? 1 : 2;
    reference.used = true;
    if (accesses * reference.factor == reference.accesses * ratio.factor) continue;
    result.differences.push_back({function,
                                  {site},
                                  "is made " + std::to_string(accesses) + " times for " +
                                      std::to_string(reference.accesses) + " " + reference.text +
                                      " in the emulator, " + std::to_string(ratio.factor) +
                                      " for " + std::to_string(reference.factor) + " in the PTX"});
  }
}

// Sites that one of the two has and the other has not.
void compare_presence(const std::string& function, const Compiled& compiled,
                      const Emulated& emulated, Comparison& result) {
  std::set<std::vector<Site>> unknown;
  std::set<Site> found;
  for (const Instruction& instruction : compiled) {
    const std::vector<Site> possible = sites_in_both(instruction, emulated);
    found.insert(possible.begin(), possible.end());
    if (possible.empty()) unknown.insert(instruction.sites);
    if (possible.size() > 1) ++result.doubtful;
  }
  result.sites += found.size();
  result.instructions += compiled.size();
  for (const std::vector<Site>& sites : unknown) {
    result.differences.push_back({function, sites, "is in the PTX only"});
  }
  for (const auto& [site, accesses] : emulated.sites) {
    if (found.count(site) != 0) continue;
    result.differences.push_back({function, {site}, "is in the emulator only"});
  }
}

}  // namespace

std::string Site::access() const {
  return space + " " + kind + " of " + std::to_string(bytes) + " bytes";
}

std::string Site::text() const {
  return file + ":" + std::to_string(line) + " " + access();
}

std::string Difference::text() const {
  std::string text;
  for (const Site& site : sites) text += (text.empty() ? "" : " or ") + site.text();
  return function + ": " + text + (text.empty() ? "" : " ") + what;
}

void add(const std::vector<Entry>& entries, CompiledKernels& kernels) {
  for (const Entry& entry : entries) {
    Compiled& compiled = kernels[entry.function];
    compiled.clear();
    const std::vector<std::size_t> classes = classes_of_blocks(entry);
    for (std::size_t block = 0; block < entry.blocks.size(); ++block) {
      for (const Access& access : entry.blocks[block].accesses) {
        compiled.push_back({sites_of(access), classes[block]});
      }
    }
  }
}

void add(const std::vector<simt::KernelCounts>& counts, EmulatedKernels& kernels) {
  for (const simt::KernelCounts& kernel : counts) {
    Emulated& emulated = kernels[kernel.function];
    emulated.threads += kernel.threads;
    for (const simt::LineCounts& line : kernel.lines) {
      emulated.sites[{line.file, line.line, line.space, line.kind, line.bytes}] += line.accesses;
    }
  }
}

Comparison compare(const CompiledKernels& compiled, const EmulatedKernels& emulated) {
  Comparison result;
  for (const auto& [function, kernel] : emulated) {
    if (compiled.count(function) != 0) continue;
    result.differences.push_back({function, {}, "the kernel is in the emulator only"});
  }
  for (const auto& [function, kernel] : compiled) {
    const auto found = emulated.find(function);
    if (found == emulated.end()) {
      result.differences.push_back({function, {}, "no call ran the kernel"});
      continue;
    }
    ++result.kernels;
    compare_presence(function, kernel, found->second, result);
    compare_counts(function, count_instructions(kernel, found->second), found->second, result);
  }
  return result;
}

}  // namespace lamella::ptx
