#include "core/optim/optimizer.h"

#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

Parameter parameter(const std::string& name, Tensor value, ParameterKind kind = ParameterKind::weight) {
  return {.name = name, .kind = kind, .shape = value.shape(), .variable = Variable(value, true)};
}

void give_gradient(Parameter& to, const Tensor& gradient) {
  to.variable.accumulate(gradient.clone());
}

const std::map<std::string, OptimizerOptions> kGoldenOptions = {
    {"sgd", {.momentum = 0.0}},
    {"sgd_momentum", {.weight_decay = 0.05}},
    {"sgd_nesterov", {.nesterov = true, .weight_decay = 0.05}},
    {"adam", {.kind = "adam", .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.05}},
    {"adamw", {.kind = "adamw", .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.05}},
};

std::vector<OptimizerOptions> stateful_options() {
  std::vector<OptimizerOptions> result;
  for (const auto& [name, options] : kGoldenOptions)
    if (name != "sgd") result.push_back(options);
  return result;
}

TEST_CASE("optimizers move weights as PyTorch's do") {
  const auto golden = read_golden("training.json").at("optimizers");
  REQUIRE(golden.size() == kGoldenOptions.size());
  for (const auto& [name, options] : kGoldenOptions) {
    INFO(name);
    Parameter weight = parameter("w", golden_tensor({6}, 1, -1, 1));
    const auto optimizer = make_optimizer(options, {weight});
    for (uint64_t step = 0; step < 5; ++step) {
      give_gradient(weight, golden_tensor({6}, 2 + step, -1, 1));
      optimizer->step(0.1);
      INFO("step " << step);
      const Tensor expected = Tensor::from(golden.at(name).at(step).get<std::vector<double>>(), {6});
      check_close(weight.variable.value(), expected, 1e-6);
    }
    CHECK(optimizer->steps() == 5);
  }
}

TEST_CASE("momentum sgd with decay follows a hand-worked example") {
  Parameter weight = parameter("w", Tensor::full({1}, 1.0));
  const auto optimizer = make_optimizer({.momentum = 0.5, .weight_decay = 0.25}, {weight});
  // g = 0.75 + 0.25 · 1 = 1, m = 1, w = 1 − 0.5 · 1; then g = 0.875 + 0.25 · 0.5 = 1, m = 1.5, w = 0.5 −
  // 0.75.
  for (const auto& [gradient, expected] : {std::pair{0.75, 0.5f}, {0.875, -0.25f}}) {
    give_gradient(weight, Tensor::full({1}, gradient));
    optimizer->step(0.5);
    CHECK(weight.variable.value().item() == expected);
    CHECK_FALSE(weight.variable.gradient().defined());
  }
}

TEST_CASE("a masked weight stays exactly zero through momentum and decay") {
  const Tensor mask = random_mask({40}, 1, 0.5, Device::cpu);
  for (const OptimizerOptions& options : stateful_options()) {
    Parameter weight = parameter("w", random_tensor({40}, 2, DType::float32, Device::cpu));
    const auto optimizer = make_optimizer(options, {weight});
    optimizer->set_masks({{"w", mask}});
    for (uint64_t step = 0; step < 4; ++step) {
      const auto values = weight.variable.value().to_vector<float>();
      const auto keep = mask.to_vector<uint8_t>();
      for (size_t i = 0; i < values.size(); ++i) CHECK((values[i] != 0) == (keep[i] != 0));
      give_gradient(weight, random_tensor({40}, 3 + step, DType::float32, Device::cpu));
      optimizer->step(0.1);
    }
  }
}

TEST_CASE("a mask that comes mid-way zeroes the moments, so that nothing moves a weight once released") {
  for (const OptimizerOptions& options : stateful_options()) {
    Parameter weight = parameter("w", Tensor::from(std::vector<float>{1, 2}, {2}));
    const auto optimizer = make_optimizer(options, {weight});
    const Tensor push = Tensor::full({2}, 3.0);
    give_gradient(weight, push);
    optimizer->step(0.1);
    optimizer->set_masks({{"w", Tensor::from(std::vector<uint8_t>{0, 1}, {2})}});
    REQUIRE_FALSE(optimizer->state().empty());
    for (const auto& [name, moment] : optimizer->state()) {
      INFO(name);
      CHECK(moment.to_vector<float>()[0] == 0);
      CHECK(moment.to_vector<float>()[1] != 0);
    }
    optimizer->set_masks({});
    give_gradient(weight, Tensor::zeros({2}));
    optimizer->step(0.1);
    CHECK(weight.variable.value().to_vector<float>()[0] == 0);
    give_gradient(weight, push);
    optimizer->step(0.1);
    CHECK(weight.variable.value().to_vector<float>()[0] < 0);
  }
}

