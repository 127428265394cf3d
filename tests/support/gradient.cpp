#include "tests/support/gradient.h"

#include "core/ops.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

// Truncation errs by about kStep² and rounding by about 1e-16 / kStep; both stay far below kTolerance.
constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-7;

Variable weighted_sum(const Variable& y) {
  const Tensor weights = random_tensor(y.shape(), 4242, y.value().dtype(), y.value().device());
  return ops::sum(ops::multiply(y, Variable(weights)));
}

std::vector<Tensor> draw_inputs(const Differentiable& of, DType dtype, Device device) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : of.inputs)
    inputs.push_back(random_tensor(shape, 1 + inputs.size(), dtype, device, 0.0, of.deviation));
  return inputs;
}

struct Analytic {
  Tensor output;
  std::vector<Tensor> gradients;
};

Analytic differentiate(const Differentiable& of, DType dtype, Device device) {
  std::vector<Variable> inputs;
  for (const Tensor& input : draw_inputs(of, dtype, device)) inputs.emplace_back(input, true);
  const Variable y = of.function(inputs);
  weighted_sum(y).backward();
  Analytic result{.output = y.value(), .gradients = {}};
  for (const Variable& input : inputs) {
    REQUIRE(input.gradient().defined());
    result.gradients.push_back(input.gradient());
  }
  return result;
}

Tensor central_differences(const Differentiable& of, size_t which) {
  const NoGradient no_gradient;
  std::vector<Tensor> inputs = draw_inputs(of, DType::float64, Device::reference);
  const auto loss = [&] { return weighted_sum(of.function({inputs.begin(), inputs.end()})).value().item(); };
  Tensor gradient(inputs[which].shape(), DType::float64, Device::reference);
  const auto moved = inputs[which].host<double>();
  for (size_t i = 0; i < moved.size(); ++i) {
    const double before = moved[i];
    moved[i] = before + kStep;
    const double above = loss();
    moved[i] = before - kStep;
    const double below = loss();
    moved[i] = before;
    gradient.host<double>()[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

}  // namespace

void check_gradients(const std::vector<Differentiable>& functions) {
  for (const Differentiable& each : functions) {
    INFO(each.name);
    const Analytic expected = differentiate(each, DType::float64, Device::reference);
    for (size_t i = 0; i < each.inputs.size(); ++i) {
      INFO("input " << i << ", against central differences");
      check_close(expected.gradients[i], central_differences(each, i), kTolerance);
    }
    for (Device device : tested_devices()) {
      INFO("in float32 on " << name(device));
      const double allowed = tolerance(device, DType::float32);
      const Analytic actual = differentiate(each, DType::float32, device);
      check_close(actual.output, expected.output, allowed);
      for (size_t i = 0; i < each.inputs.size(); ++i) {
        INFO("input " << i);
        check_close(actual.gradients[i], expected.gradients[i], allowed);
      }
    }
  }
}

}  // namespace espalier::test
