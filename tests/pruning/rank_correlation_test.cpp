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

TEST_CASE("a criterion is compared with the oracle group by group and over all of them") {
  // The first group is ranked as the oracle does, the second the other way round; the third cannot be pruned,
  // and the fourth has only equal scores.
  const ChannelScores oracle = {{1, 2, 3}, {10, 20}, {}, {5, 6}}, scores = {{4, 5, 6}, {2, 1}, {}, {9, 9}};
  const OracleCorrelation found = correlate(scores, oracle);
  CHECK(found.groups == 2);
  CHECK(found.by_group.value() == Approx(0));
  CHECK(found.all_groups.value() ==
        Approx(spearman(Values{4, 5, 6, 2, 1, 9, 9}, Values{1, 2, 3, 10, 20, 5, 6})));
  const float first = std::sqrt(77.0F), second = std::sqrt(5.0F), fourth = std::sqrt(162.0F);
  CHECK(
      found.all_groups_rescaled.value() ==
      Approx(spearman(Values{4 / first, 5 / first, 6 / first, 2 / second, 1 / second, 9 / fourth, 9 / fourth},
                      Values{1, 2, 3, 10, 20, 5, 6})));
}

TEST_CASE("where nothing can be told apart there is no correlation with the oracle") {
  for (const ChannelScores& scores : {ChannelScores{{1, 1}, {}}, ChannelScores{{}, {}}}) {
    const OracleCorrelation found = correlate(scores, {{1, 2}, {3, 4}});
    CHECK(found.groups == 0);
    CHECK_FALSE(found.by_group);
    CHECK_FALSE(found.all_groups);
    CHECK_FALSE(found.all_groups_rescaled);
  }
}

}  // namespace
}  // namespace espalier::test
