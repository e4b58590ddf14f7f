// Max, average and global average pooling.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

CallOperand image(const Pool2dShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N * s.H * s.W, s.C, s.x_pitch, use);
}
CallOperand pooled(const Pool2dShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N * s.P * s.Q, s.C, s.y_pitch, use);
}
CallOperand winners(const Pool2dShape& s, Use use) {
  return matrix("argmax", DType::U8, s.N * s.P * s.Q, s.C, s.C, use);
}
double flops(const Pool2dShape& s) {
  return static_cast<double>(s.N * s.P * s.Q * s.C) * static_cast<double>(s.R * s.S);
}

KernelCall max_pool2d_fwd(const KernelLine& line) {
  const Pool2dShape s = pool2d_shape(line);
  KernelCall call;
  call.operands = {image(s, "x", Use::In), pooled(s, "y", Use::Out), winners(s, Use::Out)};
  call.flops = flops(s);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.max_pool2d_fwd(ctx, s, data[0], data[1], as<std::uint8_t>(data[2]));
  };
  return call;
}

KernelCall max_pool2d_bwd(const KernelLine& line) {
  const Pool2dShape s = pool2d_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {pooled(s, "dy", Use::In), winners(s, Use::In), image(s, "dx", use_of(line))};
  call.flops = flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.max_pool2d_bwd(ctx, s, data[0], as<const std::uint8_t>(data[1]), data[2], write);
  };
  return call;
}

KernelCall avg_pool2d_fwd(const KernelLine& line) {
  const Pool2dShape s = pool2d_shape(line);
  KernelCall call;
  call.operands = {image(s, "x", Use::In), pooled(s, "y", Use::Out)};
  call.flops = flops(s);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.avg_pool2d_fwd(ctx, s, data[0], data[1]);
  };
  return call;
}

KernelCall avg_pool2d_bwd(const KernelLine& line) {
  const Pool2dShape s = pool2d_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {pooled(s, "dy", Use::In), image(s, "dx", use_of(line))};
  call.flops = 2 * flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.avg_pool2d_bwd(ctx, s, data[0], data[1], write);
  };
  return call;
}

GlobalPoolShape global_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("N"),          line.get("pixels"),     C,
          line.get("x_pitch", C), line.get("y_pitch", C), line.dtype()};
}

KernelCall global_avg_pool_fwd(const KernelLine& line) {
  const GlobalPoolShape s = global_shape(line);
  KernelCall call;
  call.operands = {matrix("x", s.dtype, s.N * s.pixels, s.C, s.x_pitch, Use::In),
                   matrix("y", s.dtype, s.N, s.C, s.y_pitch, Use::Out)};
  call.flops = static_cast<double>(s.N * s.pixels * s.C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.global_avg_pool_fwd(ctx, s, data[0], data[1]);
  };
  return call;
}

KernelCall global_avg_pool_bwd(const KernelLine& line) {
  const GlobalPoolShape s = global_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {matrix("dy", s.dtype, s.N, s.C, s.y_pitch, Use::In),
                   matrix("dx", s.dtype, s.N * s.pixels, s.C, s.x_pitch, use_of(line))};
  call.flops = static_cast<double>(s.N * s.pixels * s.C);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.global_avg_pool_bwd(ctx, s, data[0], data[1], write);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& pooling_entries() {
  static const std::vector<Entry> entries = {
      {"max_pool2d_fwd", max_pool2d_fwd},           {"max_pool2d_bwd", max_pool2d_bwd},
      {"avg_pool2d_fwd", avg_pool2d_fwd},           {"avg_pool2d_bwd", avg_pool2d_bwd},
      {"global_avg_pool_fwd", global_avg_pool_fwd}, {"global_avg_pool_bwd", global_avg_pool_bwd}};
  return entries;
}

}  // namespace lamella::calls
