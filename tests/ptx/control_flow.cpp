// Tarjan's strongly connected components, once without each block that accesses memory.
#include "tests/ptx/control_flow.h"

#include <algorithm>

namespace lamella::ptx {
namespace {

using Graph = std::vector<std::vector<std::size_t>>;

class Cycles {
 public:
  // Which nodes are on a cycle that does not lead through `removed`.
  Cycles(const Graph& graph, std::size_t removed)
      : graph_(graph), order_(graph.size()), low_(graph.size()), on_cycle(graph.size()) {
    order_[removed] = kDone;
    for (std::size_t node = 0; node < graph.size(); ++node) {
      if (order_[node] == 0) visit(node);
    }
  }

 private:
  static constexpr std::size_t kDone = ~std::size_t{0};

  void visit(std::size_t node) {
    order_[node] = low_[node] = ++count_;
    stack_.push_back(node);
    for (const std::size_t next : graph_[node]) {
      if (next == node) on_cycle[node] = true;
      if (order_[next] == 0) visit(next);
      if (order_[next] != kDone) low_[node] = std::min(low_[node], low_[next]);
    }
    if (low_[node] != order_[node]) return;
    const bool alone = stack_.back() == node;
    for (bool last = false; !last; stack_.pop_back()) {
      const std::size_t member = stack_.back();
      last = member == node;
      if (!alone) on_cycle[member] = true;
      order_[member] = kDone;
    }
  }

  const Graph& graph_;
  std::vector<std::size_t> order_, low_, stack_;
  std::size_t count_ = 0;

 public:
  std::vector<bool> on_cycle;
};

}  // namespace

std::vector<std::size_t> classes_of_blocks(const Entry& entry) {
  const std::size_t outside = entry.blocks.size();  // where threads end and begin
  Graph graph;
  for (const Block& block : entry.blocks) {
    graph.push_back(block.next);
    if (block.returns) graph.back().push_back(outside);
  }
  graph.push_back({0});

  struct Representative {
    std::size_t block, number;
    std::vector<bool> on_cycle;  // without it
  };
  std::vector<Representative> all{{outside, kOnce, Cycles(graph, outside).on_cycle}};
  std::vector<std::size_t> classes(entry.blocks.size(), ~std::size_t{0});
  for (std::size_t block = 0; block < entry.blocks.size(); ++block) {
    if (entry.blocks[block].accesses.empty()) continue;
    std::vector<bool> on_cycle = Cycles(graph, block).on_cycle;
    const auto equal = std::find_if(all.begin(), all.end(), [&](const Representative& other) {
      return !other.on_cycle[block] && !on_cycle[other.block];
    });
    classes[block] = equal == all.end() ? all.size() : equal->number;
    if (equal == all.end()) all.push_back({block, all.size(), std::move(on_cycle)});
  }
  return classes;
}

}  // namespace lamella::ptx
