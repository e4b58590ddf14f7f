#include "capi/log.h"

#include <mutex>

namespace lamella::capi {
namespace {

std::mutex mutex;
lamella_log_function log_function = nullptr;
void* log_user = nullptr;

}  // namespace

void log_sentence(lamella_log_level level, const std::string& sentence) {
  const std::lock_guard lock(mutex);
  if (log_function != nullptr) log_function(level, sentence.c_str(), log_user);
}

}  // namespace lamella::capi

extern "C" void lamella_set_log(lamella_log_function log, void* user) {
  const std::lock_guard lock(lamella::capi::mutex);
  lamella::capi::log_function = log;
  lamella::capi::log_user = user;
}
