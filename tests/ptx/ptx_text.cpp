// Line by line: directives, labels and branches make blocks; .loc directives make chains of calls.
#include "tests/ptx/ptx_text.h"

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace lamella::ptx {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};

// A .loc directive: its place, and the directives that may be where its function was inlined.
struct Location {
  int file = 0, line = 0;
  std::string function_label, place, inlined_at;
  std::vector<std::size_t> parents;
};

// An access whose location is not a chain yet: names of files and functions come last in a text.
struct Place {
  std::size_t entry, block, access, location;
};

class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  std::vector<Entry> read(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read_line(line);
    for (const Place& place : places_) {
      Access& access = entries_[place.entry].blocks[place.block].accesses[place.access];
      if (place.location != kNone) add_chains(place.location, {}, access.chains);
    }
    return std::move(entries_);
  }

 private:
  void read_line(std::string line) {
    line.erase(0, line.find_first_not_of(" \t"));
    std::istringstream words(line);
    std::string word;
    words >> word;
    const std::size_t entry = line.find(".entry ");
    if (word == ".file") {
      read_file(words);
    } else if (entry != std::string::npos) {
      const std::string name = line.substr(entry + 7);
      begin_entry(name.substr(0, name.find('(')));
    } else if (word == ".loc") {
      read_location(line);
    } else if (word.size() > 1 && word.back() == ':') {
      word.pop_back();
      label_ = word;
      if (in_entry_) begin_block(word);
    } else if (word == ".b8") {
      words >> word;
      read_bytes(word);
    } else if (in_entry_ && word == "}") {
      end_entry();
    } else if (in_entry_ && !word.empty() && (word[0] == '@' || std::islower(word[0]))) {
      read_instruction(line);
    }
  }

  // --- names -------------------------------------------------------------------------------------
  void read_file(std::istringstream& words) {
    int number = 0;
    std::string path;
    words >> number >> path;
    path = path.substr(1, path.rfind('"') - 1);
    for (std::size_t at; (at = path.find("/./")) != std::string::npos;) path.erase(at, 2);
    if (path.rfind(source_ + "/", 0) == 0) path.erase(0, source_.size() + 1);
    files_[number] = path;
  }
  // Strings of the debug sections are lists of bytes after a label.
  void read_bytes(const std::string& list) {
    std::istringstream numbers(list);
    for (std::string number; std::getline(numbers, number, ',');) {
      if (number != "0") strings_[label_].push_back(static_cast<char>(std::stoi(number)));
    }
  }

  // --- lines -------------------------------------------------------------------------------------
  void read_location(const std::string& line) {
    static const std::regex form(R"(\.loc\s+(\d+)\s+(\d+)\s+(\d+)(,\s*function_name\s+([\w$]+),\s*)"
                                 R"(inlined_at\s+(\d+)\s+(\d+)\s+(\d+))?)");
    std::smatch match;
    if (!std::regex_search(line, match, form)) {
      throw std::runtime_error("the PTX has a .loc of an unknown form: " + line);
    }
    const auto place_at = [&](std::size_t group) {
      return match.str(group) + " " + match.str(group + 1) + " " + match.str(group + 2);
    };
    Location location{std::stoi(match[1]), std::stoi(match[2]), match[5], place_at(1), "", {}};
    if (match[4].matched) {
      location.inlined_at = place_at(6);
      location.parents = parents_at(location.inlined_at);
    }
    latest_[location.place][line] = locations_.size();
    locations_.push_back(location);
    fresh_location_ = true;
  }
  // A call is written before the first line inlined there; right before it there is no doubt.
  std::vector<std::size_t> parents_at(const std::string& place) const {
    if (fresh_location_ && locations_.back().place == place) return {locations_.size() - 1};
    std::vector<std::size_t> parents;
    const auto found = latest_.find(place);
    if (found == latest_.end()) throw std::runtime_error("the PTX has no .loc before " + place);
    for (const auto& [text, location] : found->second) parents.push_back(location);
    return parents;
  }
  void add_chains(std::size_t location, std::vector<Frame> inner,
                  std::vector<std::vector<Frame>>& chains) const {
    const Location& one = locations_[location];
    const auto label = strings_.find(one.function_label);
    const auto file = files_.find(one.file);
    inner.push_back({file == files_.end() ? "" : file->second, one.line,
                     label == strings_.end() ? "" : function_name(label->second)});
    for (const std::size_t parent : one.parents) add_chains(parent, inner, chains);
    if (one.parents.empty()) chains.push_back(inner);
  }

  // --- blocks ------------------------------------------------------------------------------------
  void begin_entry(const std::string& mangled) {
    entries_.push_back({function_name(mangled), {}});
    in_entry_ = true;
    falls_through_ = false;
    labels_.clear();
    branches_.clear();
    latest_.clear();
    begin_block("");
  }
  void begin_block(const std::string& label) {
    std::vector<Block>& blocks = entries_.back().blocks;
    if (falls_through_) blocks.back().next.push_back(blocks.size());
    if (!label.empty()) labels_[label] = blocks.size();
    blocks.emplace_back();
    falls_through_ = true;
  }
  void end_entry() {
    std::vector<Block>& blocks = entries_.back().blocks;
    for (const auto& [block, label] : branches_) {
      const auto target = labels_.find(label);
      if (target == labels_.end()) throw std::runtime_error("the PTX has no label " + label);
      blocks[block].next.push_back(target->second);
    }
    in_entry_ = false;
  }

  // --- instructions ------------------------------------------------------------------------------
  void read_instruction(const std::string& line) {
    fresh_location_ = false;
    std::istringstream words(line.substr(0, line.find(';')));
    std::string opcode, operand;
    words >> opcode;
    const bool predicated = opcode[0] == '@';
    if (predicated) words >> opcode;
    words >> operand;
    std::vector<std::string> parts;
    std::istringstream pieces(opcode);
    for (std::string part; std::getline(pieces, part, '.');) parts.push_back(part);
    static const std::set<std::string> unknown = {"brx",  "call", "multimem", "stmatrix", "suld",
                                                  "sust", "tex",  "wgmma",    "wmma"};
    const bool is_copy = opcode == "cp.async.cg.shared.global";
    const bool is_wait = opcode.rfind("cp.async.commit_group", 0) == 0 ||
                         opcode.rfind("cp.async.wait_group", 0) == 0;
    if (unknown.count(parts[0]) != 0 || (parts[0] == "cp" && !is_copy && !is_wait)) {
      throw std::runtime_error("the PTX of " + entries_.back().function + " has " + opcode +
                               ", which tests/ptx cannot compare yet");
    }
    if (parts[0] == "bra") {
      branches_.emplace_back(entries_.back().blocks.size() - 1, operand);
      leave_block(predicated);
    } else if (parts[0] == "ret" || parts[0] == "exit") {
      entries_.back().blocks.back().returns = true;
      leave_block(predicated);
    } else if (is_copy) {  // whether it reads is said by an operand, as by a predicate
      add_access({"shared", "write", 16, {}}, predicated);
      add_access({"global", "read", 16, {}}, true);
    } else if (parts[0] == "ldmatrix") {  // each lane reads the row it points to
      add_access({"shared", "read", 16, {}}, predicated);
    } else if (parts[0] == "ld" || parts[0] == "ldu" || parts[0] == "st" || parts[0] == "atom" ||
               parts[0] == "red") {
      read_access(parts, predicated);
    }
  }
  void leave_block(bool predicated) {
    falls_through_ = predicated;
    begin_block("");
  }
  void read_access(const std::vector<std::string>& parts, bool predicated) {
    Access access;
    access.space = "generic";
    access.kind = parts[0][0] == 'l' ? "read" : parts[0] == "st" ? "write" : "atomic";
    unsigned count = 1;
    for (const std::string& part : parts) {
      if (part == "param" || part == "local" || part == "const") return;  // none of the kernel's
      if (part == "global" || part == "shared") access.space = part;
      if (part == "shared::cta") access.space = "shared";
      if (part == "v2" || part == "v4" || part == "v8")
        count = static_cast<unsigned>(part[1] - '0');
    }
    access.bytes = count * static_cast<unsigned>(std::stoi(parts.back().substr(1))) / 8;
    add_access(access, predicated);
  }
  void add_access(const Access& access, bool predicated) {
    const std::size_t before = entries_.back().blocks.size() - 1;
    if (predicated) begin_block("");
    std::vector<Block>& blocks = entries_.back().blocks;
    places_.push_back({entries_.size() - 1, blocks.size() - 1, blocks.back().accesses.size(),
                       locations_.empty() ? kNone : locations_.size() - 1});
    blocks.back().accesses.push_back(access);
    if (!predicated) return;
    begin_block("");
    blocks[before].next.push_back(blocks.size() - 1);
  }

  std::string source_;
  std::vector<Entry> entries_;
  std::map<int, std::string> files_;
  std::map<std::string, std::string> strings_;  // by label
  std::string label_;                           // the last one
  std::vector<Location> locations_;
  bool fresh_location_ = false;  // no instruction since the last one
  std::map<std::string, std::map<std::string, std::size_t>> latest_;  // by place and whole text
  std::vector<Place> places_;
  bool in_entry_ = false, falls_through_ = false;
  std::map<std::string, std::size_t> labels_;                  // of the entry
  std::vector<std::pair<std::size_t, std::string>> branches_;  // block and label
};

}  // namespace

std::string function_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0) return mangled;
  static const std::regex anonymous(R"(\(anonymous namespace\)::)");
  std::string name;
  int depth = 0;  // of template arguments
  for (const char c : std::regex_replace(std::string(text.get()), anonymous, "")) {
    if (c == '(' && depth == 0) break;
    depth += c == '<' ? 1 : c == '>' ? -1 : 0;
    name += c;
    const bool qualifier = depth == 0 && name.size() > 1 && name.substr(name.size() - 2) == "::";
    if (depth == 0 && (c == ' ' || qualifier)) name.clear();
  }
  const std::pair<const char*, const char*> types[] = {{"__nv_bfloat16", "lamella::Bf16"},
                                                       {"__half", "lamella::F16"}};
  for (const auto& [theirs, ours] : types)
    name = std::regex_replace(name, std::regex(theirs), ours);
  return name;
}

std::vector<Entry> read_ptx(const std::string& text, const std::string& source) {
  return Reader(source).read(text);
}

}  // namespace lamella::ptx
