// The scheduler: blocks, threads, the barrier of a block. Collectives of a warp are in
// scheduler_collectives.cpp, the sentences of its errors in scheduler_text.cpp.
#include "kernels/simt/scheduler.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "kernels/simt/observer.h"
#include "kernels/simt/settings.h"
#include "kernels/simt/steps.h"

namespace lamella::simt {

constinit thread_local Place place{};
constinit thread_local std::int64_t steps_left = INT64_MAX;

Scheduler& Scheduler::mine() {
  thread_local Scheduler scheduler;
  return scheduler;
}

void Scheduler::run(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed) {
  if (running()) {
    throw std::runtime_error(std::string(shape.name) +
                             ": launched by a kernel; launches inside kernels are not modelled");
  }
  struct Stop {
    Scheduler& scheduler;
    ~Stop() { scheduler.shape_ = nullptr; }
  } stop{*this};
  shape_ = &shape;
  call_ = &call;
  seed_ = seed;
  most_steps_ = most_steps();
  random_ = Random(seed);
  prepare(shape);
  observe_launch(shape, call, seed);
  const std::uint64_t blocks = std::uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const AffineOrder order(blocks, random_);
  for (std::uint64_t i = 0; i < blocks && error_ == nullptr; ++i) run_block(order[i]);
  observe_launch_end();
  if (error_ == nullptr) return;
  restart_fibres();
  std::rethrow_exception(std::exchange(error_, nullptr));
}

void Scheduler::prepare(const LaunchShape& shape) {
  const dim3 size = shape.block;
  count_ = size.x * size.y * size.z;
  threads_.assign(count_, Thread{});
  warps_.assign((count_ + kWarp - 1) / kWarp, Warp{});
  order_.resize(count_);
  for (unsigned i = 0; i < count_; ++i) {
    threads_[i].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    warps_[i / kWarp].present |= 1U << i % kWarp;
  }
  ready_.clear();
  place.block_size = {size.x, size.y, size.z};
  place.grid_size = {shape.grid.x, shape.grid.y, shape.grid.z};
  shared_.begin_launch(shape.shared_bytes);
}

void Scheduler::run_block(std::uint64_t block) {
  const dim3 grid = shape_->grid;
  place.block = {static_cast<unsigned>(block % grid.x),
                 static_cast<unsigned>(block / grid.x % grid.y),
                 static_cast<unsigned>(block / grid.x / grid.y)};
  observe_block(block);
  shared_.begin_block();
  for (Thread& thread : threads_) {
    thread.state = State::Unstarted;
    thread.steps_left = most_steps_;
  }
  for (Warp& warp : warps_) warp.ended = warp.waiting = warp.resting = 0;
  started_ = ended_ = at_barrier_ = 0;
  shuffle_threads();
  starting_ = next_thread();
  Fibre::switch_to(host_, free_fibre());
  const std::string damage = error_ == nullptr ? shared_.check_guards() : "";
  if (!damage.empty() && !observer_names_overruns()) {
    error_ = std::make_exception_ptr(std::runtime_error(where() + ": " + damage));
  }
}

// Warps stay together, so that their collectives complete without waking other warps.
void Scheduler::shuffle_threads() {
  unsigned warp_order[kMostThreads / kWarp];
  const auto warps = static_cast<unsigned>(warps_.size());
  for (unsigned i = 0; i < warps; ++i) warp_order[i] = i;
  shuffle_order(warp_order, warps, random_);
  unsigned* next = order_.data();
  for (unsigned i = 0; i < warps; ++i) {
    const unsigned first = warp_order[i] * kWarp, lanes = std::min(kWarp, count_ - first);
    for (unsigned lane = 0; lane < lanes; ++lane) next[lane] = first + lane;
    shuffle_order(next, lanes, random_);
    next += lanes;
  }
}

// --- on the fibres ---------------------------------------------------------------------------

void Scheduler::worker_entry(void* self) {
  static_cast<Scheduler*>(self)->worker();
}

// Runs threads one after another; leaves the stack to be used again when the next thread to run
// has one of its own.
void Scheduler::worker() {
  for (;;) {
    Thread& mine = *starting_;
    Fibre* fibre = mine.fibre;
    run_thread(mine);
    Thread* next = ended_ == count_ ? nullptr : next_thread();
    if (next != nullptr && next->state == State::Unstarted) {
      next->fibre = fibre;
      starting_ = next;
      continue;
    }
    free_.push_back(fibre);
    Fibre::switch_to(*fibre, next == nullptr ? host_ : *next->fibre);
  }
}

void Scheduler::run_thread(Thread& thread) {
  enter(thread);
  thread.state = State::Ready;
  thread.copies.forget();
  std::exception_ptr error;
  try {
    call_->invoke(call_->arguments);
  } catch (...) {
    error = std::current_exception();
  }
  if (error != nullptr) {
    set_error(std::move(error));
    leave_launch();
  }
  thread.state = State::Ended;
  ++ended_;
  end_lane(number_of(thread));
}

void Scheduler::enter(Thread& thread) {
  current_ = &thread;
  place.thread = thread.index;
  steps_left = thread.steps_left;
  observe_thread(number_of(thread));
}

// What runs when the running thread cannot go on.
Scheduler::Thread* Scheduler::next_thread() {
  if (ready_.empty() && started_ < count_) return &threads_[order_[started_++]];
  if (ready_.empty() && at_barrier_ == count_) release_barrier();
  if (ready_.empty()) leave_deadlock();
  Thread* next = ready_.back();
  ready_.pop_back();
  return next;
}

void Scheduler::wait() {
  Thread* mine = current_;
  mine->steps_left = steps_left - kStepsOfWait;
  if (mine->steps_left < 0) {
    set_endless(place_of(mine->line));
    leave_launch();
  }
  Thread* next = next_thread();
  if (next != mine) {
    Fibre* fibre = next->fibre;
    if (next->state == State::Unstarted) {
      starting_ = next;
      fibre = &free_fibre();
    }
    Fibre::switch_to(*mine->fibre, *fibre);
  }
  enter(*mine);
}

// The stack on which starting_ will run.
Fibre& Scheduler::free_fibre() {
  if (free_.empty()) {
    const auto colour = static_cast<unsigned>(fibres_.size());
    fibres_.push_back(std::make_unique<Fibre>(&Scheduler::worker_entry, this, colour));
    free_.push_back(fibres_.back().get());
  }
  Fibre* fibre = free_.back();
  free_.pop_back();
  starting_->fibre = fibre;
  return *fibre;
}

void Scheduler::restart_fibres() {
  free_.clear();
  for (const auto& fibre : fibres_) {
    fibre->restart();
    free_.push_back(fibre.get());
  }
}

void Scheduler::block_barrier(SourceLine line) {
  Thread& thread = *current_;
  thread.state = State::AtBarrier;
  thread.line = line;
  ++at_barrier_;
  rest_lane(number_of(thread));
  wait();
}

void Scheduler::release_barrier() {
  const SourceLine line = threads_[0].line;
  for (const Thread& thread : threads_) {
    if (thread.line.line != line.line || std::strcmp(thread.line.file, line.file) != 0) {
      leave_deadlock();
    }
  }
  observe_block_barrier();
  at_barrier_ = 0;
  for (Warp& warp : warps_) warp.resting = 0;
  shuffle_threads();
  for (unsigned i = count_; i > 0; --i) {
    Thread& thread = threads_[order_[i - 1]];
    thread.state = State::Ready;
    ready_.push_back(&thread);
  }
}

void Scheduler::rest_lane(unsigned thread) {
  Warp& warp = warps_[thread / kWarp];
  warp.resting |= 1U << thread % kWarp;
  if (warp.resting == warp.present) observe_warp_rests(thread / kWarp);
}

void Scheduler::leave_launch() {
  Fibre::switch_to(*current_->fibre, host_);
  __builtin_unreachable();  // the fibre is restarted, never resumed
}

void Scheduler::leave_deadlock() {
  set_deadlock();
  leave_launch();
}

void misaligned_access(const void* address, int bytes) {
  Scheduler& scheduler = Scheduler::mine();
  scheduler.set_misaligned(address, bytes, __builtin_return_address(0));
  scheduler.leave_launch();
}

void run_out_of_steps(const void* code) {
  Scheduler& scheduler = Scheduler::mine();
  steps_left = INT64_MAX;
  if (!scheduler.running()) return;
  scheduler.set_endless(observed_place(code));
  scheduler.leave_launch();
}

void block_barrier(SourceLine line) {
  Scheduler::mine().block_barrier(line);
}

}  // namespace lamella::simt
