// The same bytes as each JSON file that is read: run.json and the logs of a run, crossval.json, and
// the limits and rooflines of `lamella bench`.
#include <cstdint>
#include <fstream>

#include "tests/fuzz/attempt.h"
#include "tests/support/temporary_folder.h"
#include "tools/cross_validate.h"
#include "tools/kernel_limits.h"
#include "train/run_folder.h"
#include "weights/json.h"

using namespace lamella;

namespace {

// A call that limits can be held against.
std::vector<tool::Row> counted_rows() {
  const KernelLine line("relu_fwd pixels=64 C=32");
  simt::KernelCounts counts;
  counts.bytes_requested = 1 << 20;
  return {{"net:relu", line, {make_call(line), {counts}, {}}}};
}

void write(const std::string& path, const std::uint8_t* data, std::size_t size) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder;
  static const std::vector<tool::Row> rows = counted_rows();
  for (const char* name : {"run.json", "log.jsonl", "validation.jsonl", "crossval.json"}) {
    write(folder.file(name), data, size);
  }
  const RunFolder run = RunFolder::open(folder.path());
  attempt([&] { run.info(); });
  attempt([&] { run.epochs(); });
  attempt([&] { run.validation(2); });
  attempt([&] { run.rewind_logs(TrainState()); });
  attempt([&] { tool::read_cross_validation(folder.path()); });
  attempt([&] { tool::find_roofline(folder.file("run.json")); });
  const std::string text(reinterpret_cast<const char*>(data), size);
  attempt([&] { tool::check_limits(parse_json(text, "fuzz"), "fuzz", rows); });
  return 0;
}
