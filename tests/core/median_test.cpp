#include "core/median.h"

#include <string>

#include "tests/support/catch.h"

namespace espalier::test {
namespace {

TEST_CASE("the median of an even number of values lies between the middle two") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
}

TEST_CASE("figures are taken in turn, and the median of each counts") {
  std::string order;
  double next = 0;
  const auto medians =
      alternate({[&] { return order += 'a', next++; }, [&] { return order += 'b', next++; }}, 3);
  CHECK(order == "ababab");
  CHECK(medians == std::vector<double>{2, 3});
}

}  // namespace
}  // namespace espalier::test
