#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias, const Tail& tail) {
  const Shape &xs = x.shape(), &ws = weight.shape();
  check(xs.rank() == 2 && ws.rank() == 2 && xs[1] == ws[1],
        "[linear] input of shape {} and weight of shape {}; expected (N, I) and (O, I)", xs, ws);
  Tensor y = like(x, {xs[0], ws[0]});
  y.backend().gemm(x.value(), weight.value(), y, {.transpose_b = true},
                   epilogue_of("linear", bias, tail, y.shape()));
  return Variable::result("linear", y, {x, weight, bias, tail.residual},
                          [x, weight, bias, tail, y](const Tensor& dy) {
                            const Tensor dz = backward_through(tail, bias, y, dy);
                            Backend& device = dz.backend();
                            if (x.requires_gradient()) {
                              Tensor dx = like(x);
                              device.gemm(dz, weight.value(), dx, {});
                              x.accumulate(dx);
                            }
                            if (weight.requires_gradient()) {
                              Tensor dweight = like(weight);
                              device.gemm(dz, x.value(), dweight, {.transpose_a = true});
                              weight.accumulate(dweight);
                            }
                          });
}

Variable matmul(const Variable& a, const Variable& b) {
  const Shape &as = a.shape(), &bs = b.shape();
  check(as.rank() == 2 && bs.rank() == 2 && as[1] == bs[0],
        "[matmul] {} times {}; expected (M, K) times (K, N)", as, bs);
  Tensor y = like(a, {as[0], bs[1]});
  y.backend().gemm(a.value(), b.value(), y, {});
  return Variable::result("matmul", y, {a, b}, [a, b](const Tensor& dy) {
    if (a.requires_gradient()) {
      Tensor da = like(a);
      dy.backend().gemm(dy, b.value(), da, {.transpose_b = true});
      a.accumulate(da);
    }
    if (b.requires_gradient()) {
      Tensor db = like(b);
      dy.backend().gemm(a.value(), dy, db, {.transpose_a = true});
      b.accumulate(db);
    }
  });
}

}  // namespace espalier::ops
