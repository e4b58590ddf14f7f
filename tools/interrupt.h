// Ctrl-C as a question instead of an end: the first one (or SIGTERM) is noted, a second one ends
// the process as usual.
#pragma once

namespace lamella::tool {

void watch_interrupts();
bool interrupted();

}  // namespace lamella::tool
