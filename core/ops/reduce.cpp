#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {
namespace {

// factor times the sum of all elements.
Variable scaled_sum(std::string_view operation, const Variable& x, double factor) {
  Tensor y = like(x, Shape{});
  y.backend().sum(x.value(), y);
  if (factor != 1.0) y.backend().axpby(factor, y, 0.0, y);
  return Variable::result(operation, y, {x}, [x, factor](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().broadcast_scalar(dy, factor, dx);
    x.accumulate(dx);
  });
}

}  // namespace

Variable sum(const Variable& x) {
  return scaled_sum("sum", x, 1.0);
}

Variable mean(const Variable& x) {
  check(x.value().numel() > 0, "[mean] of no elements; shape {}", x.shape());
  return scaled_sum("mean", x, 1.0 / static_cast<double>(x.value().numel()));
}

}  // namespace espalier::ops
