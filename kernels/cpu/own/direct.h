// The direct form of a convolution: a block of patches (patches.h) times filters that were packed
// into panels, each as wide as a register tile.
#pragma once

#include "kernels/cpu/own/parallel.h"
#include "kernels/cpu/own/patches.h"
#include "kernels/cpu/own/product.h"

namespace lamella::cpu::LAMELLA_ISA {

constexpr std::int64_t kBlockRows = 8 * kTileRows;  // patches in a block
constexpr std::int64_t kBlockFloats = kBlockRows * kPatchPitch;

inline std::int64_t panel_count(std::int64_t columns) {
  return ceil_div(columns, kTileColumns);
}

// out [rows][columns] at out_pitch (=|+=) patches [rows][depth] * panels, with bias and ReLU.
struct ProductShape {
  std::int64_t rows, depth, columns;
  std::int64_t out_pitch;
  bool add = false, relu = false;
};
// `blocks`: kBlockFloats for each thread.
void multiply_patches(Ctx ctx, const Patches& patches, const ProductShape& shape,
                      const float* panels, const float* bias, float* blocks, float* out);

inline Patches forward_patches(const Conv2dShape& s, const float* x) {
  return {x,   s.H,        s.W,        s.C,     s.x_pitch, s.R, s.S, s.P,
          s.Q, s.stride_h, s.stride_w, s.pad_h, s.pad_w,   1,   1};
}

// --- forward, with filters packed once or on each call ------------------------------------------
std::int64_t direct_panel_floats(const Conv2dShape& shape);
// panels[panel][depth][kTileColumns] from w [K,R,S,C]: columns = K, depth = (r,s,c).
void direct_pack(Ctx ctx, const Conv2dShape& shape, const float* w, float* panels);
// Floats that direct_run works in.
std::int64_t direct_scratch(Ctx ctx, const Normalisation& norm);
void direct_run(Ctx ctx, const Conv2dShape& shape, const Normalisation& norm, const float* x,
                const float* panels, const float* bias, bool relu, float* scratch, float* y);

}  // namespace lamella::cpu::LAMELLA_ISA
