#include "train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/errors.h"

namespace lamella {

RunLock::RunLock(const std::string& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (folder_ < 0) fail("cannot open folder ", folder, ": ", std::strerror(errno));
  if (::flock(folder_, LOCK_EX | LOCK_NB) == 0) return;
  const int why = errno;
  ::close(folder_);
  if (why == EWOULDBLOCK) fail("another process is training the run in ", folder);
  fail("cannot lock folder ", folder, ": ", std::strerror(why));
}

RunLock::RunLock(RunLock&& other) noexcept : folder_(std::exchange(other.folder_, -1)) {}

RunLock::~RunLock() {
  if (folder_ >= 0) ::close(folder_);
}

}  // namespace lamella
