// Reads Python pickles as data: nothing is imported, called or run. Private to weights/.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the opcodes.
#pragma once

#include "weights/byte_source.h"
#include "weights/pickle_heap.h"

namespace lamella {

// Reads one pickle of protocol 1 to 5, as far as torch.save writes them, and leaves `from` behind
// it. Time and memory are linear in its length; all memory comes from the heap's budget. Throws
// Error that names the file and the way out: for a global that is not in pickle_globals.cpp, for an
// opcode torch.save does not write, for damage.
PickleValue unpickle(ByteReader& from, PickleHeap& heap);

}  // namespace lamella
