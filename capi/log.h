// Sentences for the program's log. Private to capi/.
#pragma once

#include "capi/lamella.h"
#include "engine/errors.h"

namespace lamella::capi {

// Hands a sentence to the function that lamella_set_log() was given; to none: nothing happens.
void log_sentence(lamella_log_level level, const std::string& sentence);

template <class... Parts>
void inform(const Parts&... parts) {
  log_sentence(LAMELLA_INFO, text(parts...));
}
template <class... Parts>
void warn(const Parts&... parts) {
  log_sentence(LAMELLA_WARNING, text(parts...));
}

}  // namespace lamella::capi
