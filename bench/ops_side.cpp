// Kernel calls as one side of a comparison: reads commands from stdin, answers each with a line of
// JSON. bench/compare.py lets it take turns with bench/peers/torch_ops.py, which knows the same
// commands.
//   ops_side [--device=cpu|cuda] [--threads=2]
//     open <entry> key=value ...   makes the operands, calls once, says what the outputs amount to
//     time SECONDS                 calls for that long, says the least seconds of one call
//   ops_side --list [--shapes=FILE|FOLDER] [--backward] [--dtype=f32|bf16|f16]
//     prints what is measured, "name entry key=value ..." by line
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "bench/measured_call.h"
#include "engine/errors.h"
#include "weights/json.h"

namespace lamella::bench {
namespace {

class Side {
 public:
  explicit Side(const Arguments& arguments) : ctx_(context_options(arguments)) {}

  Json answer(const std::string& command) {
    const std::string word = command.substr(0, command.find(' '));
    const std::string rest = command.substr(std::min(word.size() + 1, command.size()));
    if (word == "open") return open(rest);
    if (word != "time") fail("\"", command, "\" is no command; they are open and time");
    if (!call_) fail("nothing is open that could be timed");
    char* end = nullptr;
    const double seconds = std::strtod(rest.c_str(), &end);
    if (rest.empty() || *end != '\0') fail("\"", command, "\" does not say how many seconds");
    return {{"seconds", call_->seconds_of_a_call(seconds)}};
  }

 private:
  Json open(const std::string& line) {
    call_.reset();  // first: two calls may not fit into memory
    call_.emplace(ctx_, KernelLine(line));
    call_->run_batch(1);
    Json outputs = Json::object();
    for (const MeasuredCall::Output& output : call_->outputs()) {
      outputs[output.name] = {output.norm, output.projection};
    }
    return {{"outputs", outputs}, {"flops", call_->flops()}, {"least_bytes", call_->least_bytes()}};
  }

  Context ctx_;
  std::optional<MeasuredCall> call_;
};

void serve(const Arguments& arguments) {
  Side side(arguments);
  for (std::string command; std::getline(std::cin, command);) {
    Json answer;
    try {
      answer = side.answer(command);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::puts(dump_json(answer).c_str());
    std::fflush(stdout);
  }
}

void run(std::vector<std::string> words) {
  const auto list = std::find(words.begin(), words.end(), "--list");
  const bool listed = list != words.end();
  if (listed) words.erase(list);
  const Arguments arguments = parse_arguments("ops_side", words);
  if (!listed) return serve(arguments);
  for (const MeasuredLine& measured : measured_lines(arguments)) {
    std::printf("%s %s\n", measured.name.c_str(), measured.line.text().c_str());
  }
}

}  // namespace
}  // namespace lamella::bench

int main(int argc, char** argv) {
  try {
    lamella::bench::run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "ops_side: " << error.what() << '\n';
    return 1;
  }
}
