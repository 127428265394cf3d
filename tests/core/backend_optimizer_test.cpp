#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

// The parameters of a step: none, one, one of several chunks, and many, among them empty ones, whose borders
// lie within chunks.
const std::vector<std::vector<int64_t>> kSizes = {
    {}, {0}, {1}, {40001}, {3, 0, 9000, 1, 1, 0, 0, 8192, 777, 13, 5, 0}};

// Every other parameter of a masked step has a mask.
struct Parameters {
  Parameters(const std::vector<int64_t>& sizes, bool masked, DType dtype, Device device) {
    uint64_t seed = 10;
    for (int64_t size : sizes) {
      weights.push_back(random_tensor({size}, seed + 1, dtype, device));
      gradients.push_back(random_tensor({size}, seed + 2, dtype, device));
      first.push_back(random_tensor({size}, seed + 3, dtype, device));
      second.push_back(Tensor::full({size}, 0.5, dtype, device));
      masks.push_back(random_mask({size}, seed + 4, 0.6, device));
      seed += 10;
    }
    for (size_t i = 0; i < sizes.size(); ++i) mask_of.push_back(masked && i % 2 == 0 ? &masks[i] : nullptr);
  }

  std::vector<Tensor> weights, gradients, first, second, masks;
  std::vector<const Tensor*> mask_of;
};

std::vector<Tensor> concatenated(std::vector<Tensor> first, const std::vector<Tensor>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const std::vector<int64_t>& sizes : kSizes)
    for (bool masked : {false, true}) {
      const auto add = [&](const std::string& what, auto run) {
        result.push_back({what + " of " + std::to_string(sizes.size()) + " parameters, the first of " +
                              std::to_string(sizes.empty() ? 0 : sizes.front()) + (masked ? ", masked" : ""),
                          [=](Device device, DType dtype) {
                            Parameters parameters(sizes, masked, dtype, device);
                            return run(parameters, device);
                          }});
      };
      for (const SgdOptions& options :
           {SgdOptions{.learning_rate = 0.3}, SgdOptions{.gradient_factor = 0.25, .momentum = 0.9},
            SgdOptions{.momentum = 0.8, .nesterov = true}})
        add("sgd_step", [=](Parameters& p, Device device) {
          std::vector<SgdUpdate> updates;
          for (size_t i = 0; i < sizes.size(); ++i)
            updates.push_back({&p.weights[i], &p.gradients[i],
                               options.momentum == 0.0 ? nullptr : &p.first[i], p.mask_of[i],
                               0.01 * static_cast<double>(i % 3)});
          for (int step = 0; step < 2; ++step) backend(device).sgd_step(updates, options);
          return concatenated(p.weights, p.first);
        });
      for (const AdamOptions& options : {AdamOptions{}, AdamOptions{.gradient_factor = 3, .step = 7},
                                         AdamOptions{.decoupled = true, .step = 1000}})
        add("adam_step", [=](Parameters& p, Device device) {
          std::vector<AdamUpdate> updates;
          for (size_t i = 0; i < sizes.size(); ++i)
            updates.push_back({&p.weights[i], &p.gradients[i], &p.first[i], &p.second[i], p.mask_of[i],
                               0.1 * static_cast<double>(i % 3)});
          backend(device).adam_step(updates, options);
          return concatenated(p.weights, concatenated(p.first, p.second));
        });
      add("sum_of_squares", [=](Parameters& p, Device device) {
        std::vector<MaskedGradient> gradients;
        for (size_t i = 0; i < sizes.size(); ++i) gradients.push_back({&p.gradients[i], p.mask_of[i]});
        Tensor total({}, p.weights.empty() ? DType::float32 : p.weights[0].dtype(), device);
        backend(device).sum_of_squares(gradients, total);
        return std::vector{total};
      });
      if (masked)
        add("apply_mask", [=](Parameters& p, Device device) {
          for (size_t i = 0; i < sizes.size(); ++i) backend(device).apply_mask(p.weights[i], p.masks[i]);
          return p.weights;
        });
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
    const AdamUpdate adam{&weight, &nan, &first, &second, &mask, 0.1};
    backend(device).adam_step({&adam, 1}, {});
    for (const Tensor& state : {weight, first, second}) CHECK(identical(state, zeros));
    weight = nan.clone();
    first = nan.clone();
    const SgdUpdate sgd{&weight, &nan, &first, &mask, 0.1};
    backend(device).sgd_step({&sgd, 1}, {.momentum = 0.9});
    for (const Tensor& state : {weight, first}) CHECK(identical(state, zeros));
    weight = nan.clone();
    const SgdUpdate plain{&weight, &nan, nullptr, &mask, 0.1};
    backend(device).sgd_step({&plain, 1}, {});
    CHECK(identical(weight, zeros));
    weight = nan.clone();
    backend(device).apply_mask(weight, mask);
    CHECK(identical(weight, zeros));
    Tensor total({}, DType::float32, device);
    const MaskedGradient held{&nan, &mask};
    backend(device).sum_of_squares({&held, 1}, total);
    CHECK(total.item() == 0.0);
  }
}

}  // namespace
}  // namespace espalier::test
