#include "core/ops.h"
#include "core/ops/common.h"
#include "core/ops/window.h"

namespace espalier::ops {

Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options) {
  check(x.rank() == 4 && weight.rank() == 4,
        "[conv2d] input of shape {} and weight of shape {}; expected (N, H, W, C) and (O, R, S, C / groups)",
        x, weight);
  check(options.groups >= 1 && weight[0] % options.groups == 0 && x[3] == weight[3] * options.groups,
        "[conv2d] input has {} channels; weight {} in {} groups expects {}", x[3], weight, options.groups,
        weight[3] * options.groups);
  std::array<int64_t, 2> extent;
  for (int axis : {0, 1})
    extent[axis] = window_extent("conv2d", x[axis + 1],
                                 {.kernel = weight[axis + 1],
                                  .stride = options.stride[axis],
                                  .padding = options.padding[axis],
                                  .dilation = options.dilation[axis]});
  return {x[0], extent[0], extent[1], weight[0]};
}

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dOptions& options,
                const Tail& tail) {
  Tensor y = like(x, conv2d_shape(x.shape(), weight.shape(), options));
  y.backend().conv2d(x.value(), weight.value(), y, options, epilogue_of("conv2d", bias, tail, y.shape()));
  return Variable::result("conv2d", y, {x, weight, bias, tail.residual},
                          [x, weight, bias, options, tail, y](const Tensor& dy) {
                            const Tensor dz = backward_through(tail, bias, y, dy);
                            Backend& device = dz.backend();
                            if (x.requires_gradient()) {
                              Tensor dx = like(x);
                              device.conv2d_backward_data(dz, weight.value(), dx, options, x.gradient());
                              x.replace_gradient(dx);
                            }
                            if (weight.requires_gradient()) {
                              Tensor dweight = like(weight);
                              device.conv2d_backward_weight(x.value(), dz, dweight, options);
                              weight.accumulate(dweight);
                            }
                          });
}

}  // namespace espalier::ops
