// Packs filters, cuts the output into blocks of rows, and multiplies them.
#include "kernels/cpu/own/direct.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kTransposed = 64;  // depth written at a time: stays in the first cache

// Rows of a block: as many blocks for every thread, of at most kBlockRows.
std::int64_t block_rows(Ctx ctx, std::int64_t rows) {
  const std::int64_t blocks = round_up(ceil_div(rows, kBlockRows), ctx.threads);
  return larger(kTileRows, round_up(ceil_div(rows, blocks), kTileRows));
}

// Rows [row, row + rows) of out = patches * panels.
void multiply_block(const Patches& patches, const ProductShape& shape, const float* panels,
                    const float* bias, std::int64_t row, std::int64_t rows, float* block,
                    float* out) {
  for (std::int64_t k = 0; k < shape.depth; k += kDepth) {
    const std::int64_t depth = smaller(kDepth, shape.depth - k);
    write_patches(patches, row, rows, k, k + depth, 1, block);
    for (std::int64_t column = 0; column < shape.columns; column += kTileColumns) {
      const float* panel = panels + (column / kTileColumns * shape.depth + k) * kTileColumns;
      TileTarget target{};
      target.pitch = shape.out_pitch;
      target.columns = static_cast<int>(smaller(kTileColumns, shape.columns - column));
      target.add = shape.add || k > 0;
      target.relu = shape.relu && k + depth == shape.depth;
      target.bias = bias == nullptr ? nullptr : bias + column;
      for (std::int64_t i = 0; i < rows; i += kTileRows) {
        target.out = out + (row + i) * shape.out_pitch + column;
        product_rows<kPatchPitch>(static_cast<int>(smaller(kTileRows, rows - i)), depth,
                                  block + i * kPatchPitch, 1, panel, kTileColumns, target);
      }
    }
  }
}

}  // namespace

void multiply_patches(Ctx ctx, const Patches& patches, const ProductShape& shape,
                      const float* panels, const float* bias, float* blocks, float* out) {
  if (shape.rows == 0) return;
  const std::int64_t most = block_rows(ctx, shape.rows), count = ceil_div(shape.rows, most);
  const int parts = parts_for(ctx, count, most * shape.columns * 8);
  for_parts(ctx, parts, count, [&](int part, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i * most;
      multiply_block(patches, shape, panels, bias, row, smaller(most, shape.rows - row),
                     blocks + part * kBlockFloats, out);
    }
  });
}

std::int64_t direct_panel_floats(const Conv2dShape& shape) {
  return panel_count(shape.K) * shape.R * shape.S * shape.C * kTileColumns;
}

void direct_pack(Ctx ctx, const Conv2dShape& shape, const float* w, float* panels) {
  const std::int64_t depth = shape.R * shape.S * shape.C, count = panel_count(shape.K);
  for_parts(ctx, parts_for(ctx, count, depth * kTileColumns), count,
            [&](int, std::int64_t begin, std::int64_t end) {
              for (std::int64_t panel = begin; panel < end; ++panel) {
                float* out = panels + panel * depth * kTileColumns;
                for (std::int64_t i = 0; i < depth; i += kTransposed) {
                  const std::int64_t stop = smaller(depth, i + kTransposed);
                  for (std::int64_t column = 0; column < kTileColumns; ++column) {
                    const std::int64_t k = panel * kTileColumns + column;
                    for (std::int64_t j = i; j < stop; ++j)
                      out[j * kTileColumns + column] = k < shape.K ? w[k * depth + j] : 0.0F;
                  }
                }
              }
            });
}

std::int64_t direct_scratch(Ctx ctx, const Normalisation& norm) {
  return norm.floats() + ctx.threads * kBlockFloats;
}

void direct_run(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
                const float* panels, const float* bias, bool relu, float* scratch, float* y) {
  Patches patches = forward_patches(shape, x);
  patches.prologue = norm.prologue(scratch);
  const ProductShape product{shape.N * shape.P * shape.Q,
                             shape.R * shape.S * shape.C,
                             shape.K,
                             shape.y_pitch,
                             false,
                             relu};
  multiply_patches(ctx, patches, product, panels, bias, scratch + norm.floats(), y);
}

}  // namespace lamella::cpu::LAMELLA_ISA
