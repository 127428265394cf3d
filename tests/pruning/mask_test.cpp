#include "pruning/mask.h"

#include <numeric>

#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using namespace pruning;
using Bits = std::vector<uint8_t>;

Parameter weight(const std::string& name, const std::vector<float>& values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return {.name = name,
          .kind = ParameterKind::weight,
          .shape = shape,
          .variable = Variable(Tensor::from(values, shape), true)};
}
Parameter random_weight(const std::string& name, int64_t count, uint64_t seed) {
  return weight(name, random_tensor({count}, seed, DType::float32, Device::cpu).to_vector<float>());
}
Bits bits(const Masks& masks, const std::string& name) {
  return masks.at(name).to_vector<uint8_t>();
}
int64_t kept(const Masks& masks, const std::string& name) {
  const Bits keep = bits(masks, name);
  return std::ranges::count(keep, 1);
}

const std::unique_ptr<Criterion> kMagnitude = make_magnitude(0);

TEST_CASE("the smallest magnitudes go first") {
  const Parameter w = weight("w", {-3, 1, 0.5f, -0.25f, 2});
  CHECK(bits(prune_layers({{&w, 0.6}}, *kMagnitude, {}), "w") == Bits{1, 1, 0, 0, 1});
  CHECK(bits(prune_layers({{&w, 0.2}}, *kMagnitude, {}), "w") == Bits{1, 0, 0, 0, 0});
  CHECK(bits(prune_layers({{&w, 1.0}}, *kMagnitude, {}), "w") == Bits{1, 1, 1, 1, 1});
  CHECK(bits(prune_layers({{&w, 0.0}}, *kMagnitude, {}), "w") == Bits{0, 0, 0, 0, 0});
}

TEST_CASE("among equal scores the earlier weight goes first") {
  const Parameter w = weight("w", {1, -1, 1, 2, -1});
  CHECK(bits(prune_layers({{&w, 0.4}}, *kMagnitude, {}), "w") == Bits{0, 0, 0, 1, 1});
  const Parameter zeros = weight("z", std::vector<float>(6, 0.0f));
  CHECK(bits(prune_layers({{&zeros, 0.5}}, *kMagnitude, {}), "z") == Bits{0, 0, 0, 1, 1, 1});
}

TEST_CASE("exactly round(density n) weights survive, ties or not") {
  for (int64_t count : {1, 2, 7, 100, 1001})
    for (double density : {0.0, 0.01, 0.1, 0.25, 0.5, 1 / 3.0, 0.9, 0.999, 1.0}) {
      Parameter w = random_weight("w", count, static_cast<uint64_t>(count));
      CHECK(kept(prune_layers({{&w, density}}, *kMagnitude, {}), "w") ==
            std::llround(density * static_cast<double>(count)));
      w.variable.value().fill(1.0);
      CHECK(kept(prune_layers({{&w, density}}, *kMagnitude, {}), "w") ==
            std::llround(density * static_cast<double>(count)));
    }
}

TEST_CASE("a pruned weight stays pruned, however large it has become") {
  Parameter w = random_weight("w", 200, 1);
  Masks masks;
  Bits before(200, 1);
  for (double density : {0.8, 0.5, 0.5, 0.21, 0.9, 0.0}) {
    masks = prune_layers({{&w, density}}, *kMagnitude, masks);
    const Bits now = bits(masks, "w");
    for (size_t i = 0; i < now.size(); ++i) CHECK(now[i] <= before[i]);
    CHECK(kept(masks, "w") == std::min<int64_t>(std::ranges::count(before, 1), std::llround(density * 200)));
    before = now;
    w.variable.value() =
        random_tensor({200}, 2, DType::float32, Device::cpu);  // the pruned may be the largest now
  }
}

TEST_CASE("layers keep their own densities and other masks stand") {
  const Parameter a = random_weight("a", 100, 1), b = random_weight("b", 10, 2);
  const Masks other{{"c", Tensor::zeros({3}, DType::uint8)}};
  const Masks masks = prune_layers({{&a, 0.07}, {&b, 0.5}}, *kMagnitude, other);
  CHECK(masks.size() == 3);
  CHECK(kept(masks, "a") == 7);
  CHECK(kept(masks, "b") == 5);
  CHECK(masks.at("c").shares_storage_with(other.at("c")));
}

