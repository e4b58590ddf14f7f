// Progress on stderr: a bar that redraws itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lamella::tool {

class Progress {
 public:
  // `unit`: what is counted, in the plural ("images").
  Progress(std::string title, std::int64_t total, std::string unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total; `note` follows the figures. Redraws at most ten times a second; writes a
  // line at most every 20 seconds where there is no terminal.
  void update(std::int64_t done, const std::string& note = "");
  // Writes a whole line of its own.
  void line(const std::string& text);
  // Work done before this process began; the rate leaves it out.
  void start_from(std::int64_t done) { first_ = done; }

 private:
  using Clock = std::chrono::steady_clock;
  void clear() const;

  std::string title_, unit_;
  std::int64_t total_, first_ = 0;
  bool terminal_;
  Clock::time_point start_ = Clock::now(), last_ = Clock::now();
};

// "0:42", "1:02:03".
std::string duration(double seconds);

}  // namespace lamella::tool