TEST_CASE("an optimizer that loads its state goes on with the same bits") {
  for (const OptimizerOptions& options : stateful_options()) {
    const auto run = [](Optimizer& optimizer, Parameter& weight, uint64_t first, uint64_t last) {
      for (uint64_t step = first; step < last; ++step) {
        give_gradient(weight, random_tensor({33}, step, DType::float32, Device::cpu));
        optimizer.step(0.05);
      }
    };
    Parameter whole = parameter("w", random_tensor({33}, 99, DType::float32, Device::cpu));
    const auto uninterrupted = make_optimizer(options, {whole});
    run(*uninterrupted, whole, 0, 3);
    std::map<std::string, Tensor> saved;
    for (const auto& [name, tensor] : uninterrupted->state()) saved[name] = tensor.clone();
    Parameter resumed = parameter("w", whole.variable.value().clone());
    run(*uninterrupted, whole, 3, 6);

    const auto continued = make_optimizer(options, {resumed});
    continued->load_state(saved, 3);
    run(*continued, resumed, 3, 6);
    CHECK(identical(resumed.variable.value(), whole.variable.value()));
    CHECK(continued->steps() == 6);
  }
}

TEST_CASE("weight decay touches weights alone unless told otherwise") {
  for (const OptimizerOptions& kind : stateful_options())
    for (bool everything : {false, true}) {
      OptimizerOptions options = kind;
      options.weight_decay = 0.1;
      options.decay_biases_and_norms = everything;
      std::vector<Parameter> parameters;
      for (ParameterKind each : {ParameterKind::weight, ParameterKind::bias, ParameterKind::norm_scale,
                                 ParameterKind::norm_shift}) {
        parameters.push_back(
            parameter("p" + std::to_string(parameters.size()), Tensor::full({2}, 1.0), each));
        give_gradient(parameters.back(), Tensor::zeros({2}));
      }
      make_optimizer(options, parameters)->step(0.1);
      for (Parameter& each : parameters)
        CHECK((each.variable.value().to_vector<float>()[0] < 1) ==
              (everything || each.kind == ParameterKind::weight));
    }
}

TEST_CASE("weight decay may differ by parameter") {
  std::vector<Parameter> parameters;
  for (const char* name : {"a.weight", "b.weight"})
    parameters.push_back({.name = name,
                          .kind = ParameterKind::weight,
                          .shape = {1},
                          .variable = Variable(Tensor::full({1}, 2), true)});
  const auto optimizer = make_optimizer(
      {.momentum = 0, .weight_decay = 0.25, .weight_decay_of = {{"b.weight", 0.5}}}, parameters);
  for (Parameter& parameter : parameters) parameter.variable.accumulate(Tensor::full({1}, 1));
  optimizer->step(1);
  CHECK(parameters[0].variable.value().item() == 2 - (1 + 0.25 * 2));
  CHECK(parameters[1].variable.value().item() == 2 - (1 + 0.5 * 2));
}

TEST_CASE("gradients longer than clip_norm are scaled down together, shorter ones are left alone") {
  for (const double clip : {2.5, 0.5, 100.0}) {
    std::vector<Parameter> parameters;
    for (const char* name : {"a.weight", "b.bias"})
      parameters.push_back({.name = name,
                            .kind = ParameterKind::bias,
                            .shape = {1},
                            .variable = Variable(Tensor::zeros({1}), true)});
    const auto optimizer = make_optimizer({.momentum = 0, .clip_norm = clip}, parameters);
    parameters[0].variable.accumulate(Tensor::full({1}, 6));
    parameters[1].variable.accumulate(Tensor::full({1}, -8));
    CHECK(optimizer->gradient_norm() == 10);
    optimizer->step(1, 0.5);  // the gradient is (3, -4), of length 5
    const double factor = std::min(1.0, clip / 5);
    CHECK(parameters[0].variable.value().item() == Approx(-3 * factor));
    CHECK(parameters[1].variable.value().item() == Approx(4 * factor));
  }
}

