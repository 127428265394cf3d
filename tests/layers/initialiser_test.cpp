#include "layers/initialiser.h"

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using namespace layers;

Parameter parameter(const std::string& name, ParameterKind kind, Shape shape) {
  return {.name = name, .kind = kind, .shape = shape, .variable = {}};
}

struct Moments {
  double mean = 0, variance = 0, largest = 0;
};

Moments moments_of(const Tensor& tensor) {
  Moments result;
  for (float value : tensor.to_vector<float>()) {
    result.mean += value;
    result.variance += double{value} * value;
    result.largest = std::max(result.largest, std::abs(double{value}));
  }
  const auto count = static_cast<double>(tensor.numel());
  result.mean /= count;
  result.variance = result.variance / count - result.mean * result.mean;
  return result;
}

TEST_CASE("weights begin with the variance that their initialiser promises") {
  struct Row {
    Shape shape;
    double fan_in, fan_out;
  };
  for (const Row& row : {Row{{300, 784}, 784, 300}, Row{{64, 5, 3, 32}, 5 * 3 * 32, 5 * 3 * 64}})
    for (const std::string& name : initialiser_names()) {
      INFO(name << " of " << row.shape.to_string());
      const double due = name.starts_with("kaiming")  ? 2 / row.fan_in
                         : name.starts_with("xavier") ? 2 / (row.fan_in + row.fan_out)
                                                      : 1 / row.fan_in;
      const Moments got = moments_of(
          initial_value(parameter("w", ParameterKind::weight, row.shape), initialiser_from_name(name), 1));
      // Four standard errors; the fourth moment of the normal distribution is the larger.
      const auto count = static_cast<double>(row.shape.numel());
      CHECK(std::abs(got.mean) < 4 * std::sqrt(due / count));
      CHECK(std::abs(got.variance / due - 1) < 4 * std::sqrt(2 / count));
      const bool uniform = name.ends_with("uniform");
      CHECK((got.largest <= std::sqrt(3 * due) * (1 + 1e-6)) == uniform);
    }
}

TEST_CASE("a weight's first value depends on the seed and its name alone") {
  const auto draw = [](const std::string& name, uint64_t seed) {
    return initial_value(parameter(name, ParameterKind::weight, {20, 30}), Initialiser::kaiming_normal, seed);
  };
  CHECK(identical(draw("a.weight", 1), draw("a.weight", 1)));
  CHECK_FALSE(identical(draw("a.weight", 1), draw("b.weight", 1)));
  CHECK_FALSE(identical(draw("a.weight", 1), draw("a.weight", 2)));
}

TEST_CASE("biases and shifts begin at zero, scales at one") {
  for (const auto& [kind, due] : {std::pair{ParameterKind::bias, 0.0f},
                                  {ParameterKind::norm_shift, 0.0f},
                                  {ParameterKind::norm_scale, 1.0f}})
    CHECK(initial_value(parameter("p", kind, {3}), Initialiser::xavier_normal, 1).to_vector<float>() ==
          std::vector<float>(3, due));
}

TEST_CASE("an unknown initialiser is an error that lists the known ones") {
  CHECK_ERROR(initialiser_from_name("orthogonal"), "unknown name 'orthogonal'; the names are kaiming_normal");
}

}  // namespace
}  // namespace espalier::test
