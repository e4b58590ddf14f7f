// What every function of the C interface does: no exception passes, and the thread remembers why.
// Private to capi/.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "capi/lamella.h"
#include "engine/errors.h"

namespace lamella::capi {

class BadArgument : public Error {
 public:
  using Error::Error;
};
class Cancelled : public Error {
 public:
  using Error::Error;
};

// Keeps the sentence for lamella_last_error(); a longer one is cut off. Takes no memory.
void remember(const char* sentence) noexcept;
// The status for the exception that is being handled, whose sentence it remembers.
lamella_status status_of_exception() noexcept;

template <class Action>
lamella_status guarded(Action action) noexcept {
  try {
    action();
    return LAMELLA_OK;
  } catch (...) {
    return status_of_exception();
  }
}

template <class... Parts>
void require(bool holds, const Parts&... otherwise) {
  if (!holds) throw BadArgument(text(otherwise...));
}

// What the program gave of a struct, over the defaults: fields beyond its size are not there.
template <class Struct>
Struct over_defaults(const Struct* given, const Struct& defaults, const char* name) {
  Struct whole = defaults;
  if (given == nullptr) return whole;
  require(given->size >= sizeof given->size, name, ": its size is ", given->size,
          "; set it with the init function");
  std::memcpy(&whole, given, given->size < sizeof whole ? given->size : sizeof whole);
  return whole;
}

// Fills what the program knows of a struct with the defaults.
template <class Struct>
void give_defaults(Struct* to, std::size_t size, Struct defaults) {
  if (to == nullptr || size < sizeof defaults.size) return;
  defaults.size = size < sizeof defaults ? size : sizeof defaults;
  std::memcpy(to, &defaults, defaults.size);
}

}  // namespace lamella::capi
