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
    const auto random = [=](const Shape& of, uint64_t seed, Device device, DType dtype) {
      return random_tensor(of, seed, dtype, device);
    };
    // Its forward, with an epsilon that keeps 1/sqrt(variance) well conditioned where a column has few rows.
    const auto forward = [=](Device device, DType dtype, const Tensor& residual, BatchNormOptions options) {
      Tensor mean = random(row, 4, device, dtype), variance = Tensor::full(row, 2.0, dtype, device);
      Tensor batch_mean(row, dtype, device), inverse_std(row, dtype, device), y(shape, dtype, device);
      options.momentum = 0.3;
      options.epsilon = 1e-2;
      backend(device).batch_norm(random_tensor(shape, 1, dtype, device, 3.0, 2.0),
                                 random(row, 2, device, dtype), random(row, 3, device, dtype), residual, mean,
                                 variance, batch_mean, inverse_std, y, options);
      return std::vector{y, batch_mean, inverse_std, mean, variance};
    };
    struct Variant {
      std::string name;
      std::optional<UnaryOp> activation;
      bool residual;
    };
    for (const Variant& variant : {Variant{"", {}, false},
                                   {" and relu", UnaryOp::relu, false},
                                   {" and relu6", UnaryOp::relu6, false},
                                   {" and a sum", {}, true},
                                   {", a sum and relu", UnaryOp::relu, true}}) {
      const BatchNormOptions options{.activation = variant.activation};
      const auto residual = [=](Device device, DType dtype) {
        return variant.residual ? random(shape, 7, device, dtype) : Tensor();
      };
      add("batch_norm" + variant.name, [=](Device device, DType dtype) {
        return forward(device, dtype, residual(device, dtype), options);
      });
      add("batch_norm_backward" + variant.name, [=](Device device, DType dtype) {
        const std::vector<Tensor> made = forward(device, dtype, residual(device, dtype), options);
        Tensor dx(shape, dtype, device), dscale(row, dtype, device), dshift(row, dtype, device), dresidual;
        if (variant.residual && variant.activation) dresidual = Tensor(shape, dtype, device);
        backend(device).batch_norm_backward(random_tensor(shape, 1, dtype, device, 3.0, 2.0),
                                            random(row, 2, device, dtype), random(row, 3, device, dtype),
                                            made[1], made[2], made[0], random(shape, 6, device, dtype), dx,
                                            dscale, dshift, dresidual, options);
        std::vector<Tensor> written{dx, dscale, dshift};
        if (dresidual.defined()) written.push_back(dresidual);
        return written;
      });
    }
    add("batch_norm_affine", [=](Device device, DType dtype) {
      Tensor factor(row, dtype, device), offset(row, dtype, device), variance(row, dtype, device);
      const Tensor deviation = random(row, 5, device, dtype);
      backend(device).binary(BinaryOp::multiply, deviation, deviation, variance);
      backend(device).batch_norm_affine(random(row, 2, device, dtype), random(row, 3, device, dtype),
                                        random(row, 4, device, dtype), variance, factor, offset,
                                        {.epsilon = 0.1});
      return std::vector{factor, offset};
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
      backend(on).batch_norm(x, ones, ones, {}, mean, variance, batch_mean, inverse_std, y,
                             {.momentum = 1.0});
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
    backend(device).batch_norm(x, one, one, {}, mean, variance, batch_mean, inverse_std, y, {});
    CHECK(identical(mean, one));
    CHECK(identical(variance, one));
  }
}

}  // namespace
}  // namespace espalier::test
