#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace lamella::tool {
namespace {

constexpr int kBarWidth = 24;

std::string bar(double fraction) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBarWidth);
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - full), '.') + "]";
}

}  // namespace

std::string duration(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  char digits[32];
  if (whole >= 3600) {
    std::snprintf(digits, sizeof digits, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(digits, sizeof digits, "%lld:%02lld", whole / 60, whole % 60);
  }
  return digits;
}

Progress::Progress(std::string title, std::int64_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) != 0) {}

void Progress::update(std::int64_t done, const std::string& note) {
  const auto now = Clock::now();
  const std::chrono::duration<double> pause = now - last_, spent = now - start_;
  if (done < total_ && pause.count() < (terminal_ ? 0.1 : 20.0)) return;
  if (!terminal_ && pause.count() < 20.0) return;  // the end is told by the caller's own line
  last_ = now;
  const double rate = static_cast<double>(done - first_) / std::max(spent.count(), 1e-9);
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  const double fraction =
      total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1.0;
  std::fprintf(stderr, "%s%s %s %3.0f %%  %.1f %s/s  %s left%s%s%s", terminal_ ? "\r\x1b[K" : "",
               title_.c_str(), terminal_ ? bar(fraction).c_str() : "", 100 * fraction, rate,
               unit_.c_str(), duration(left).c_str(), note.empty() ? "" : "  ", note.c_str(),
               terminal_ ? "" : "\n");
}

void Progress::line(const std::string& text) {
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::clear() const {
  if (terminal_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace lamella::tool
