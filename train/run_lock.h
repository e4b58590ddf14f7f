// One process trains a run at a time.
#pragma once

#include <string>

namespace lamella {

class RunLock {
 public:
  // Locks the folder until the object, or the process, ends. Throws Error where another process
  // holds the lock or the file system has no locks.
  explicit RunLock(const std::string& folder);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  int folder_;
};

}  // namespace lamella
