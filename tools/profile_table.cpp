#include "tools/profile_table.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "kernels/calls/kernel_call.h"

namespace lamella::tool {
namespace {

struct Row {
  std::string name;
  std::int64_t calls = 0;
  double seconds = 0, flops = 0, bytes = 0;  // of all calls
};

// What a call must compute and move; nothing for a kernel that cannot be called by a line.
void add_least(Row& row, const Profile::Entry& entry) {
  try {
    const KernelCall call = make_call(KernelLine(entry.line));
    row.flops += call.flops * static_cast<double>(entry.calls);
    row.bytes += static_cast<double>(call.least_bytes() * entry.calls);
  } catch (const std::runtime_error&) {
    // Its line leaves out what the call is made of: the tensors of an optimiser's step.
  }
}

std::string format(const Row& row, double total) {
  char line[96];
  std::snprintf(line, sizeof line, "%9.2f %5.1f %7lld %8.1f %8.1f  ", 1e3 * row.seconds,
                100 * row.seconds / total, static_cast<long long>(row.calls),
                row.flops / row.seconds * 1e-9, row.bytes / row.seconds * 1e-9);
  return line + row.name + "\n";
}

}  // namespace

std::string profile_table(const Profile& profile) {
  constexpr std::size_t kCalls = 20;
  std::vector<Row> calls;
  std::map<std::string, Row> by_kernel;
  double inside = 0;
  for (const Profile::Entry& entry : profile.entries()) {
    Row row{entry.line, entry.calls, entry.seconds};
    add_least(row, entry);
    Row& sum = by_kernel[entry.line.substr(0, entry.line.find(' '))];
    sum.calls += row.calls, sum.seconds += row.seconds;
    sum.flops += row.flops, sum.bytes += row.bytes;
    inside += row.seconds;
    calls.push_back(row);
  }
  std::vector<Row> kernels;
  for (auto& [name, row] : by_kernel)
    kernels.push_back({name, row.calls, row.seconds, row.flops, row.bytes});
  std::stable_sort(kernels.begin(), kernels.end(),
                   [](const Row& a, const Row& b) { return a.seconds > b.seconds; });
  const double total = profile.seconds();
  std::string table = "       ms     %   calls  GFLOP/s     GB/s  kernel\n";
  for (const Row& row : kernels) table += format(row, total);
  table += format({"outside kernels", 0, total - inside}, total);
  table += "the calls that cost most\n";
  for (std::size_t i = 0; i < calls.size() && i < kCalls; ++i) table += format(calls[i], total);
  return table;
}

}  // namespace lamella::tool
