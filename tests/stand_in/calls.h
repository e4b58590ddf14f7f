// What a stand-in counts, and when it fails.
#pragma once

namespace lamella::stand_in {

extern int live;       // descriptors
extern long executed;  // convolutions or products

// Every call asks; the one chosen by lamella_stand_in_fail fails.
bool fails();

}  // namespace lamella::stand_in
