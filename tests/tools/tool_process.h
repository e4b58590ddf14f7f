// Starts the tool as a user would and keeps what it says.
#pragma once

#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "weights/json.h"

namespace lamella {

struct Answer {
  int status = 0;  // exit status; 128 + signal when it was killed
  std::string out, err;
};

// Waits for the end.
Answer run_tool(const std::vector<std::string>& arguments);

// A tool that runs while the test goes on.
class RunningTool {
 public:
  explicit RunningTool(const std::vector<std::string>& arguments);
  ~RunningTool();
  RunningTool(const RunningTool&) = delete;
  RunningTool& operator=(const RunningTool&) = delete;
  void send(int signal) const;
  Answer wait();
  // Waits until the file has that many lines, at most a minute; false when the tool ended before.
  bool wait_for_lines(const std::string& path, int lines);

 private:
  bool ended();
  TemporaryFolder folder_;
  int pid_ = 0;
  int status_ = 0;
  bool done_ = false;
};

// Synthetic data: 2 classes, 12 crops of 32x32 each.
void make_data(const std::string& folder);
Json read_json(const std::string& path);

}  // namespace lamella
