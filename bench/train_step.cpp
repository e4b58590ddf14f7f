// One network as one side of a comparison: waits for a line on stdin, runs one iteration, prints
// its seconds as a line of JSON. bench/compare.py lets it alternate with bench/peers/train_step.py,
// which has the same options and prints the same lines.
//   train_step --model NAME [--batch 12] [--size 256] [--channels 1] [--classes 14]
//              [--threads 2] [--mode inference|forward|backward|step]
// inference: the forward pass of the inference form; backward: forward and backward;
//              step: and Adam
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "engine/errors.h"
#include "tests/models/golden_values.h"
#include "train/optimiser.h"

namespace lamella::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string model, mode = "backward";
  std::int64_t batch = 12, size = 256, channels = 1, classes = 14;
  int threads = 2;
};

Arguments parse(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) fail("every option takes a value; see the first lines of train_step.cpp");
  Arguments arguments;
  for (const auto& [name, value] : given) {
    if (name == "--model") {
      arguments.model = value;
    } else if (name == "--mode") {
      arguments.mode = value;
    } else if (name == "--batch") {
      arguments.batch = std::stoll(value);
    } else if (name == "--size") {
      arguments.size = std::stoll(value);
    } else if (name == "--channels") {
      arguments.channels = std::stoll(value);
    } else if (name == "--classes") {
      arguments.classes = std::stoll(value);
    } else if (name == "--threads") {
      arguments.threads = std::stoi(value);
    } else {
      fail("train_step has no option ", name);
    }
  }
  return arguments;
}

// A line of /proc/self/status, in bytes.
double status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return 1024.0 * std::stod(line.substr(key.size() + 1));
  }
  return 0;
}

// Makes the peak resident size start again from what is resident now (proc(5), clear_refs).
void reset_peak_resident() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

class Side {
 public:
  explicit Side(const Arguments& arguments)
      : mode_(arguments.mode),
        ctx_(options_of(arguments)),
        model_(make_model(ctx_, {arguments.model, arguments.size, arguments.size,
                                 arguments.channels, arguments.classes})) {
    for (const Parameter& parameter : model_.parameters()) {
      parameter.assign(ctx_, golden::parameter_values(arguments.model, parameter));
    }
    const Shape shape{arguments.batch, arguments.size, arguments.size, arguments.channels};
    x_ = ctx_.from_host(golden::values("bench/x", shape.count(), -1, 1), shape);
    std::vector<std::int32_t> labels;
    for (std::int64_t n = 0; n < arguments.batch; ++n) {
      labels.push_back(static_cast<std::int32_t>(n % arguments.classes));
    }
    labels_ = ctx_.from_host(labels, {arguments.batch});
    if (mode_ == "inference") model_ = model_.inference_form(ctx_, arguments.batch);
  }

  // The cross-entropy at inference: what both sides must agree on before anything is timed.
  double loss() {
    return ctx_.item(softmax_cross_entropy(ctx_, model_.forward(ctx_, x_), labels_));
  }

  void iterate() {
    if (mode_ == "forward" || mode_ == "inference") {
      ctx_.item(softmax_cross_entropy(ctx_, model_.forward(ctx_, x_), labels_));
      return;
    }
    const GradScope gradients(ctx_, true);
    ctx_.training = true;
    model_.zero_grad();
    Tensor loss = softmax_cross_entropy(ctx_, model_.forward(ctx_, x_), labels_);
    const Tensor penalty = model_.penalty(ctx_);
    if (penalty.defined()) loss = add(ctx_, loss, penalty);
    ctx_.tape.backward(ctx_, loss);
    if (mode_ == "step") {
      // Made here, so that its state counts as memory of the step, as it does in the peers.
      if (optimiser_ == nullptr) optimiser_ = make_optimiser(ctx_, model_, {});
      optimiser_->step(ctx_, 1e-5);
    }
    ++ctx_.step;
  }

  AllocatorStats allocated() { return ctx_.allocator().stats(); }

 private:
  static Context::Options options_of(const Arguments& arguments) {
    Context::Options options;
    options.threads = arguments.threads;
    return options;
  }

  std::string mode_;
  Context ctx_;
  Model model_;
  Tensor x_, labels_;
  std::unique_ptr<Optimiser> optimiser_;
};

void run(const Arguments& arguments) {
  const std::set<std::string> modes{"inference", "forward", "backward", "step"};
  if (!modes.contains(arguments.mode)) {
    fail("--mode ", arguments.mode, "; use inference, forward, backward or step");
  }
  Side side(arguments);
  const double initial = status_bytes("VmRSS");
  reset_peak_resident();
  std::printf("{\"loss\": %.9g}\n", side.loss());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = Clock::now();
    side.iterate();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("{\"seconds\": %.9g}\n", seconds);
    std::fflush(stdout);
  }
  const AllocatorStats stats = side.allocated();
  std::printf(
      "{\"initial_bytes\": %.0f, \"peak_bytes\": %.0f, \"allocator_peak_bytes\": %zu, "
      "\"allocator_held_peak_bytes\": %zu}\n",
      initial, status_bytes("VmHWM"), stats.peak, stats.held_peak);
}

}  // namespace
}  // namespace lamella::bench

int main(int argc, char** argv) {
  try {
    lamella::bench::run(lamella::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_step: %s\n", error.what());
    return 1;
  }
}
