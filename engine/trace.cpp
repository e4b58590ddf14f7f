#include "engine/trace.h"

#include "engine/errors.h"

namespace lamella {
namespace {

std::string tail(const char* x_name, std::int64_t x_pitch, std::int64_t y_pitch, DType dtype) {
  return text(" ", x_name, "=", x_pitch, " y_pitch=", y_pitch, " dtype=", name_of(dtype));
}

template <class List>
std::int64_t count_of(const List& list) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < list.tensor_count; ++i) count += list.tensors[i].count;
  return count;
}

template <class List>
std::string describe_list(const List& list) {
  return text("tensors=", list.tensor_count, " count=", count_of(list),
              " dtype=", name_of(list.dtype));
}

}  // namespace

std::string describe(const SliceShape& s) {
  return text("pixels=", s.pixels, " C=", s.C) + tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const AddShape& s) {
  return text("pixels=", s.pixels, " C=", s.C, " a_pitch=", s.a_pitch) +
         tail("b_pitch", s.b_pitch, s.y_pitch, s.dtype);
}

std::string describe(const CastShape& s) {
  return text("pixels=", s.pixels, " C=", s.C) + tail("x_pitch", s.x_pitch, s.y_pitch, s.x_dtype) +
         text(" to=", name_of(s.y_dtype));
}

std::string describe(const Conv2dShape& s) {
  return text("N=", s.N, " H=", s.H, " W=", s.W, " C=", s.C, " K=", s.K, " R=", s.R, " S=", s.S,
              " P=", s.P, " Q=", s.Q, " stride=", s.stride_h, "x", s.stride_w, " pad=", s.pad_h,
              "x", s.pad_w) +
         tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const NormConv2dShape& s) {
  return text("eps=", s.eps, " relu_in=", s.relu_in, " relu_out=", s.relu_out, " ") +
         describe(s.conv);
}

std::string describe(const FusedConv2dShape& s) {
  return s.normalised ? describe(s.norm) : describe(s.norm.conv);
}

std::string describe(const LinearShape& s) {
  return text("N=", s.N, " C=", s.C, " K=", s.K) + tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const BatchNormShape& s) {
  return text("pixels=", s.pixels, " C=", s.C, " x_pitch=", s.x_pitch, " y_pitch=", s.y_pitch,
              " eps=", s.eps, " relu_in=", s.relu_in, " relu_out=", s.relu_out,
              " training=", s.training, " dtype=", name_of(s.dtype));
}

std::string describe(const Pool2dShape& s) {
  return text("N=", s.N, " H=", s.H, " W=", s.W, " C=", s.C, " R=", s.R, " S=", s.S, " P=", s.P,
              " Q=", s.Q, " stride=", s.stride_h, "x", s.stride_w, " pad=", s.pad_h, "x", s.pad_w,
              " x_pitch=", s.x_pitch, " y_pitch=", s.y_pitch,
              " count_include_pad=", s.count_include_pad, s.adaptive ? " adaptive=1" : "",
              " dtype=", name_of(s.dtype));
}

std::string describe(const GlobalPoolShape& s) {
  return text("N=", s.N, " pixels=", s.pixels, " C=", s.C) +
         tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const ResampleShape& s) {
  return text("N=", s.N, " H=", s.H, " W=", s.W, " C=", s.C, " P=", s.P, " Q=", s.Q) +
         tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const ImageShape& s) {
  return text("N=", s.N, " pixels=", s.pixels, " C=", s.C) +
         tail("x_pitch", s.x_pitch, s.y_pitch, s.dtype);
}

std::string describe(const SoftmaxShape& s) {
  return text("N=", s.N, " C=", s.C, " x_pitch=", s.x_pitch, " dtype=", name_of(s.dtype));
}

std::string describe(const FlatShape& s) {
  return text("count=", s.count, " dtype=", name_of(s.dtype));
}

std::string describe(const UpdateList& list) {
  return describe_list(list);
}

std::string describe(const UpdateLists& all) {
  const std::string line = describe_list(all.lists[0]);
  if (all.list_count == 1) return line;
  return line + text(" f32_count=", count_of(all.lists[1]));
}

std::string describe(const AverageList& list) {
  return describe_list(list);
}

}  // namespace lamella
