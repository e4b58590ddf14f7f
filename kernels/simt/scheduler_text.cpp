// The sentences of the scheduler's errors.
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "kernels/simt/scheduler.h"

namespace lamella::simt {
namespace {

std::string triple(Index3 i) {
  return "(" + std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z) + ")";
}

// "0-15, 20, 22": ascending numbers as ranges, at most eight of them.
std::string ranges(const std::vector<unsigned>& numbers) {
  constexpr int kMost = 8;
  std::string text;
  int count = 0;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (++count > kMost) return text + ", ...";
    text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

const char* name_of(Collective kind) {
  constexpr const char* kNames[] = {"__syncwarp",       "__shfl_sync",     "__shfl_up_sync",
                                    "__shfl_down_sync", "__shfl_xor_sync", "__ballot_sync",
                                    "__any_sync",       "__all_sync",      "a warp's instruction"};
  return kNames[static_cast<int>(kind)];
}

// " at a.cu:3", or nothing where the line is not known.
std::string at(const CodePlace& place) {
  return place.chain.empty() ? "" : " at " + place.chain;
}

}  // namespace

CodePlace place_of(SourceLine line) {
  return {line.file, line.line, std::string(line.file) + ":" + std::to_string(line.line)};
}

std::string Scheduler::where() const {
  return "kernel " + std::string(shape_->name) + ", block " + triple(place.block) +
         ", order seed " + std::to_string(seed_);
}

std::string Scheduler::thread_text() const {
  return "thread " + std::to_string(number_of(*current_)) + " " + triple(current_->index);
}

// "0-15, 20" of a set of lanes.
std::string Scheduler::lanes_text(unsigned lanes) {
  std::vector<unsigned> numbers;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((lanes >> lane & 1U) != 0) numbers.push_back(lane);
  }
  return ranges(numbers);
}

// "threads 0-15 wait at __syncthreads (a.cu:12); threads 16-31 have ended".
std::string Scheduler::waiting_groups() const {
  std::map<std::string, std::vector<unsigned>> groups;
  for (const Thread& thread : threads_) {
    const std::string line =
        thread.state == State::Ended
            ? ""
            : " (" + std::string(thread.line.file) + ":" + std::to_string(thread.line.line) + ")";
    std::string what = "have ended";
    if (thread.state == State::AtBarrier) what = "wait at __syncthreads" + line;
    if (thread.state == State::InCollective) {
      what = "wait at " + std::string(name_of(thread.call.kind)) + line;
    }
    groups[what].push_back(number_of(thread));
  }
  std::string text;
  for (const auto& [what, numbers] : groups) {
    if (!text.empty()) text += "; ";
    text += (numbers.size() == 1 ? "thread " : "threads ") + ranges(numbers) + " " + what;
  }
  return text;
}

void Scheduler::set_fault(Fault fault) {
  fault.sentence = where() + ": " + fault.sentence;
  fault.block = triple(place.block);
  set_error(std::make_exception_ptr(std::runtime_error(fault.sentence)));
  observe_fault(fault);
}

void Scheduler::set_deadlock() {
  Fault fault;
  fault.kind = "barrier";
  fault.threads = waiting_groups();
  fault.sentence = "a barrier is not reached by all threads that must meet there: " + fault.threads;
  for (const Thread& thread : threads_) {
    if (thread.state == State::Ended) continue;
    const CodePlace waits = place_of(thread.line);
    if (fault.place.file.empty()) fault.place = waits;
    if (waits.chain != fault.place.chain && fault.other.file.empty()) fault.other = waits;
  }
  set_fault(std::move(fault));
}

void Scheduler::set_misaligned(const void* address, int bytes, const void* code) {
  const auto rest = reinterpret_cast<std::uintptr_t>(address) % static_cast<unsigned>(bytes);
  const std::string width = std::to_string(bytes);
  const CodePlace place = observed_place(code);
  set_fault({"misaligned",
             thread_text() + " makes a " + width + "-byte access " + std::to_string(rest) +
                 " bytes behind a multiple of " + width + at(place) +
                 "; check the alignment first, or access single elements",
             "",
             thread_text(),
             place,
             {}});
}

void Scheduler::set_endless(const CodePlace& place) {
  set_fault({"endless loop",
             thread_text() + " has made " + std::to_string(most_steps_) +
                 " steps and does not end" + at(place) +
                 "; LAMELLA_SIMT_STEPS=N in the environment lets it make N of them",
             "",
             thread_text(),
             place,
             {}});
}

}  // namespace lamella::simt
