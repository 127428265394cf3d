#include "pruning/criterion.h"

#include <set>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using namespace pruning;

Parameter weight(const std::string& name, Shape shape, uint64_t seed) {
  return {.name = name,
          .kind = ParameterKind::weight,
          .shape = shape,
          .variable = Variable(random_tensor(shape, seed, DType::float32, Device::cpu), true)};
}

TEST_CASE("every registered criterion gives one finite score per weight, the same whenever asked") {
  CHECK(criteria().size() >= 2);
  std::set<std::string_view> names;
  for (const CriterionRow& row : criteria()) {
    INFO(row.name);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.description.empty());
    for (const Shape& shape : {Shape{1, 1}, Shape{30, 40}, Shape{8, 3, 3, 5}}) {
      const Parameter w = weight("layer.weight", shape, 1);
      const Tensor before = w.variable.value().clone();
      const auto criterion = make_criterion(row.name, 11);
      const std::vector<float> scores = criterion->scores(w);
      REQUIRE(scores.size() == static_cast<size_t>(shape.numel()));
      for (float score : scores) CHECK(std::isfinite(score));
      CHECK(criterion->scores(w) == scores);
      CHECK(make_criterion(row.name, 11)->scores(w) == scores);
      CHECK(identical(w.variable.value(), before));
    }
    // A criterion that cannot tell weights apart would prune by their place.
    const std::vector<float> scores =
        make_criterion(row.name, 11)->scores(weight("layer.weight", {30, 40}, 1));
    CHECK(std::set<float>(scores.begin(), scores.end()).size() > 1000);
  }
}

TEST_CASE("magnitude ignores the sign and the seed") {
  const Parameter w{.name = "w",
                    .kind = ParameterKind::weight,
                    .shape = {4},
                    .variable = Variable(Tensor::from(std::vector<float>{-2, 0, 0.5f, 1}, {4}))};
  CHECK(make_criterion("magnitude", 1)->scores(w) == std::vector<float>{2, 0, 0.5f, 1});
  CHECK(make_criterion("magnitude", 2)->scores(w) == std::vector<float>{2, 0, 0.5f, 1});
}

TEST_CASE("random scores depend on the seed and the weight's name, not on its values") {
  const auto scores = [](const std::string& name, uint64_t values, uint64_t seed) {
    return make_criterion("random", seed)->scores(weight(name, {50}, values));
  };
  CHECK(scores("a", 1, 5) == scores("a", 2, 5));
  CHECK(scores("a", 1, 5) != scores("a", 1, 6));
  CHECK(scores("a", 1, 5) != scores("b", 1, 5));
}

TEST_CASE("an unknown criterion is an error that lists the known ones") {
  CHECK_ERROR(make_criterion("hessian", 1),
              "unknown criterion 'hessian'; the criteria are magnitude, random");
}

}  // namespace
}  // namespace espalier::test
