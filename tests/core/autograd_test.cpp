#include <thread>

#include "core/ops.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

Variable scalar(float value, bool requires_gradient = true) {
  return Variable(Tensor::full(Shape{}, value), requires_gradient);
}

// x + x + … + x, `length` additions deep.
Variable chain(const Variable& x, int length) {
  Variable y = x;
  for (int i = 0; i < length; ++i) y = ops::add(y, x);
  return y;
}

TEST_CASE("a chain of 100,000 operations is differentiated without recursion") {
  const Variable x = scalar(1);
  Variable y = chain(x, 100'000);
  y.backward();
  CHECK(x.gradient().item() == 100'001);
}

TEST_CASE("a chain of 100,000 operations is destroyed without recursion") {
  const Variable x = scalar(1);
  { const Variable never_differentiated = chain(x, 100'000); }
  CHECK_FALSE(x.gradient().defined());
}

TEST_CASE("gradients of a leaf add up until they are cleared") {
  Variable x = scalar(3);
  for (double expected : {6.0, 12.0}) {
    Variable y = ops::multiply(x, x);
    y.backward();
    CHECK(x.gradient().item() == expected);
  }
  x.clear_gradient();
  CHECK_FALSE(x.gradient().defined());
}

TEST_CASE("a gradient that two variables share is not changed through one of them") {
  const Variable a = scalar(1), b = scalar(1);
  Variable y = ops::add(ops::add(a, b), a);  // the first to reach a and b may be the same tensor
  y.backward();
  CHECK(a.gradient().item() == 2);
  CHECK(b.gradient().item() == 1);
}

TEST_CASE("only what requires a gradient gets one") {
  const Variable a = scalar(2), b = scalar(3, false);
  Variable y = ops::multiply(a, b);
  CHECK(y.requires_gradient());
  y.backward();
  CHECK(a.gradient().item() == 3);
  CHECK_FALSE(b.gradient().defined());
  CHECK_FALSE(y.gradient().defined());  // freed once passed on
  CHECK_FALSE(ops::multiply(b, b).requires_gradient());
}

TEST_CASE("nothing is recorded while a NoGradient lives, on its own thread") {
  const Variable x = scalar(2);
  CHECK(recording());
  {
    const NoGradient outer;
    { const NoGradient inner; }
    CHECK_FALSE(recording());
    CHECK_FALSE(ops::multiply(x, x).requires_gradient());
    bool other = false;
    std::thread([&] { other = recording(); }).join();
    CHECK(other);
  }
  CHECK(recording());
  CHECK(ops::multiply(x, x).requires_gradient());
}

TEST_CASE("a second backward through a freed graph is an error") {
  const Variable x = scalar(2);
  const Variable shared = ops::multiply(x, x);
  Variable y = ops::tanh(shared), z = ops::sigmoid(shared);
  y.backward();
  CHECK_ERROR(y.backward(), "the graph behind [activation] was already freed by an earlier backward()");
  CHECK_ERROR(z.backward(), "the graph behind [multiply] was already freed by an earlier backward()");
}

TEST_CASE("backward starts from a scalar that depends on a leaf") {
  Variable vector(Tensor::zeros({2}), true), constant = scalar(1, false), undefined, leaf = scalar(5);
  CHECK_ERROR(vector.backward(), "[backward] starts from a scalar; this variable has shape (2)");
  CHECK_ERROR(constant.backward(), "does not depend on anything that requires a gradient");
  CHECK_ERROR(undefined.backward(), "does not depend on anything that requires a gradient");
  CHECK_ERROR(undefined.value(), "[autograd] the value of an undefined variable");
  CHECK_ERROR(vector.accumulate(Tensor::zeros({3})),
              "[autograd] a gradient of shape (3) for a value of shape (2)");
  leaf.backward();
  CHECK(leaf.gradient().item() == 1);
}

}  // namespace
}  // namespace espalier::test
