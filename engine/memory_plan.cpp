#include "engine/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace lamella {

void MemoryPlan::begin() {
  noted_.clear();
  live_.clear();
  next_ = events_ = 0;
  as_planned_ = true;
}

// Whether its place overlaps one that is in use: its life was another one in the pass that was
// noted.
bool MemoryPlan::taken(const Request& request) const {
  const char* first = arena_ + request.offset;
  return std::any_of(places_.begin(), places_.end(), [&](const auto& used) {
    return used.first < first + request.bytes && first < used.first + used.second;
  });
}

void* MemoryPlan::place(std::size_t bytes) {
  if (!as_planned_) return nullptr;
  if (arena_ == nullptr || next_ == plan_.size() || plan_[next_].bytes != bytes ||
      taken(plan_[next_])) {
    as_planned_ = false;  // the requests so far are known; they are noted with the next pass
    return nullptr;
  }
  char* data = arena_ + plan_[next_++].offset;
  places_[data] = bytes;
  return data;
}

void MemoryPlan::note(void* data, std::size_t bytes) {
  noted_.push_back({bytes, 0, events_++, 0});
  live_[data] = noted_.size() - 1;
}

bool MemoryPlan::release(void* data) {
  if (places_.erase(static_cast<char*>(data)) > 0) return true;
  if (const auto found = live_.find(data); found != live_.end()) {
    noted_[found->second].end = events_++;
    live_.erase(found);
  }
  return false;
}

std::size_t MemoryPlan::end() {
  if (as_planned_) return 0;
  // What was placed in this pass was not noted: forget the plan, and note the whole of the next.
  const bool whole = next_ == 0 && live_.empty() && idle();
  plan_ = whole ? noted_ : std::vector<Request>();
  live_.clear();
  return lay_out();
}

// The largest first, each at the lowest offset where nothing lives at the same time.
std::size_t MemoryPlan::lay_out() {
  std::vector<std::size_t> order(plan_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return plan_[a].bytes > plan_[b].bytes; });
  std::size_t arena = 0;
  std::vector<const Request*> placed;  // by offset
  for (const std::size_t i : order) {
    Request& request = plan_[i];
    std::size_t offset = 0;
    for (const Request* other : placed) {
      const bool apart = other->end <= request.begin || request.end <= other->begin;
      if (apart) continue;
      if (offset + request.bytes <= other->offset) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    request.offset = offset;
    arena = std::max(arena, offset + request.bytes);
    const auto later = [](const Request* a, const Request* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &request, later), &request);
  }
  return arena;
}

void* MemoryPlan::use(void* arena) {
  void* before = arena_;
  arena_ = static_cast<char*>(arena);
  return before;
}

}  // namespace lamella
