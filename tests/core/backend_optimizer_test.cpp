#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (int64_t size : {0, 1, 100, 50001})
    for (bool masked : {false, true}) {
      const Shape shape{size};
      const std::string what = std::to_string(size) + (masked ? " masked weights" : " weights");
      const auto mask_on = [=](Device device) {
        return masked ? random_mask(shape, 9, 0.6, device) : Tensor();
      };
      for (const SgdOptions& options : {SgdOptions{.learning_rate = 0.3}, SgdOptions{.weight_decay = 0.1},
                                        SgdOptions{.momentum = 0.9, .weight_decay = 0.01},
                                        SgdOptions{.momentum = 0.8, .weight_decay = 0.02, .nesterov = true}})
        result.push_back({"sgd_step of " + what, [=](Device device, DType dtype) {
                            Tensor weight = random_tensor(shape, 1, dtype, device), momentum;
                            if (options.momentum != 0.0) momentum = random_tensor(shape, 2, dtype, device);
                            for (uint64_t step = 0; step < 2; ++step)
                              backend(device).sgd_step(weight, random_tensor(shape, 3 + step, dtype, device),
                                                       momentum, mask_on(device), options);
                            return momentum.defined() ? std::vector{weight, momentum} : std::vector{weight};
                          }});
      for (const AdamOptions& options : {AdamOptions{}, AdamOptions{.weight_decay = 0.1, .step = 7},
                                         AdamOptions{.weight_decay = 0.1, .decoupled = true, .step = 1000}})
        result.push_back({"adam_step of " + what, [=](Device device, DType dtype) {
                            Tensor weight = random_tensor(shape, 1, dtype, device),
                                   first = random_tensor(shape, 2, dtype, device);
                            Tensor second = Tensor::full(shape, 0.5, dtype, device);
                            backend(device).adam_step(weight, random_tensor(shape, 3, dtype, device), first,
                                                      second, mask_on(device), options);
                            return std::vector{weight, first, second};
                          }});
      if (masked)
        result.push_back({"apply_mask of " + what, [=](Device device, DType dtype) {
                            Tensor weight = random_tensor(shape, 1, dtype, device);
                            backend(device).apply_mask(weight, mask_on(device));
                            return std::vector{weight};
                          }});
    }
  return result;
}

TEST_CASE("optimizer steps agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("optimizer steps give the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("a masked weight and its state are exactly zero, whatever stood there") {
  for (Device device : tested_devices()) {
    const Tensor mask = Tensor::zeros({70}, DType::uint8, device);
    const Tensor zeros = Tensor::zeros({70}, DType::float32, device);
    const Tensor nan = Tensor::full({70}, std::numeric_limits<double>::quiet_NaN(), DType::float32, device);
    Tensor weight = nan.clone(), first = nan.clone(), second = nan.clone();
    backend(device).adam_step(weight, nan, first, second, mask, {});
    for (const Tensor& state : {weight, first, second}) CHECK(identical(state, zeros));
    weight = nan.clone();
    first = nan.clone();
    backend(device).sgd_step(weight, nan, first, mask, {.momentum = 0.9});
    for (const Tensor& state : {weight, first}) CHECK(identical(state, zeros));
    weight = nan.clone();
    backend(device).apply_mask(weight, mask);
    CHECK(identical(weight, zeros));
  }
}

}  // namespace
}  // namespace espalier::test
