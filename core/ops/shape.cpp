#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {

Variable concat(const std::vector<Variable>& inputs) {
  check(!inputs.empty(), "[concat] no inputs; expected at least one");
  const Shape& first = inputs.front().shape();
  check(first.rank() >= 1, "[concat] of scalars; expected a last axis");
  int64_t columns = 0;
  for (const Variable& input : inputs) {
    const Shape& shape = input.shape();
    check(shape.rank() == first.rank() && std::equal(shape.begin(), shape.end() - 1, first.begin()),
          "[concat] shapes {} and {} differ before the last axis", first, shape);
    columns += shape.columns();
  }
  std::vector<int64_t> extents(first.begin(), first.end());
  extents.back() = columns;
  Tensor y = like(inputs.front(), Shape(extents));
  int64_t offset = 0;
  for (const Variable& input : inputs) {
    y.backend().copy_columns(input.value(), 0, y, offset, input.shape().columns());
    offset += input.shape().columns();
  }
  return Variable::result("concat", y, inputs, [inputs](const Tensor& dy) {
    int64_t begin = 0;
    for (const Variable& input : inputs) {
      const int64_t count = input.shape().columns();
      if (input.requires_gradient()) {
        Tensor dx = like(input);
        dy.backend().copy_columns(dy, begin, dx, 0, count);
        input.accumulate(dx);
      }
      begin += count;
    }
  });
}

Variable reshape(const Variable& x, Shape shape) {
  return Variable::result("reshape", x.value().reshape(shape), {x},
                          [x](const Tensor& dy) { x.accumulate(dy.reshape(x.shape())); });
}

Variable flatten(const Variable& x) {
  const Shape& shape = x.shape();
  check(shape.rank() >= 1, "[flatten] of a scalar; expected (N, ...)");
  int64_t features = 1;
  for (int axis = 1; axis < shape.rank(); ++axis) features *= shape[axis];
  return reshape(x, {shape[0], features});
}

}  // namespace espalier::ops