TEST_CASE("global pruning ranks all weights together") {
  const Parameter a = weight("a", {5, 0.1f, 4}), b = weight("b", {0.2f, 3, 0.3f, 0.4f});
  const Masks masks = prune_globally({&a, &b}, 3 / 7.0, *kMagnitude, {});
  CHECK(bits(masks, "a") == Bits{1, 0, 1});
  CHECK(bits(masks, "b") == Bits{0, 1, 0, 0});
  // A layer may lose everything; what was pruned stays so, though its magnitude is the largest.
  const Masks then =
      prune_globally({&a, &b}, 1 / 7.0, *kMagnitude, {{"a", Tensor::zeros({3}, DType::uint8)}});
  CHECK(bits(then, "a") == Bits{0, 0, 0});
  CHECK(bits(then, "b") == Bits{0, 1, 0, 0});
  for (double density : {0.0, 0.1, 0.35, 1.0}) {
    const Parameter c = random_weight("c", 501, 1), d = random_weight("d", 300, 2);
    const Masks both = prune_globally({&c, &d}, density, *kMagnitude, {});
    CHECK(kept(both, "c") + kept(both, "d") == std::llround(density * 801));
  }
}

TEST_CASE("quality prunes below a share of the standard deviation") {
  // Mean 0, standard deviation 2.
  const Parameter w = weight("w", {3, -3, 1, -1, 2, -2, 0, 0});
  const double deviation = std::sqrt(28 / 8.0);
  CHECK(bits(prune_by_quality({&w}, 0.0, {}), "w") == Bits(8, 1));
  CHECK(bits(prune_by_quality({&w}, 1.5 / deviation, {}), "w") == Bits{1, 1, 0, 0, 1, 1, 0, 0});
  CHECK(bits(prune_by_quality({&w}, 100, {}), "w") == Bits(8, 0));
  // The deviation is of the survivors: 3, -3, 2, -2 have sqrt(6.5) = 2.55.
  const Masks once{{"w", Tensor::from(Bits{1, 1, 0, 0, 1, 1, 0, 0}, {8})}};
  CHECK(bits(prune_by_quality({&w}, 0.9, once), "w") == Bits{1, 1, 0, 0, 0, 0, 0, 0});
  CHECK(bits(prune_by_quality({&w}, 0.7, once), "w") == Bits{1, 1, 0, 0, 1, 1, 0, 0});
  CHECK_ERROR(prune_by_quality({&w}, 1, {{"w", Tensor::zeros({8}, DType::uint8)}}),
              "'w' has no weights left");
}

TEST_CASE("a common offset does not count as deviation") {
  const Parameter w = weight("w", {10, 11, 9, 10});  // deviation sqrt(0.5)
  CHECK(bits(prune_by_quality({&w}, 13.5, {}), "w") == Bits{1, 1, 0, 1});
}

TEST_CASE("density schedules begin and end where they should and never rise") {
  CHECK(density_at("one_shot", 1.0, 0.1, 1, 1) == 0.1);
  CHECK(density_at("linear", 1.0, 0.2, 1, 4) == Approx(0.8));
  CHECK(density_at("linear", 1.0, 0.2, 2, 4) == Approx(0.6));
  CHECK(density_at("cubic", 1.0, 0.2, 1, 2) == Approx(0.2 + 0.8 / 8));
  CHECK(density_at("cubic", 0.9, 0.1, 1, 4) == Approx(0.1 + 0.8 * 27 / 64));
  for (const std::string& schedule : density_schedules()) {
    INFO(schedule);
    double before = 1.0;
    for (int64_t round = 1; round <= 7; ++round) {
      const double now = density_at(schedule, 1.0, 0.05, round, 7);
      CHECK(now <= before);
      before = now;
    }
    CHECK(before == 0.05);
  }
  CHECK_ERROR(density_at("sudden", 1, 0, 1, 1),
              "unknown schedule 'sudden'; the schedules are one_shot, linear, cubic");
}

TEST_CASE("densities out of range and scores that are none are errors") {
  class Broken final : public Criterion {
   public:
    explicit Broken(std::vector<float> scores) : scores_(std::move(scores)) {}
    std::vector<float> scores(const Parameter&) const override { return scores_; }

   private:
    std::vector<float> scores_;
  };
  const Parameter w = weight("w", {1, 2});
  CHECK_ERROR(prune_layers({{&w, 1.1}}, *kMagnitude, {}), "[prune] density 1.1; expected one in [0, 1]");
  CHECK_ERROR(prune_globally({&w}, -0.1, *kMagnitude, {}), "[prune] density -0.1");
  CHECK_ERROR(prune_layers({{&w, 0.5}}, Broken({1}), {}), "1 scores for the 2 weights of 'w'");
  CHECK_ERROR(prune_layers({{&w, 0.5}}, Broken({1, NAN}), {}), "a score of 'w' is nan");
  const Parameter infinite = weight("v", {1, INFINITY});
  CHECK_ERROR(prune_layers({{&infinite, 0.5}}, *kMagnitude, {}), "a score of 'v' is inf");
  CHECK_ERROR(prune_by_quality({&infinite}, 1, {}), "a score of 'v' is inf");
}

}  // namespace
}  // namespace espalier::test
