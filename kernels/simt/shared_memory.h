// Shared memory of the running block, as kernel files see it through SHARED and dynamic_shared.
#pragma once

#include <cstddef>

namespace lamella::simt {

// One SHARED line; its address is what tells variables apart.
struct SharedVariable {
  const char* name;
  std::size_t bytes, alignment;
};

// The variable's place in the running block, the same for all its threads.
void* shared_variable(const SharedVariable& variable);

// The dynamic shared memory of the running launch, 16-byte aligned.
void* dynamic_shared_memory();

}  // namespace lamella::simt
