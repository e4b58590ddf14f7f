// The `cuda` backend over the runtime that stands in, and contexts on it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "tests/cuda_host/stand_in.h"

namespace lamella::cuda_host {

class Device {
 public:
  // The one of this process.
  static Device& instance();
  const Backend& backend() const { return *backend_; }
  StandIn& stand_in() const { return *stand_in_; }
  // As at first, but for what is allocated; launches run where `executing`.
  void reset(bool executing) const;

  // What the backend says of the device, once `prepare` has run; both in a process of their own,
  // since a backend is asked once.
  struct Answer {
    std::string problem;  // empty: it can be used
    std::string failed;   // StandIn::failed
    std::string left;     // memory that is left, or an error; empty where there is neither
  };
  Answer ask(const std::function<void(StandIn&)>& prepare) const;

  // On stream 1, so that what lies on the null stream lies there by mistake.
  std::unique_ptr<Context> context(bool cache_memory = true) const;

 private:
  Device();

  const Backend* backend_;
  StandIn* stand_in_;
};

// The record as lines of text. Repeated lines are one with a count behind it; a stream is named
// where it is not `stream`.
std::vector<std::string> lines_of(const std::vector<Call>& record, int stream);

// What is wrong with the record of a context that is gone: misuse, other streams than 1, memory
// that is left, copies that nobody waited for, an error that nobody asked for. Empty, or sentences.
std::string faults_of(const StandIn& stand_in);

}  // namespace lamella::cuda_host
