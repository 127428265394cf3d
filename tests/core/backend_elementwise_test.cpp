#include <cmath>
#include <limits>

#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

// Below, at and above the sizes at which work is cut and shared.
const std::vector<int64_t> kSizes = {0, 1, 7, 64, 1001, 16385, 50003};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (int64_t size : kSizes) {
    const Shape shape{size};
    const auto add = [&](const std::string& what, auto run) {
      result.push_back({what + " of " + std::to_string(size), run});
    };
    for (UnaryOp op : {UnaryOp::relu, UnaryOp::relu6, UnaryOp::sigmoid, UnaryOp::tanh, UnaryOp::sign})
      add("unary " + std::to_string(static_cast<int>(op)), [=](Device device, DType dtype) {
        const Tensor x = random_tensor(shape, 1, dtype, device, 0.5, 4.0),
                     dy = random_tensor(shape, 2, dtype, device);
        Tensor y(shape, dtype, device), dx(shape, dtype, device), in_place = x.clone();
        backend(device).unary(op, x, y);
        backend(device).unary(op, in_place, in_place);
        backend(device).unary_backward(op, y, dy, dx);
        Tensor over = dy.clone();
        backend(device).unary_backward(op, y, over, over);
        return std::vector{y, dx, in_place, over};
      });
    for (double beta : {0.0, 1.0, -0.25})
      add("axpby " + std::to_string(beta), [=](Device device, DType dtype) {
        Tensor y = random_tensor(shape, 3, dtype, device), over = y.clone();
        backend(device).axpby(1.5, random_tensor(shape, 4, dtype, device), beta, y);
        backend(device).axpby(1.5, over, beta, over);
        return std::vector{y, over};
      });
    for (BinaryOp op : {BinaryOp::add, BinaryOp::multiply})
      add("binary " + std::to_string(static_cast<int>(op)), [=](Device device, DType dtype) {
        const Tensor a = random_tensor(shape, 5, dtype, device), b = random_tensor(shape, 6, dtype, device);
        Tensor y(shape, dtype, device), over_a = a.clone(), over_b = b.clone(), over_both = a.clone();
        backend(device).binary(op, a, b, y);
        backend(device).binary(op, over_a, b, over_a);
        backend(device).binary(op, a, over_b, over_b);
        backend(device).binary(op, over_both, over_both, over_both);
        return std::vector{y, over_a, over_b, over_both};
      });
    add("broadcast_scalar", [=](Device device, DType dtype) {
      Tensor y(shape, dtype, device);
      backend(device).broadcast_scalar(random_tensor({}, 7, dtype, device), 0.75, y);
      return std::vector{y};
    });
    for (double p : {0.0, 0.3, 0.5, 0.99})
      add("dropout " + std::to_string(p), [=](Device device, DType dtype) {
        Tensor y(shape, dtype, device), in_place = random_tensor(shape, 8, dtype, device);
        backend(device).dropout(in_place, p, {.seed = 11, .stream = 12}, y);
        backend(device).dropout(in_place, p, {.seed = 11, .stream = 12}, in_place);
        return std::vector{y, in_place};
      });
  }
  return result;
}

TEST_CASE("elementwise kernels agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("elementwise kernels give the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("axpby with beta 0 does not read what stood in y") {
  for (Device device : tested_devices()) {
    Tensor y = Tensor::full({5}, std::numeric_limits<double>::quiet_NaN(), DType::float32, device);
    backend(device).axpby(2.0, Tensor::full({5}, 1.0, DType::float32, device), 0.0, y);
    CHECK(y.to_vector<float>() == std::vector<float>(5, 2.0f));
  }
}

TEST_CASE("dropout keeps the share that it should, scaled, and depends on its key alone") {
  for (Device device : tested_devices()) {
    const Tensor ones = Tensor::full({100000}, 1.0, DType::float32, device);
    Tensor y = ones.clone(), again = ones.clone(), other = ones.clone();
    backend(device).dropout(ones, 0.25, {1, 2}, y);
    backend(device).dropout(ones, 0.25, {1, 2}, again);
    backend(device).dropout(ones, 0.25, {1, 3}, other);
    double kept = 0;
    for (float value : y.to_vector<float>()) {
      CHECK((value == 0.0f || value == static_cast<float>(1.0 / 0.75)));
      kept += value != 0.0f;
    }
    CHECK(std::abs(kept / 100000 - 0.75) < 0.01);
    CHECK(identical(y, again));
    CHECK_FALSE(identical(y, other));
  }
}

TEST_CASE("a NaN passes through the rectifiers, so that divergence shows") {
  for (Device device : tested_devices())
    for (UnaryOp op : {UnaryOp::relu, UnaryOp::relu6}) {
      Tensor y = Tensor::full({20}, std::numeric_limits<double>::quiet_NaN(), DType::float32, device);
      backend(device).unary(op, y, y);
      for (float value : y.to_vector<float>()) CHECK(std::isnan(value));
    }
}

}  // namespace
}  // namespace espalier::test
