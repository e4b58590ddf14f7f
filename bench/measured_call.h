// What the benches of kernels time: one entry of the kernel table, or the few that a peer has as
// one, with operands that every program makes alike from their names.
#pragma once

#include <string>
#include <vector>

#include "engine/context.h"
#include "kernels/calls/kernel_call.h"

namespace lamella::bench {

// What both programs are told on the command line: --device=cpu --threads=2 --shapes=FILE|FOLDER
// --backward --dtype=f32. Throws Error for any other argument.
struct Arguments {
  std::string device = "cpu", shapes = LAMELLA_SHAPES_FOLDER, dtype;
  int threads = 2;
  bool backward = false;
};
Arguments parse_arguments(const std::string& program, const std::vector<std::string>& words);
Context::Options context_options(const Arguments& arguments);

// `name` is "<network>:<layer>/<entry>": peers name theirs alike.
struct MeasuredLine {
  std::string name;
  KernelLine line;
};

// The lines of a shapes file, or of all in a folder, each distinct call once. With `backward` also
// those of the training step; to a batch norm belong batch_norm_fwd (statistics, normalisation,
// running statistics) and batch_norm_bwd (both passes), which PyTorch has as one kernel each.
std::vector<MeasuredLine> measured_lines(const Arguments& arguments);

class MeasuredCall {
 public:
  // An entry that reads what another wrote, as a pooling's argmax, has that one run first. Throws
  // std::runtime_error with a sentence for a line that is none.
  MeasuredCall(Context& ctx, const KernelLine& line);

  // Seconds of a call: runs batches of a millisecond or more until `seconds` have passed, and takes
  // the least of them. What else the machine does only adds to a time, and a device with a queue
  // has to be waited for once a batch.
  double seconds_of_a_call(double seconds);
  // Runs a batch of `calls` and waits for it; seconds of all.
  double run_batch(std::int64_t calls);
  // How many make a batch of a millisecond; known once one has been timed.
  std::int64_t calls_of_a_batch() const { return calls_of_a_batch_; }

  // What a floating output amounts to: its L2 norm, and its product with weights that every program
  // makes alike. Two that agree in both hold the same values, up to rounding.
  struct Output {
    std::string name;
    double norm = 0, projection = 0;
  };
  std::vector<Output> outputs();

  double flops() const;        // multiply and add are two
  double least_bytes() const;  // each operand once, one that is read and written twice

 private:
  struct Placed {
    CallOperand operand;
    Tensor tensor;
    bool timed = false;
  };
  struct Step {
    KernelCall call;
    std::vector<std::size_t> operands;  // of placed_
    std::vector<void*> data;
  };

  void add_step(const KernelLine& line, const std::string& entry, bool timed);
  std::size_t place(const CallOperand& operand, const KernelLine& line, std::size_t others);
  void run(const Step& step);
  void run();  // on a device with a queue, without waiting for it

  Context& ctx_;
  std::vector<Placed> placed_;
  std::vector<Step> timed_;
  std::int64_t calls_of_a_batch_ = 1;
};

}  // namespace lamella::bench
