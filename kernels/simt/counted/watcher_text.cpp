// The sentences of findings.
#include "kernels/simt/arena.h"
#include "kernels/simt/counted/watcher.h"

namespace lamella::simt {
namespace {

std::string triple(std::uint64_t x, std::uint64_t y, std::uint64_t z) {
  return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
}

std::string triple_of(std::uint64_t linear, dim3 size) {
  return triple(linear % size.x, linear / size.x % size.y, linear / size.x / size.y);
}

const char* verb(AccessKind kind) {
  return kind == AccessKind::Read ? "reads" : kind == AccessKind::Write ? "writes" : "updates";
}

}  // namespace

std::string Watcher::thread_text(unsigned thread) const {
  return "thread " + std::to_string(thread) + " " + triple_of(thread, shape_.block);
}

std::string Watcher::memory_text(const char* address) const {
  if (global.covers(address)) return Arena::instance().describe(address);
  if (!shared.covers(address)) return "memory of the host";
  const SharedRange* nearest = nullptr;
  for (const SharedRange& variable : shared_variables_) {
    if (variable.begin <= address && (nearest == nullptr || nearest->begin < variable.begin)) {
      nearest = &variable;
    }
  }
  if (nearest == nullptr) return "shared memory that the block does not have";
  return "shared " + std::string(nearest->name) + " (" + std::to_string(nearest->bytes) +
         " bytes), byte " + std::to_string(address - nearest->begin);
}

// "kernel k, block (0,0,0): thread 3 (3,0,0) reads 4 bytes at a.cu:7".
std::string Watcher::access_text(const Access& access, std::uint32_t site) const {
  return "kernel " + std::string(shape_.name) + ", block " +
         triple_of(block_starts_.back().block, shape_.grid) + ": " + thread_text(thread_) + " " +
         verb(access.kind) + " " + std::to_string(access.bytes) + " bytes at " + sites_[site].chain;
}

Finding Watcher::finding_of(const char* kind, std::uint32_t site) const {
  Finding finding;
  finding.kind = kind;
  finding.kernel = shape_.name;
  finding.order_seed = seed_;
  finding.file = sites_[site].file;
  finding.line = sites_[site].line;
  return finding;
}

void Watcher::report(const char* kind, const Access& access, std::uint32_t site, const char* what) {
  ledger.report(finding_of(kind, site), sites_[site].chain, "", [&] {
    return std::string(kind) + ": " + access_text(access, site) + " " + what + " " +
           memory_text(access.address) + "; order seed " + std::to_string(seed_);
  });
}

void Watcher::report_race(const Access& access, std::uint32_t site, const Accessor& other) {
  const Site& earlier = sites_[other.site];
  Finding finding = finding_of("race", site);
  finding.other_file = earlier.file;
  finding.other_line = earlier.line;
  ledger.report(finding, sites_[site].chain, earlier.chain, [&] {
    std::string text = "race: " + access_text(access, site) + " in " + memory_text(access.address) +
                       ", and " + thread_text(other.thread);
    const bool foreign = other.interval < time_.block;
    if (foreign) {
      std::uint64_t block = 0;
      for (const BlockStart& start : block_starts_) {
        if (start.interval <= other.interval) block = start.block;
      }
      text += " of block " + triple_of(block, shape_.grid);
    }
    return text + " " + verb(earlier.kind) + " it at " + earlier.chain +
           (foreign ? "; blocks of a launch run in any order" : ", with no barrier between") +
           "; order seed " + std::to_string(seed_);
  });
}

// Such an address may not even be mapped, so the launch ends here.
void Watcher::refuse(const Access& access) {
  const std::uint32_t site =
      sites_.site(access.return_address, access.kind, Space::Global, access.bytes);
  report("host memory", access, site, "in");
  scheduler_->set_error(thread_text(thread_) + " " + verb(access.kind) + " " +
                        std::to_string(access.bytes) + " bytes of host memory at " +
                        sites_[site].chain +
                        "; kernels reach device memory, shared memory "
                        "and constants only");
  scheduler_->leave_launch();
}

}  // namespace lamella::simt
