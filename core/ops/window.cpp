#include "core/ops/window.h"

#include "core/error.h"

namespace espalier::ops {

int64_t window_extent(std::string_view operation, int64_t input, const Window& window) {
  constexpr int64_t kLargest = 1 << 20;  // keeps the arithmetic below far from overflow
  const auto within = [](int64_t value, int64_t low) { return value >= low && value <= kLargest; };
  check(within(input, 0) && within(window.kernel, 1) && within(window.stride, 1) &&
            within(window.padding, 0) && within(window.dilation, 1),
        "[{}] an axis of {} elements under a window of {}, stride {}, padding {}, dilation {}; expected "
        "kernel, stride and "
        "dilation in [1, 2^20] and padding in [0, 2^20]",
        operation, input, window.kernel, window.stride, window.padding, window.dilation);
  const int64_t span = window.dilation * (window.kernel - 1) + 1;
  const int64_t room = input + 2 * window.padding - span;
  check(room >= 0, "[{}] a window of {} does not fit an axis of {} elements padded by {} on both sides",
        operation, span, input, window.padding);
  int64_t count = room / window.stride + 1;
  // Rounded up, as Caffe and PyTorch do: the last window must begin inside the input or the padding before
  // it.
  if (window.ceil_mode && room % window.stride != 0 && count * window.stride < input + window.padding)
    ++count;
  return count;
}

}  // namespace espalier::ops
