#include "tools/recipe.h"

#include <cstdlib>
#include <set>
#include <sstream>

#include "engine/errors.h"

namespace lamella::tool {
namespace {

bool is_bare(const std::string& value) {
  if (value == "true" || value == "false") return true;
  if (value.empty() || value.find_first_not_of("0123456789+-.eE") != std::string::npos)
    return false;
  char* end = nullptr;
  std::strtod(value.c_str(), &end);
  return *end == '\0';
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Reads one line from left to right.
class Line {
 public:
  Line(std::string text, std::string where) : text_(std::move(text)), where_(std::move(where)) {}

  std::string key() {
    const std::size_t equals = text_.find('=');
    if (equals == std::string::npos) fail(where_, ": expected key = value");
    std::string key = trimmed(text_.substr(0, equals));
    if (key.empty() ||
        key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") != std::string::npos) {
      fail(where_, ": '", key, "' is no option name");
    }
    at_ = equals + 1;
    return key;
  }

  std::string value() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    const char first = at_ < text_.size() ? text_[at_] : '\0';
    if (first == '"' || first == '\'') {
      std::string value = quoted(first);
      const std::string rest = trimmed(text_.substr(at_));
      if (!rest.empty() && rest[0] != '#') fail(where_, ": text after the closing quote");
      return value;
    }
    std::string bare = trimmed(text_.substr(at_, text_.find('#', at_) - at_));
    if (!is_bare(bare)) fail(where_, ": '", bare, "' is no number, true, false or quoted text");
    return bare;
  }

 private:
  std::string quoted(char quote) {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return value;
      }
      value += c == '\\' && quote == '"' ? escaped() : c;
    }
    fail(where_, ": the quote is not closed");
  }

  char escaped() {
    const char c = ++at_ < text_.size() ? text_[at_] : '\0';
    switch (c) {
      case '\\':
      case '"':
        return c;
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      default:
        fail(where_, ": unknown escape \\", c, "; use \\\\ \\\" \\n \\t \\r");
    }
  }

  std::string text_, where_;
  std::size_t at_ = 0;
};

std::string quoted(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    switch (c) {
      case '\\':
      case '"':
        text += {'\\', c};
        break;
      case '\n':
        text += "\\n";
        break;
      case '\t':
        text += "\\t";
        break;
      case '\r':
        text += "\\r";
        break;
      default:
        text += c;
    }
  }
  return text + "\"";
}

}  // namespace

Recipe parse_recipe(const std::string& toml, const std::string& name) {
  Recipe recipe;
  std::set<std::string> seen;
  std::istringstream lines(toml);
  std::string text;
  for (int number = 1; std::getline(lines, text); ++number) {
    const std::string content = trimmed(text);
    if (content.empty() || content[0] == '#') continue;
    const std::string where = lamella::text(name, " line ", number);
    if (content[0] == '[') fail(where, ": tables are not used in recipes; write key = value");
    Line line(content, where);
    const std::string key = line.key();
    if (!seen.insert(key).second) fail(where, ": '", key, "' is given twice");
    recipe.emplace_back(key, line.value());
  }
  return recipe;
}

std::string format_recipe(const Recipe& recipe) {
  std::string toml;
  for (const auto& [key, value] : recipe) {
    toml += key + " = " + (is_bare(value) ? value : quoted(value)) + "\n";
  }
  return toml;
}

}  // namespace lamella::tool
