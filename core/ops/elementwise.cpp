#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {
namespace {

void check_same_shape(std::string_view operation, const Variable& a, const Variable& b) {
  check(a.shape() == b.shape(), "[{}] shapes {} and {} differ", operation, a.shape(), b.shape());
}

}  // namespace

Variable activation(UnaryOp op, const Variable& x) {
  Tensor y = like(x);
  y.backend().unary(op, x.value(), y);
  // The gradient is computed from the output.
  return Variable::result("activation", y, {x}, [op, x, y](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().unary_backward(op, y, dy, dx);
    x.accumulate(dx);
  });
}

Variable relu(const Variable& x) {
  return activation(UnaryOp::relu, x);
}
Variable relu6(const Variable& x) {
  return activation(UnaryOp::relu6, x);
}
Variable sigmoid(const Variable& x) {
  return activation(UnaryOp::sigmoid, x);
}
Variable tanh(const Variable& x) {
  return activation(UnaryOp::tanh, x);
}

Variable add(const Variable& a, const Variable& b) {
  check_same_shape("add", a, b);
  Tensor y = like(a);
  y.backend().binary(BinaryOp::add, a.value(), b.value(), y);
  return Variable::result("add", y, {a, b}, [a, b](const Tensor& dy) {
    a.accumulate(dy);
    b.accumulate(dy);
  });
}

Variable multiply(const Variable& a, const Variable& b) {
  check_same_shape("multiply", a, b);
  Tensor y = like(a);
  y.backend().binary(BinaryOp::multiply, a.value(), b.value(), y);
  return Variable::result("multiply", y, {a, b}, [a, b](const Tensor& dy) {
    const auto pass = [&](const Variable& to, const Variable& other) {
      if (!to.requires_gradient()) return;
      Tensor gradient = like(to);
      dy.backend().binary(BinaryOp::multiply, dy, other.value(), gradient);
      to.accumulate(gradient);
    };
    pass(a, b);
    pass(b, a);
  });
}

Variable scale(const Variable& x, double factor) {
  Tensor y = like(x);
  y.backend().axpby(factor, x.value(), 0.0, y);
  return Variable::result("scale", y, {x}, [x, factor](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().axpby(factor, dy, 0.0, dx);
    x.accumulate(dx);
  });
}

Variable dropout(const Variable& x, double p, RandomKey key) {
  check(p >= 0 && p < 1, "[dropout] probability {}; expected one in [0, 1)", p);
  Tensor y = like(x);
  y.backend().dropout(x.value(), p, key, y);
  return Variable::result("dropout", y, {x}, [x, p, key](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().dropout(dy, p, key, dx);
    x.accumulate(dx);
  });
}

}  // namespace espalier::ops
