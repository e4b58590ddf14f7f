// LAMELLA_TRACE=op,alloc: one line per kernel call and per allocation, on stderr or wherever
// Context::Options::trace points. An op line is `<kernel> <key>=<value>…`, the grammar of
// tests/shapes/*.txt, so it can be pasted behind `op_tests --case`.
#pragma once

#include <functional>
#include <string>

#include "kernels/fused_conv.h"

namespace lamella {

using TraceSink = std::function<void(const std::string& line)>;

std::string describe(const SliceShape&);
std::string describe(const AddShape&);
std::string describe(const CastShape&);
std::string describe(const Conv2dShape&);
std::string describe(const NormConv2dShape&);
std::string describe(const FusedConv2dShape&);  // that of what it is at its core
std::string describe(const LinearShape&);
std::string describe(const BatchNormShape&);
std::string describe(const Pool2dShape&);
std::string describe(const GlobalPoolShape&);
std::string describe(const ResampleShape&);
std::string describe(const ImageShape&);
std::string describe(const SoftmaxShape&);
std::string describe(const FlatShape&);
std::string describe(const UpdateList&);
std::string describe(const UpdateLists&);
std::string describe(const AverageList&);

}  // namespace lamella
