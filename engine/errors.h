// Errors are sentences: they name the op, the tensor, the dimension, both values and the way out.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace lamella {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Memory that the device does not have, or that a cap does not allow.
class MemoryError : public Error {
 public:
  using Error::Error;
};

// Joins its arguments as a stream would print them.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(text(parts...));
}

}  // namespace lamella
