// Warp collectives: lanes of a mask meet, the last to come gives each its result.
#include "kernels/simt/observer.h"
#include "kernels/simt/scheduler.h"

namespace lamella::simt {
namespace {

constexpr std::uint64_t kUndefined = ~std::uint64_t{0};

struct LaneValues {
  std::uint64_t value[kWarp];
  unsigned lanes;  // that take part
};

// The lane a shuffle reads from; its own where the source lies outside the group. CUDA C++
// Programming Guide, "Warp Shuffle Functions".
int source_lane(const CollectiveCall& call, int lane) {
  const int first = lane / call.width * call.width, last = first + call.width - 1;
  switch (call.kind) {
    case Collective::Shuffle:
      return first + (call.operand & (call.width - 1));
    case Collective::ShuffleUp:
      return lane - call.operand < first ? lane : lane - call.operand;
    case Collective::ShuffleDown:
      return lane + call.operand > last ? lane : lane + call.operand;
    case Collective::ShuffleXor:
      return (lane ^ call.operand) > last ? lane : lane ^ call.operand;
    default:
      return lane;
  }
}

unsigned ballot(const LaneValues& values) {
  unsigned votes = 0;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((values.lanes >> lane & 1U) != 0 && values.value[lane] != 0) votes |= 1U << lane;
  }
  return votes;
}

std::uint64_t result_of(const CollectiveCall& call, const LaneValues& values, unsigned lane) {
  switch (call.kind) {
    case Collective::SyncWarp:
    case Collective::Together:
      return 0;
    case Collective::Ballot:
      return ballot(values);
    case Collective::Any:
      return ballot(values) != 0;
    case Collective::All:
      return ballot(values) == values.lanes;
    default:
      break;
  }
  const auto source = static_cast<unsigned>(source_lane(call, static_cast<int>(lane)));
  const bool takes_part = source < kWarp && (values.lanes >> source & 1U) != 0;
  return takes_part ? values.value[source] : kUndefined;
}

bool is_group_width(int width) {
  return width == 1 || width == 2 || width == 4 || width == 8 || width == 16 || width == 32;
}

std::string at(SourceLine line) {
  return place_of(line).chain;
}

}  // namespace

std::uint64_t Scheduler::collective(const CollectiveCall& call, std::uint64_t value) {
  Thread& thread = *current_;
  const unsigned number = number_of(thread), lane = number % kWarp;
  if ((call.mask >> lane & 1U) == 0) {
    set_fault({"barrier",
               thread_text() + " at " + at(call.line) +
                   " calls a warp collective with a mask that does not hold its own lane " +
                   std::to_string(lane),
               "",
               thread_text(),
               place_of(call.line),
               {}});
    leave_launch();
  }
  if (!is_group_width(call.width)) {
    set_fault({"barrier",
               "the shuffle at " + at(call.line) + " has width " + std::to_string(call.width) +
                   "; it must be a power of two of at most 32",
               "",
               thread_text(),
               place_of(call.line),
               {}});
    leave_launch();
  }
  Warp& warp = warps_[number / kWarp];
  warp.waiting |= 1U << lane;
  thread.state = State::InCollective;
  thread.line = call.line;
  thread.call = call;
  thread.value = value;
  if (complete(number / kWarp, call)) release_collective(number / kWarp, call);
  wait();
  return thread.value;
}

bool Scheduler::complete(unsigned warp_number, const CollectiveCall& call) const {
  const Warp& warp = warps_[warp_number];
  const unsigned needed = call.mask & warp.present & ~warp.ended;
  if ((warp.waiting & needed) != needed) return false;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((needed >> lane & 1U) == 0) continue;
    const CollectiveCall& other = threads_[warp_number * kWarp + lane].call;
    const bool same =
        other.mask == call.mask && other.kind == call.kind && other.action == call.action;
    if (!same) return false;
  }
  return true;
}

void Scheduler::release_collective(unsigned warp_number, const CollectiveCall& released) {
  const CollectiveCall call = released;
  Warp& warp = warps_[warp_number];
  LaneValues values{};
  values.lanes = call.mask & warp.waiting;
  Thread* const first = &threads_[warp_number * kWarp];
  Thread* woken[kWarp];
  unsigned count = 0;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((values.lanes >> lane & 1U) == 0) continue;
    values.value[lane] = first[lane].value;
    woken[count++] = first + lane;
  }
  if (call.kind == Collective::Together) act_together(call, values.value, values.lanes);
  shuffle_order(woken, count, random_);
  for (unsigned i = 0; i < count; ++i) {
    const auto lane = static_cast<unsigned>(woken[i] - first);
    woken[i]->value = result_of(woken[i]->call, values, lane);
    woken[i]->state = State::Ready;
    ready_.push_back(woken[i]);
  }
  warp.waiting &= ~values.lanes;
  if (call.kind == Collective::SyncWarp) observe_warp_barrier(warp_number, values.lanes);
}

void Scheduler::act_together(const CollectiveCall& call, const std::uint64_t* values,
                             unsigned lanes) {
  if (lanes != ~0U) {
    set_fault({"barrier",
               "the instruction of a whole warp at " + at(call.line) +
                   " needs all 32 lanes, but only " + lanes_text(lanes) + " came",
               "",
               "lanes " + lanes_text(lanes),
               place_of(call.line),
               {}});
    leave_launch();
  }
  void* brought[kWarp];
  for (unsigned lane = 0; lane < kWarp; ++lane)
    brought[lane] = reinterpret_cast<void*>(values[lane]);
  call.action(brought);
}

// A collective may have waited for nobody but this thread, which has now ended.
void Scheduler::end_lane(unsigned number) {
  Warp& warp = warps_[number / kWarp];
  warp.ended |= 1U << number % kWarp;
  rest_lane(number);
  for (unsigned lane = 0; lane < kWarp && warp.waiting != 0; ++lane) {
    if ((warp.waiting >> lane & 1U) == 0) continue;
    const CollectiveCall& call = threads_[number / kWarp * kWarp + lane].call;
    if (complete(number / kWarp, call)) release_collective(number / kWarp, call);
  }
}

std::uint64_t warp_collective(const CollectiveCall& call, std::uint64_t value) {
  return Scheduler::mine().collective(call, value);
}

}  // namespace lamella::simt
