// Where a thread is in its grid, and in the source.
#pragma once

namespace lamella::simt {

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

struct Index3 {
  unsigned x, y, z;
};

struct Place {
  Index3 thread, block, block_size, grid_size;
};

// Of the running thread; the scheduler keeps it up to date.
extern constinit thread_local Place place __attribute__((tls_model("initial-exec")));

struct SourceLine {
  const char* file;
  int line;
};

// Ends the launch: the running thread asked for 16 bytes at an address that is no multiple of 16.
[[noreturn]] void misaligned_access(const void* address, int bytes);

}  // namespace lamella::simt
