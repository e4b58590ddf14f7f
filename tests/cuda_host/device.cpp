#include "tests/cuda_host/device.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace lamella::cuda_host {
namespace {

template <class Function>
Function* find(void* library, const char* name) {
  void* symbol = library == nullptr ? nullptr : dlsym(library, name);
  if (symbol == nullptr) throw std::runtime_error(dlerror());
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

Device::Device() {
  void* library = dlopen(LAMELLA_CUDA_HOST, RTLD_NOW | RTLD_LOCAL);
  backend_ = find<LamellaBackendFunction>(library, kLamellaBackendSymbol)();
  stand_in_ = find<StandInFunction>(library, kStandInSymbol)();
}

Device& Device::instance() {
  static Device device;
  return device;
}

void Device::reset(bool executing) const {
  StandIn& s = *stand_in_;
  s.executing = executing;
  s.failing_call = s.calls = 0;
  s.failure_stays = s.lost = false;
  s.failed.clear();
  s.record.clear();
  s.misuse.clear();
  s.copies = {};
  s.last_error = 0;
}

Device::Answer Device::ask(const std::function<void(StandIn&)>& prepare) const {
  int ends[2];
  if (pipe(ends) != 0) fail("no pipe to a child");
  const pid_t child = fork();
  if (child == 0) {
    reset(/*executing=*/true);
    prepare(*stand_in_);
    const char* problem = backend_->unavailable();
    std::string answer = problem == nullptr ? "" : problem;
    answer += "\n" + stand_in_->failed + "\n";
    if (!stand_in_->live.empty()) answer += "memory is left";
    if (stand_in_->last_error != 0) answer += "an error is left";
    _exit(write(ends[1], answer.data(), answer.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string all;
  char part[512];
  for (ssize_t n = 0; (n = read(ends[0], part, sizeof part)) > 0;) {
    all.append(part, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) fail("the child died: ", status);
  Answer answer;
  std::istringstream lines(all);
  std::getline(lines, answer.problem);
  std::getline(lines, answer.failed);
  std::getline(lines, answer.left);
  return answer;
}

std::unique_ptr<Context> Device::context(bool cache_memory) const {
  Context::Options options;
  options.backend = backend_;
  options.convolution = options.product = "own";
  options.threads = 1;
  options.cache_memory = cache_memory;
  auto context = std::make_unique<Context>(options);
  // The engine has no other stream than the null one yet.
  const_cast<KernelContext&>(context->kernel_context()).stream = stand_in_->stream(1);
  return context;
}

std::vector<std::string> lines_of(const std::vector<Call>& record, int stream) {
  std::vector<std::string> all;
  for (const Call& call : record) {
    std::string line = call.text;
    if (call.stream >= 0 && call.stream != stream) line += text(" stream ", call.stream);
    const bool behind_copy = !all.empty() && all.back().starts_with("copy ");
    if (line == "wait" && behind_copy && !all.back().ends_with("wait")) {
      all.back() += ", wait";
    } else {
      all.push_back(std::move(line));
    }
  }
  std::vector<std::string> lines;
  for (auto it = all.begin(); it != all.end();) {
    const auto next = std::find_if(it, all.end(), [&](const auto& line) { return line != *it; });
    lines.push_back(next - it > 1 ? text(*it, " x", next - it) : *it);
    it = next;
  }
  return lines;
}

std::string faults_of(const StandIn& stand_in) {
  std::string faults;
  for (const std::string& misuse : stand_in.misuse) faults += misuse + "\n";
  for (const Call& call : stand_in.record) {
    if (call.stream != 1 && call.stream != -1) {
      faults += text(call.text, ": on stream ", call.stream, " and not on the context's\n");
    }
  }
  for (const auto& [data, bytes] : stand_in.live) faults += text(bytes, " bytes are left\n");
  for (const int copies : stand_in.copies) {
    if (copies != 0) faults += text(copies, " copies that nobody waited for\n");
  }
  if (stand_in.last_error != 0) faults += text("error ", stand_in.last_error, " is left\n");
  return faults;
}

}  // namespace lamella::cuda_host
