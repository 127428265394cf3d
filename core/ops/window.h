#pragma once

#include <cstdint>
#include <string_view>

namespace espalier::ops {

// One axis of a sliding window.
struct Window {
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  bool ceil_mode = false;
};

// How many windows fit an axis of `input` elements. Throws Error, naming `operation`, when none does or a
// number is impossible.
int64_t window_extent(std::string_view operation, int64_t input, const Window& window);

}  // namespace espalier::ops
