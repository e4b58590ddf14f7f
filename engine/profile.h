// Where the time of a network goes: every kernel call of a Context, timed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lamella {

class Profile {
 public:
  using Clock = std::chrono::steady_clock;
  // Calls of one kernel with one shape; `line` is that of LAMELLA_TRACE=op.
  struct Entry {
    std::string line;
    std::int64_t calls = 0;
    double seconds = 0;  // of all calls together
  };

  Profile() : start_(Clock::now()) {}
  void add(const std::string& line, double seconds);
  std::vector<Entry> entries() const;  // the costliest first
  double seconds() const;              // since this was made

 private:
  struct Sum {
    std::int64_t calls = 0;
    double seconds = 0;
  };
  Clock::time_point start_;
  std::map<std::string, Sum> sums_;
};

}  // namespace lamella
