// What the stand-in for cuDNN tells tests beside cuDNN's own functions; found by dlsym.
#pragma once

extern "C" {
// The call of this number from now on fails; 0: none.
void lamella_stand_in_fail(int call);
int lamella_stand_in_live();       // descriptors that were not destroyed
long lamella_stand_in_executed();  // convolutions
}
