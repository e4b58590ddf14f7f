// The table that --profile prints.
#pragma once

#include <string>

#include "engine/profile.h"

namespace lamella::tool {

// Kernels by their time, then the calls that cost most: how often, how long, and what that is in
// FLOPs and in bytes that must move, per second.
std::string profile_table(const Profile& profile);

}  // namespace lamella::tool
