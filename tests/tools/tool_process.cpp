#include "tests/tools/tool_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "io/synth_tem.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int exit_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void become_tool(const TemporaryFolder& folder, std::vector<std::string> words) {
  words.insert(words.begin(), LAMELLA_TOOL);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int out = open(folder.file("out").c_str(), O_WRONLY | O_CREAT, 0600);
  const int err = open(folder.file("err").c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execv(LAMELLA_TOOL, arguments.data());
  _exit(126);
}

}  // namespace

RunningTool::RunningTool(const std::vector<std::string>& arguments) : pid_(fork()) {
  if (pid_ == 0) become_tool(folder_, arguments);
}

RunningTool::~RunningTool() {
  if (done_) return;
  send(SIGKILL);
  wait();
}

void RunningTool::send(int signal) const {
  kill(pid_, signal);
}

bool RunningTool::ended() {
  if (!done_) done_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return done_;
}

Answer RunningTool::wait() {
  if (!done_) waitpid(pid_, &status_, 0);
  done_ = true;
  return {exit_status(status_), content(folder_.file("out")), content(folder_.file("err"))};
}

bool RunningTool::wait_for_lines(const std::string& path, int lines) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string text = content(path);
    if (std::count(text.begin(), text.end(), '\n') >= lines) return true;
    if (ended()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

Answer run_tool(const std::vector<std::string>& arguments) {
  return RunningTool(arguments).wait();
}

void make_data(const std::string& folder) {
  SynthTemOptions options;
  options.classes = 2;
  options.per_class = 12;
  options.size = 32;
  options.per_micrograph = 3;
  options.format = SynthFormat::Png;
  write_synth_tem(folder, options);
}

Json read_json(const std::string& path) {
  return parse_json(read_text_file(path), path);
}

}  // namespace lamella
