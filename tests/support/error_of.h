// The sentence of the Error that something throws; empty where it throws none.
#pragma once

#include <functional>
#include <string>

#include "engine/errors.h"

namespace lamella {

inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace lamella
