// Memory of the library that cannot change: tables that a device keeps in its code or its constant
// memory.
#pragma once

namespace lamella::simt {

bool is_constant(const void* address);

}  // namespace lamella::simt
