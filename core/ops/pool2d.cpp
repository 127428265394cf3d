#include "core/ops.h"
#include "core/ops/common.h"
#include "core/ops/window.h"

namespace espalier::ops {
namespace {

Variable pool2d(PoolOp op, const Variable& x, const Pool2dOptions& options) {
  Tensor y = like(x, pool2d_shape(x.shape(), options));
  Tensor indices;
  if (op == PoolOp::max) indices = Tensor(y.shape(), DType::int32, y.device());
  y.backend().pool2d(op, x.value(), y, indices, options);
  return Variable::result("pool2d", y, {x}, [op, x, indices, options](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().pool2d_backward(op, dy, indices, dx, options);
    x.accumulate(dx);
  });
}

}  // namespace

Shape pool2d_shape(const Shape& x, const Pool2dOptions& options) {
  check(x.rank() == 4, "[pool2d] input of shape {}; expected (N, H, W, C)", x);
  std::array<int64_t, 2> extent;
  for (int axis : {0, 1}) {
    check(options.padding[axis] * 2 <= options.kernel[axis],
          "[pool2d] padding {} is more than half of the window of {}", options.padding[axis],
          options.kernel[axis]);
    extent[axis] = window_extent("pool2d", x[axis + 1],
                                 {.kernel = options.kernel[axis],
                                  .stride = options.stride[axis],
                                  .padding = options.padding[axis],
                                  .ceil_mode = options.ceil_mode});
  }
  return {x[0], extent[0], extent[1], x[3]};
}

Variable max_pool2d(const Variable& x, const Pool2dOptions& options) {
  return pool2d(PoolOp::max, x, options);
}
Variable average_pool2d(const Variable& x, const Pool2dOptions& options) {
  return pool2d(PoolOp::average, x, options);
}

Variable global_average_pool2d(const Variable& x) {
  const Shape& shape = x.shape();
  check(shape.rank() == 4, "[global_average_pool2d] input of shape {}; expected (N, H, W, C)", shape);
  const std::array<int, 2> whole = {static_cast<int>(shape[1]), static_cast<int>(shape[2])};
  return reshape(average_pool2d(x, {.kernel = whole, .stride = whole}), {shape[0], shape[3]});
}

}  // namespace espalier::ops
