#include "tests/ops/device.h"

#include "engine/context.h"
#include "tests/ops/guarded_backend.h"

namespace lamella::test {

const Backend& backend_of(const Device& device) {
  const Backend& backend = find_backend(device.name);
  return device.guards ? guarded(backend) : backend;
}

void set_order_seed(const Device&, std::uint64_t) {}

std::string findings(const Device&) {
  return "";
}

}  // namespace lamella::test
