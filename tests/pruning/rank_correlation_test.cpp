#include "pruning/rank_correlation.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using namespace pruning;
using Values = std::vector<float>;

TEST_CASE("equal values share the mean of their ranks") {
  CHECK(ranks(Values{3, 1, 2}) == std::vector<double>{3, 1, 2});
  CHECK(ranks(Values{5, 7, 5, 1}) == std::vector<double>{2.5, 4, 2.5, 1});
  CHECK(ranks(Values{0, -0.0F, 0}) == std::vector<double>{2, 2, 2});
  CHECK(ranks(Values{}).empty());
}

TEST_CASE("Spearman's coefficient sees order alone") {
  const Values a = {1, 2, 3, 4, 5};
  CHECK(spearman(a, Values{0.1F, 0.2F, 10, 1000, 1e30F}) == Approx(1));
  CHECK(spearman(a, Values{9, 7, 5, 3, -std::numeric_limits<float>::infinity()}) == Approx(-1));
}

TEST_CASE("Spearman's coefficient of rankings computed by hand") {
  // Without ties 1 - 6 Σd² / (n (n² - 1)): the ranks on the right are 2, 1, 4, 5, 3, so Σd² = 8.
  CHECK(spearman(Values{1, 2, 3, 4, 5}, Values{2, 1, 3, 6, 2.5F}) == Approx(1 - 6.0 * 8 / 120));
  // Ranks (1.5, 1.5, 3) and (1, 2, 3): Σxy = 1.5, Σxx = 1.5, Σyy = 2.
  CHECK(spearman(Values{1, 1, 2}, Values{1, 2, 3}) == Approx(1.5 / std::sqrt(3.0)));
}

TEST_CASE("Spearman's coefficient is refused where it is undefined") {
  CHECK_ERROR(spearman(Values{1, 2}, Values{1, 2, 3}), "2 and 3 values");
  CHECK_ERROR(spearman(Values{1}, Values{1}), "two or more are due");
  CHECK_ERROR(spearman(Values{1, 1}, Values{1, 2}), "are equal");
  CHECK_ERROR(spearman(Values{1, std::numeric_limits<float>::quiet_NaN()}, Values{1, 2}), "NaN");
}

}  // namespace
}  // namespace espalier::test
