// What a library that stands in for a vendor's tells tests beside the vendor's own functions; found
// by dlsym. tests/stand_in/calls.cpp is in each.
#pragma once

extern "C" {
// The call of this number from now on fails; 0: none.
void lamella_stand_in_fail(int call);
int lamella_stand_in_live();       // descriptors that were not destroyed
long lamella_stand_in_executed();  // convolutions or products
}
