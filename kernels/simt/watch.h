// What a build of the emulator is and what it saw: counted/ in the counted build, watch_none.cpp in
// the others.
#pragma once

#include <vector>

#include "kernels/simt/simt.h"

namespace lamella::simt {

extern const char* const kBuild;
extern const char* const kDescription;

void set_counting(bool on);
std::vector<Finding> findings();
void clear_findings();
std::vector<KernelCounts> counts();
void clear_counts();

}  // namespace lamella::simt