TEST_CASE("gradients of masked weights do not count towards the norm that is clipped") {
  std::vector<Parameter> parameters = {{.name = "a.weight",
                                        .kind = ParameterKind::weight,
                                        .shape = {2},
                                        .variable = Variable(Tensor::zeros({2}), true)}};
  const auto optimizer = make_optimizer({.momentum = 0, .clip_norm = 5}, parameters);
  optimizer->set_masks({{"a.weight", Tensor::from(std::vector<uint8_t>{1, 0}, {2})}});
  parameters[0].variable.accumulate(Tensor::from(std::vector<float>{3, 1000}, {2}));
  CHECK(optimizer->gradient_norm() == 3);
  optimizer->step(1);
  CHECK(parameters[0].variable.value().to_vector<float>() == std::vector<float>{-3, 0});
}

TEST_CASE("two parameters that share a gradient are each scaled once") {
  std::vector<Parameter> parameters;
  for (const char* name : {"a.bias", "b.bias"})
    parameters.push_back({.name = name,
                          .kind = ParameterKind::bias,
                          .shape = {1},
                          .variable = Variable(Tensor::zeros({1}), true)});
  const auto optimizer = make_optimizer({.momentum = 0}, parameters);
  const Tensor shared = Tensor::full({1}, 8);
  for (Parameter& parameter : parameters) parameter.variable.accumulate(shared);
  optimizer->step(1, 0.5);
  CHECK(parameters[0].variable.value().item() == -4);
  CHECK(parameters[1].variable.value().item() == -4);
}

TEST_CASE("a parameter without a gradient stands still and has no state") {
  Parameter moved = parameter("moved", Tensor::full({1}, 1.0)),
            still = parameter("still", Tensor::full({1}, 1.0));
  const auto optimizer = make_optimizer({.weight_decay = 0.1}, {moved, still});
  CHECK(optimizer->state().empty());
  give_gradient(moved, Tensor::full({1}, 1.0));
  optimizer->step(0.1);
  CHECK(still.variable.value().item() == 1);
  CHECK(optimizer->state().size() == 1);
  CHECK(optimizer->state().contains("momentum/moved"));
}

TEST_CASE("an optimizer refuses what fits none of its parameters") {
  const Parameter weight = parameter("w", Tensor::full({2, 3}, 1.0));
  const auto optimizer = make_optimizer({}, {weight});
  CHECK_ERROR(make_optimizer({.kind = "lion"}, {weight}),
              "unknown kind 'lion'; the kinds are sgd, adam, adamw");
  CHECK_ERROR(optimizer->set_masks({{"v", Tensor::zeros({2, 3}, DType::uint8)}}),
              "[optimizer] a mask for 'v'");
  CHECK_ERROR(optimizer->set_masks({{"w", Tensor::zeros({3, 2}, DType::uint8)}}), "expected uint8 (2, 3)");
  CHECK_ERROR(optimizer->set_masks({{"w", Tensor::zeros({2, 3})}}), "mask of 'w' is float32 (2, 3)");
  CHECK_ERROR(optimizer->load_state({{"momentum/w", Tensor::zeros({6})}}, 1),
              "state 'momentum/w' has shape (6)");
}

TEST_CASE("a refused mask changes nothing") {
  const Parameter first = parameter("a", Tensor::full({2}, 1.0)),
                  second = parameter("b", Tensor::full({2}, 1.0));
  const auto optimizer = make_optimizer({}, {first, second});
  CHECK_ERROR(optimizer->set_masks(
                  {{"a", Tensor::zeros({2}, DType::uint8)}, {"c", Tensor::zeros({2}, DType::uint8)}}),
              "a mask for 'c'");
  CHECK(first.variable.value().to_vector<float>() == std::vector<float>{1, 1});
}

}  // namespace
}  // namespace espalier::test
