#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {
namespace {

Tensor zeros_with_columns(const Variable& x, int64_t columns) {
  std::vector<int64_t> extents(x.shape().begin(), x.shape().end());
  extents.back() = columns;
  return Tensor::zeros(Shape(extents), x.value().dtype(), x.value().device());
}

// Neighbouring channels move together: one copy for each run of them.
struct Run {
  int64_t source, target, count;
};
std::vector<Run> runs(const std::vector<int>& channels) {
  std::vector<Run> result;
  for (size_t i = 0; i < channels.size(); ++i) {
    if (i > 0 && channels[i] == channels[i - 1] + 1)
      ++result.back().count;
    else
      result.push_back({channels[i], static_cast<int64_t>(i), 1});
  }
  return result;
}

}  // namespace

Variable pad_channels(const Variable& x, int64_t before, int64_t after) {
  check(x.shape().rank() >= 1, "[pad_channels] of a scalar; expected a last axis");
  check(before >= 0 && after >= 0, "[pad_channels] by {} and {}; expected neither to be negative", before,
        after);
  const int64_t count = x.shape().columns();
  Tensor y = zeros_with_columns(x, before + count + after);
  y.backend().copy_columns(x.value(), 0, y, before, count);
  return Variable::result("pad_channels", y, {x}, [x, before, count](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().copy_columns(dy, before, dx, 0, count);
    x.accumulate(dx);
  });
}

Variable select_channels(const Variable& x, const std::vector<int>& channels) {
  check(x.shape().rank() >= 1, "[select_channels] of a scalar; expected a last axis");
  const int64_t columns = x.shape().columns();
  check(!channels.empty(), "[select_channels] no channels; expected at least one of {}", columns);
  for (size_t i = 0; i < channels.size(); ++i)
    check(channels[i] < columns && channels[i] > (i == 0 ? -1 : channels[i - 1]),
          "[select_channels] channel {} at place {}; expected increasing indices in [0, {})", channels[i], i,
          columns);
  if (static_cast<int64_t>(channels.size()) == columns) return x;
  Tensor y = zeros_with_columns(x, static_cast<int64_t>(channels.size()));
  for (const Run& run : runs(channels))
    y.backend().copy_columns(x.value(), run.source, y, run.target, run.count);
  return Variable::result("select_channels", y, {x}, [x, channels](const Tensor& dy) {
    Tensor dx = zeros_with_columns(x, x.shape().columns());
    for (const Run& run : runs(channels))
      dy.backend().copy_columns(dy, run.target, dx, run.source, run.count);
    x.accumulate(dx);
  });
}

}  // namespace espalier::ops
