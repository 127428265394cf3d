#include "core/io/toml.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"

namespace espalier {
namespace {

constexpr int kMaxDepth = 32;  // of dotted keys, and of arrays and inline tables within each other

// toml++ bounds the nesting of values but not of dotted keys, and destroys tables recursively: half a million
// dots would overflow the stack. Strings and comments are skipped as TOML has them; where the text is not
// TOML the parser stops too.
void check_depth(std::string_view text, const std::string& origin) {
  int brackets = 0, dots = 0, line = 1;
  size_t i = 0;
  const auto skip_string = [&](char quote) {
    const std::string triple(3, quote);
    const bool is_long = text.substr(i, 3) == triple;
    const std::string_view end = is_long ? std::string_view(triple) : std::string_view(triple).substr(0, 1);
    for (i += end.size(); i < text.size() && text.substr(i, end.size()) != end; ++i) {
      if (text[i] == '\n') {
        if (!is_long) return;
        ++line;
      }
      if (text[i] == '\\' && quote == '"') ++i;
    }
    i += end.size();
    // A long string may end in quotes of its own.
    for (int own = 0; is_long && own < 2 && i < text.size() && text[i] == quote; ++own) ++i;
  };
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      skip_string(c);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '\n') ++line;
    if (c == '[' || c == '{') ++brackets;
    if (c == ']' || c == '}') --brackets;
    dots = c == '.' ? dots + 1 : std::string_view("=,[]{}\n").find(c) != std::string_view::npos ? 0 : dots;
    check(brackets <= kMaxDepth && dots <= kMaxDepth, "{}:{}: nested deeper than {} levels", origin, line,
          kMaxDepth);
    ++i;
  }
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& origin) {
  check(text.size() <= kMaxRecipeBytes, "{}: has {} bytes; a recipe has at most {}", origin, text.size(),
        kMaxRecipeBytes);
  check_depth(text, origin);
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    fail("{}:{}: {}", origin, error.source().begin.line, error.description());
  }
}

}  // namespace espalier
