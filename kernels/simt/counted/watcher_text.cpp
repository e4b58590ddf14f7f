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

std::string Watcher::block_text() const {
  return triple_of(block_starts_.back().block, shape_.grid);
}

// "kernel k, block (0,0,0): thread 3 (3,0,0) reads 4 bytes at a.cu:7".
std::string Watcher::access_text(const Access& access, std::uint32_t site) const {
  return "kernel " + std::string(shape_.name) + ", block " + block_text() + ": " +
         thread_text(thread_) + " " + verb(access.kind) + " " + std::to_string(access.bytes) +
         " bytes at " + sites_[site].chain;
}

Finding Watcher::finding_of(const char* kind, std::uint32_t site) const {
  Finding finding;
  finding.kind = kind;
  finding.kernel = shape_.name;
  finding.order_seed = seed_;
  finding.block = block_text();
  finding.threads = thread_text(thread_);
  finding.file = sites_[site].file;
  finding.line = sites_[site].line;
  return finding;
}

void Watcher::report(const char* kind, const Access& access, std::uint32_t site, const char* what) {
  ledger.report(finding_of(kind, site), sites_[site].chain, "", [&](Finding& fresh) {
    fresh.sentence = std::string(kind) + ": " + access_text(access, site) + " " + what + " " +
                     memory_text(access.address) + "; order seed " + std::to_string(seed_);
  });
}

void Watcher::report_race(const Access& access, std::uint32_t site, const Accessor& other) {
  const Site& earlier = sites_[other.site];
  Finding finding = finding_of("race", site);
  finding.other_file = earlier.file;
  finding.other_line = earlier.line;
  const bool foreign = other.interval < time_.block;
  ledger.report(finding, sites_[site].chain, earlier.chain, [&](Finding& fresh) {
    std::string thread = thread_text(other.thread);
    if (foreign) {
      std::uint64_t block = 0;
      for (const BlockStart& start : block_starts_) {
        if (start.interval <= other.interval) block = start.block;
      }
      thread += " of block " + triple_of(block, shape_.grid);
    }
    fresh.threads += " and " + thread;
    fresh.sentence =
        "race: " + access_text(access, site) + " in " + memory_text(access.address) + ", and " +
        thread + " " + verb(earlier.kind) + " it at " + earlier.chain +
        (foreign ? "; blocks of a launch run in any order" : ", with no barrier between") +
        "; order seed " + std::to_string(seed_);
  });
}

void Watcher::note_fault(const Fault& fault) {
  Finding finding;
  finding.kind = fault.kind;
  finding.kernel = shape_.name;
  finding.order_seed = seed_;
  finding.block = fault.block;
  finding.threads = fault.threads;
  finding.file = fault.place.file;
  finding.line = fault.place.line;
  finding.other_file = fault.other.file;
  finding.other_line = fault.other.line;
  finding.ends_launch = true;
  ledger.report(finding, fault.place.chain, fault.other.chain,
                [&](Finding& fresh) { fresh.sentence = fault.kind + ": " + fault.sentence; });
}

// Such an address may not even be mapped, so the launch ends here.
void Watcher::refuse(const Access& access) {
  const std::uint32_t site =
      sites_.site(access.return_address, access.kind, Space::Global, access.bytes);
  const Site& where = sites_[site];
  scheduler_->set_fault({"host memory",
                         thread_text(thread_) + " " + verb(access.kind) + " " +
                             std::to_string(access.bytes) + " bytes of host memory at " +
                             where.chain +
                             "; kernels reach device memory, shared memory and constants only",
                         "",
                         thread_text(thread_),
                         {where.file, where.line, where.chain},
                         {}});
  scheduler_->leave_launch();
}

}  // namespace lamella::simt
