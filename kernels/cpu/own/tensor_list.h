// Lists of tensors cut into chunks of equal size, shared out by number of chunks: small tensors
// cost one each, and a part may hold several tensors or a piece of one.
#pragma once

#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr std::int64_t kChunk = 4096;

template <class List>
inline std::int64_t chunks_of(const List& list) {
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < list.tensor_count; ++i)
    chunks += ceil_div(list.tensors[i].count, kChunk);
  return chunks;
}

// body(tensor, first element, elements, number of the chunk in the list), each chunk once.
template <class List, class Body>
inline void for_chunks(Ctx ctx, const List& list, const Body& body) {
  const std::int64_t chunks = chunks_of(list);
  for_parts(ctx, parts_for(ctx, chunks, kChunk), chunks,
            [&](int, std::int64_t begin, std::int64_t end) {
              std::int64_t tensor = 0, first = 0;  // and the number of its first chunk
              for (std::int64_t chunk = begin; chunk < end; ++chunk) {
                std::int64_t of_tensor = ceil_div(list.tensors[tensor].count, kChunk);
                while (chunk >= first + of_tensor) {
                  first += of_tensor;
                  of_tensor = ceil_div(list.tensors[++tensor].count, kChunk);
                }
                const std::int64_t from = (chunk - first) * kChunk;
                body(list.tensors[tensor], from, smaller(kChunk, list.tensors[tensor].count - from),
                     chunk);
              }
            });
}

}  // namespace lamella::cpu::LAMELLA_ISA
