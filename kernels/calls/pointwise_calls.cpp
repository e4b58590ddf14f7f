// fill, copy, ReLU, add, mul, scale, cast, bias, dropout.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

SliceShape slice_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("pixels"), C, line.get("x_pitch", C), line.get("y_pitch", C), line.dtype()};
}

CallOperand x_of(const SliceShape& s, const char* name) {
  return matrix(name, s.dtype, s.pixels, s.C, s.x_pitch, Use::In);
}
CallOperand y_of(const SliceShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.pixels, s.C, s.y_pitch, use);
}

KernelCall fill(const KernelLine& line) {
  const FlatShape s{line.get("count"), line.dtype()};
  KernelCall call;
  call.operands = {matrix("y", s.dtype, 1, s.count, s.count, Use::Out)};
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) { table.fill(ctx, s, 1.0F, data[0]); };
  return call;
}

KernelCall copy(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s, "x"), y_of(s, "y", use_of(line))};
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.copy(ctx, s, data[0], data[1], write);
  };
  return call;
}

KernelCall relu_fwd(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  KernelCall call;
  call.operands = {x_of(s, "x"), y_of(s, "y", Use::Out)};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) { table.relu_fwd(ctx, s, data[0], data[1]); };
  return call;
}

// dx has the line's x_pitch, y its y_pitch; dy_pitch is dense where left out.
KernelCall relu_bwd(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  const std::int64_t dy_pitch = line.get("dy_pitch", s.C);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {y_of(s, "y", Use::In), matrix("dy", s.dtype, s.pixels, s.C, dy_pitch, Use::In),
                   matrix("dx", s.dtype, s.pixels, s.C, s.x_pitch, use_of(line))};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s, dy_pitch, write](const KernelTable& table, const KernelContext& ctx,
                                  const std::vector<void*>& data) {
    table.relu_bwd(ctx, s, data[0], data[1], dy_pitch, data[2], write);
  };
  return call;
}

AddShape add_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("pixels"),     C,           line.get("a_pitch", C), line.get("b_pitch", C),
          line.get("y_pitch", C), line.dtype()};
}

std::vector<CallOperand> operands_of(const AddShape& s, Use y) {
  return {matrix("a", s.dtype, s.pixels, s.C, s.a_pitch, Use::In),
          matrix("b", s.dtype, s.pixels, s.C, s.b_pitch, Use::In),
          matrix("y", s.dtype, s.pixels, s.C, s.y_pitch, y)};
}

KernelCall add_fwd(const KernelLine& line) {
  const AddShape s = add_shape(line);
  KernelCall call;
  call.operands = operands_of(s, Use::Out);
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.add_fwd(ctx, s, data[0], data[1], data[2]);
  };
  return call;
}

KernelCall mul(const KernelLine& line) {
  const AddShape s = add_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = operands_of(s, use_of(line));
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.mul(ctx, s, data[0], data[1], data[2], write);
  };
  return call;
}

KernelCall scale(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  const auto alpha = static_cast<float>(line.number("alpha", 0.5));
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s, "x"), y_of(s, "y", use_of(line))};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s, alpha, write](const KernelTable& table, const KernelContext& ctx,
                               const std::vector<void*>& data) {
    table.scale(ctx, s, alpha, data[0], data[1], write);
  };
  return call;
}

KernelCall cast(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const CastShape s{line.get("pixels"),     C,
                    line.get("x_pitch", C), line.get("y_pitch", C),
                    line.dtype(),           line.dtype("to")};
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {matrix("x", s.x_dtype, s.pixels, C, s.x_pitch, Use::In),
                   matrix("y", s.y_dtype, s.pixels, C, s.y_pitch, use_of(line))};
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.cast(ctx, s, data[0], data[1], write);
  };
  return call;
}

KernelCall bias_fwd(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  KernelCall call;
  call.operands = {x_of(s, "x"), y_of(s, "y", Use::Out), vector("bias", s.C, Use::In)};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.bias_fwd(ctx, s, data[0], as<float>(data[2]), data[1]);
  };
  return call;
}

DropoutKey key_of(const KernelLine& line) {
  const double keep = 1.0 - line.number("p", 50) / 100.0;
  return {1, 0, 0, static_cast<std::uint32_t>(keep * 0x1p32), static_cast<float>(1 / keep)};
}

KernelCall dropout_fwd(const KernelLine& line) {
  const SliceShape s = slice_shape(line);
  const DropoutKey key = key_of(line);
  KernelCall call;
  call.operands = {x_of(s, "x"), y_of(s, "y", Use::Out)};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s, key](const KernelTable& table, const KernelContext& ctx,
                      const std::vector<void*>& data) {
    table.dropout_fwd(ctx, s, key, data[0], data[1]);
  };
  return call;
}

// dy has the line's y_pitch, dx its x_pitch: the entry reads at its own x_pitch.
KernelCall dropout_bwd(const KernelLine& line) {
  SliceShape s = slice_shape(line);
  std::swap(s.x_pitch, s.y_pitch);
  const DropoutKey key = key_of(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s, "dy"), y_of(s, "dx", use_of(line))};
  call.flops = static_cast<double>(s.pixels * s.C);
  call.run = [s, key, write](const KernelTable& table, const KernelContext& ctx,
                             const std::vector<void*>& data) {
    table.dropout_bwd(ctx, s, key, data[0], data[1], write);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& pointwise_entries() {
  static const std::vector<Entry> entries = {{"fill", fill},
                                             {"copy", copy},
                                             {"relu_fwd", relu_fwd},
                                             {"relu_bwd", relu_bwd},
                                             {"add_fwd", add_fwd},
                                             {"mul", mul},
                                             {"scale", scale},
                                             {"cast", cast},
                                             {"bias_fwd", bias_fwd},
                                             {"dropout_fwd", dropout_fwd},
                                             {"dropout_bwd", dropout_bwd}};
  return entries;
}

}  // namespace lamella::calls
