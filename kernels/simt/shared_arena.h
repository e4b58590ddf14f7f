// The shared memory of a block: a range of its own, with guards between the variables.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/simt/shared_memory.h"

namespace lamella::simt {

class SharedArena {
 public:
  SharedArena();
  ~SharedArena();
  SharedArena(const SharedArena&) = delete;
  SharedArena& operator=(const SharedArena&) = delete;

  // A device's limits: static variables, and all of a block.
  static constexpr std::size_t kMostStatic = 48 << 10, kMost = 227 << 10;

  void begin_launch(std::size_t dynamic_bytes);
  // Fills all variables with bytes 0xFF: what one block leaves is nothing to the next.
  void begin_block();
  // Throws std::runtime_error when the variables no longer fit.
  void* place(const SharedVariable& variable);
  void* dynamic() const { return begin_; }
  bool contains(const void* address) const;
  // Empty, or which variable was written past its end; guards are whole again afterwards.
  std::string check_guards();

 private:
  struct Placed {
    const SharedVariable* variable;
    const char* name;
    char* data;
    std::size_t bytes;
  };
  void add(const SharedVariable* variable, const char* name, std::size_t bytes);
  void poison(const Placed& placed);

  char* begin_ = nullptr;
  std::size_t used_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0;
  std::vector<Placed> placed_;
};

}  // namespace lamella::simt
