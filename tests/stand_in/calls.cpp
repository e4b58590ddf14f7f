#include "tests/stand_in/calls.h"

#include "tests/stand_in/control.h"

namespace lamella::stand_in {

int live = 0;
long executed = 0;

namespace {
int calls = 0, failing_call = 0;
}  // namespace

bool fails() {
  return ++calls == failing_call;
}

}  // namespace lamella::stand_in

using namespace lamella::stand_in;

void lamella_stand_in_fail(int call) {
  calls = 0;
  failing_call = call;
}
int lamella_stand_in_live() {
  return live;
}
long lamella_stand_in_executed() {
  return executed;
}
