// Runs the threads of one block after another as fibres. A thread runs until it ends or waits; the
// threads of a warp run next to each other, in shuffled order, warps too, reshuffled at every
// barrier. A thread that never waits costs no switch: the next one starts on the same stack.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/async_copies.h"
#include "kernels/simt/collectives.h"
#include "kernels/simt/fibre.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/order.h"
#include "kernels/simt/shared_arena.h"

namespace lamella::simt {

constexpr unsigned kWarp = 32;
constexpr unsigned kMostThreads = 1024;  // of a block

CodePlace place_of(SourceLine line);

class Scheduler {
 public:
  // The scheduler of this host thread.
  static Scheduler& mine();

  void run(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed);

  // --- for threads, on their fibres ----------------------------------------------------------
  void block_barrier(SourceLine line);
  std::uint64_t collective(const CollectiveCall& call, std::uint64_t value);
  // An error ends the launch in two steps: set_error or set_fault, then leave_launch, which does
  // not return and runs no destructors of the fibre, so that its callers may hold nothing that has
  // one.
  void set_error(std::exception_ptr error) { error_ = std::move(error); }
  // fault.sentence says what went wrong, after where(); its block is filled in.
  void set_fault(Fault fault);
  void set_misaligned(const void* address, int bytes, const void* code);
  void set_endless(const CodePlace& place);
  [[noreturn]] void leave_launch();

  bool running() const { return shape_ != nullptr; }
  SharedArena& shared() { return shared_; }
  AsyncCopies& copies_of_thread() { return current_->copies; }
  Fibre::Stack stack_of_thread() const { return current_->fibre->stack(); }
  // "kernel NAME, block (x,y,z), order seed N".
  std::string where() const;
  // "thread 5 (x,y,z)".
  std::string thread_text() const;

 private:
  enum class State : std::uint8_t { Unstarted, Ready, AtBarrier, InCollective, Ended };
  struct Thread {
    Index3 index{};
    State state = State::Unstarted;
    Fibre* fibre = nullptr;
    SourceLine line{};            // where it waits
    std::int64_t steps_left = 0;  // when it runs again
    CollectiveCall call{};
    std::uint64_t value = 0;
    AsyncCopies copies;
  };
  struct Warp {
    // Sets of lanes. waiting: in a collective; resting: ended or at the barrier of the block.
    unsigned present = 0, ended = 0, waiting = 0, resting = 0;
  };

  void prepare(const LaunchShape& shape);
  void run_block(std::uint64_t block);
  void shuffle_threads();
  static void worker_entry(void* self);
  void worker();
  void run_thread(Thread& thread);
  void wait();
  Thread* next_thread();
  void enter(Thread& thread);
  Fibre& free_fibre();
  void restart_fibres();
  void release_barrier();
  void rest_lane(unsigned thread);
  void end_lane(unsigned thread);
  bool complete(unsigned warp, const CollectiveCall& call) const;
  void release_collective(unsigned warp, const CollectiveCall& call);
  void act_together(const CollectiveCall& call, const std::uint64_t* values, unsigned lanes);
  [[noreturn]] void leave_deadlock();
  void set_deadlock();
  std::string waiting_groups() const;
  static std::string lanes_text(unsigned lanes);
  unsigned number_of(const Thread& thread) const {
    return static_cast<unsigned>(&thread - threads_.data());
  }

  const LaunchShape* shape_ = nullptr;
  const KernelCall* call_ = nullptr;
  std::uint64_t seed_ = 0;
  std::int64_t most_steps_ = 0;  // of a thread
  Random random_{0};
  unsigned count_ = 0;  // threads of a block
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> order_;  // of threads: warps shuffled, lanes within each shuffled
  unsigned started_ = 0, ended_ = 0, at_barrier_ = 0;
  std::vector<Thread*> ready_;  // the last runs next
  Thread* current_ = nullptr;
  Thread* starting_ = nullptr;  // what the fibre switched to shall run

  Fibre host_;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::vector<Fibre*> free_;
  SharedArena shared_;
  std::exception_ptr error_;
};

}  // namespace lamella::simt
