#include "capi/boundary.h"

#include <cstdio>
#include <exception>
#include <new>

namespace lamella::capi {
namespace {

thread_local char last_error[4096] = "";

}  // namespace

void remember(const char* sentence) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", sentence);
}

lamella_status status_of_exception() noexcept {
  try {
    throw;
  } catch (const BadArgument& error) {
    remember(error.what());
    return LAMELLA_BAD_ARGUMENT;
  } catch (const Cancelled& error) {
    remember(error.what());
    return LAMELLA_CANCELLED;
  } catch (const MemoryError& error) {
    remember(error.what());
    return LAMELLA_OUT_OF_MEMORY;
  } catch (const std::bad_alloc&) {
    remember("the machine has no memory left; use a smaller network or image size");
    return LAMELLA_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    remember(error.what());
    return LAMELLA_FAILED;
  } catch (...) {
    remember("something failed that is no error of lamella's");
    return LAMELLA_FAILED;
  }
}

}  // namespace lamella::capi

extern "C" {

int32_t lamella_api_version(void) {
  return LAMELLA_API_VERSION;
}

const char* lamella_version(void) {
  return LAMELLA_VERSION;
}

const char* lamella_last_error(void) {
  return lamella::capi::last_error;
}

}  // extern "C"
