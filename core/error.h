#pragma once

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace espalier {

// The one exception that the library throws. Its message says what was wrong, where, and what would be right,
// and begins with the operation in brackets: "[conv2d] input has 3 channels, the weight expects 16".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

// Throws Error with the formatted message unless `condition` holds.
template <typename... Args>
void check(bool condition, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) [[unlikely]]
    fail(message, std::forward<Args>(args)...);
}

}  // namespace espalier
