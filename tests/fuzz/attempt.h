// What every target does with a parser.
#pragma once

#include "engine/errors.h"

namespace lamella {

template <class Read>
void attempt(Read read) {
  try {
    read();
  } catch (const Error&) {  // the only thing that may come
  }
}

}  // namespace lamella
