#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

const std::vector<Shape> kShapes = {{1, 1},          {2, 3},    {64, 1},   {70000, 1}, {5, 7, 9, 16},
                                    {3, 33, 31, 11}, {40, 300}, {7, 1025}, {0, 4},     {4, 0}};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const Shape& shape : kShapes) {
    const Shape row{shape.columns()};
    const auto add = [&](const std::string& what, auto run) {
      result.push_back({what + " of " + shape.to_string(), run});
    };
    add("batch_norm", [=](Device device, DType dtype) {
      const Tensor x = random_tensor(shape, 1, dtype, device, 3.0, 2.0),
                   scale = random_tensor(row, 2, dtype, device);
      const Tensor shift = random_tensor(row, 3, dtype, device);
      Tensor mean = random_tensor(row, 4, dtype, device), variance = Tensor::full(row, 2.0, dtype, device);
      Tensor batch_mean(row, dtype, device), inverse_std(row, dtype, device), y(shape, dtype, device);
      // An epsilon that keeps 1/sqrt(variance) well conditioned where a column has a row or two.
      backend(device).batch_norm(x, scale, shift, mean, variance, batch_mean, inverse_std, y,
                                 {.momentum = 0.3, .epsilon = 1e-2});
      return std::vector{y, batch_mean, inverse_std, mean, variance};
    });
    add("batch_norm_inference", [=](Device device, DType dtype) {
      Tensor y(shape, dtype, device), variance(row, dtype, device);
      const Tensor deviation = random_tensor(row, 5, dtype, device);
      backend(device).binary(BinaryOp::multiply, deviation, deviation, variance);
      backend(device).batch_norm_inference(
          random_tensor(shape, 1, dtype, device), random_tensor(row, 2, dtype, device),
          random_tensor(row, 3, dtype, device), random_tensor(row, 4, dtype, device), variance, y,
          {.epsilon = 0.1});
      return std::vector{y};
    });
    add("batch_norm_backward", [=](Device device, DType dtype) {
      Tensor dx(shape, dtype, device), dscale(row, dtype, device), dshift(row, dtype, device);
      backend(device).batch_norm_backward(
          random_tensor(shape, 1, dtype, device), random_tensor(row, 2, dtype, device),
          random_tensor(row, 4, dtype, device, 0.0, 0.1), random_tensor(row, 5, dtype, device, 1.0, 0.1),
          random_tensor(shape, 6, dtype, device), dx, dscale, dshift);
      return std::vector{dx, dscale, dshift};
    });
  }
  return result;
}

TEST_CASE("batch normalisation agrees with the reference") {
  check_agreement(cases());
}
TEST_CASE("batch normalisation gives the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("batch statistics survive a mean a thousand times the deviation") {
  for (Device device : tested_devices()) {
    const Shape shape{20000, 3}, row{3};
    const auto variance_of = [&](Device on, DType dtype) {
      const Tensor x = random_tensor(shape, 9, dtype, on, 1000.0, 1.0),
                   ones = Tensor::full(row, 1.0, dtype, on);
      Tensor mean = Tensor::zeros(row, dtype, on), variance = mean.clone(), batch_mean = mean.clone(),
             inverse_std = mean.clone(), y(shape, dtype, on);
      backend(on).batch_norm(x, ones, ones, mean, variance, batch_mean, inverse_std, y, {.momentum = 1.0});
      return variance;
    };
    check_close(variance_of(device, DType::float32), variance_of(Device::reference, DType::float64), 1e-4);
  }
}

TEST_CASE("a batch without rows leaves the running statistics as they were") {
  for (Device device : tested_devices()) {
    const Tensor x({0, 2}, DType::float32, device), one = Tensor::full({2}, 1.0, DType::float32, device);
    Tensor mean = one.clone(), variance = one.clone(), batch_mean = one.clone(), inverse_std = one.clone();
    Tensor y({0, 2}, DType::float32, device);
    backend(device).batch_norm(x, one, one, mean, variance, batch_mean, inverse_std, y, {});
    CHECK(identical(mean, one));
    CHECK(identical(variance, one));
  }
}

}  // namespace
}  // namespace espalier::test
