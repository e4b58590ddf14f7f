#include "tools/interrupt.h"

#include <csignal>

namespace lamella::tool {
namespace {

// The one thing a signal handler may write.
volatile std::sig_atomic_t noted = 0;

void note(int) {
  noted = 1;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return noted != 0;
}

}  // namespace lamella::tool
