// Places for the tensors of a computation that is run again and again: the requests of one pass are
// noted, and laid out in one arena by their sizes and lifetimes, so that the next pass finds every
// address ready.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace lamella {

class MemoryPlan {
 public:
  void begin();  // of a pass
  // The place of the next request; null where it is not as planned, or there is no plan: then it is
  // to be served otherwise, and told to note(). Never one that something living lies on.
  void* place(std::size_t bytes);
  void note(void* data, std::size_t bytes);
  // Whether `data` was a place. To be told of every release during a pass, and after it.
  bool release(void* data);
  // Ends a pass. Bytes of the arena that the next one needs; 0 where there is none to be made: all
  // was as planned, or the pass was not noted whole.
  std::size_t end();
  // Whether nothing lies in the arena.
  bool idle() const { return places_.empty(); }
  // Gives it that arena; null: none, and every pass is noted anew. Returns the one before. Only
  // when idle.
  void* use(void* arena);

 private:
  struct Request {
    std::size_t bytes = 0, offset = 0;
    std::size_t begin = 0, end = 0;  // of its life, in events of the pass
  };
  bool taken(const Request& request) const;
  std::size_t lay_out();  // plan_; returns the bytes it takes

  char* arena_ = nullptr;
  std::vector<Request> plan_, noted_;
  std::map<void*, std::size_t> live_;    // of this pass, served otherwise: its index in noted_
  std::map<char*, std::size_t> places_;  // in use, and how many bytes
  std::size_t next_ = 0, events_ = 0;
  bool as_planned_ = true;
};

}  // namespace lamella
