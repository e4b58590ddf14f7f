// What `lamella bench kernels --html` writes: findings, a roofline, and for each kernel its calls
// and its source lines, on one page without scripts or outside files.
#pragma once

#include <string>
#include <vector>

#include "tools/kernel_rows.h"
#include "tools/roofline.h"

namespace lamella::tool {

std::string kernel_page(const std::vector<Row>& rows, const Roofline& gpu);

}  // namespace lamella::tool
