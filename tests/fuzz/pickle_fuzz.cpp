// One pickle of any bytes.
#include "engine/errors.h"
#include "weights/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const lamella::ByteSource source(std::as_bytes(std::span(data, size)), "fuzz");
  lamella::MemoryBudget budget("fuzz", size);
  lamella::PickleHeap heap(budget);
  lamella::ByteReader reader(source, 0, size);
  try {
    lamella::unpickle(reader, heap);
  } catch (const lamella::Error&) {  // the only thing that may come
  }
  return 0;
}
