// Happens-before with three kinds of order: a thread's own, barriers of the block, barriers of a
// warp. Blocks of one launch are never ordered.
#include "kernels/simt/counted/races.h"

namespace lamella::simt {
namespace {

constexpr unsigned kLanes = 32;

bool same_thread(const Accessor& a, const Accessor& b) {
  return a.thread == b.thread;
}
bool same_warp(const Accessor& a, const Accessor& b) {
  return a.thread / kLanes == b.thread / kLanes;
}
// Of this launch, in another block.
bool foreign(const Accessor& a, const Timeline& time) {
  return a.interval >= time.launch && a.interval < time.block;
}

bool unordered(const Accessor& before, const Accessor& access, const Timeline& time) {
  if (before.interval < time.launch) return false;
  if (before.interval < time.block) return true;
  if (before.interval < time.now || same_thread(before, access)) return false;
  // Where epochs have run out nothing is claimed.
  const bool after_warp_barrier = access.epoch > before.epoch || access.epoch == kMostEpochs;
  return !(same_warp(before, access) && after_warp_barrier);
}

void note_reader(Cell& cell, const Accessor& access, const Timeline& time) {
  const Accessor last = cell.reader;
  cell.reader = access;
  if (last.interval < time.launch) return;
  if (foreign(last, time)) {
    cell.foreign_reader = last;
  } else if (!same_thread(last, access)) {
    // One of another warp is worth more: warp barriers do not order it.
    const Accessor& kept = cell.other_reader;
    const bool keep =
        kept.interval == time.now && !same_warp(kept, access) && same_warp(last, access);
    if (!keep) cell.other_reader = last;
  }
}

}  // namespace

std::optional<Accessor> note_access(Cell& cell, const Accessor& access, AccessKind kind,
                                    const Timeline& time) {
  std::optional<Accessor> conflict;
  const auto check = [&](const Accessor& before) {
    if (!conflict && unordered(before, access, time)) conflict = before;
  };
  if (!(access.atomic && cell.writer.atomic)) check(cell.writer);
  if (kind == AccessKind::Read) {
    note_reader(cell, access, time);
    return conflict;
  }
  check(cell.reader);
  check(cell.other_reader);
  check(cell.foreign_reader);
  cell.writer = access;
  return conflict;
}

}  // namespace lamella::simt
