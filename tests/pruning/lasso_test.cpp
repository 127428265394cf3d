#include "pruning/lasso.h"

#include <cmath>

#include "core/random.h"
#include "pruning/least_squares.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using namespace pruning;

using Doubles = std::vector<double>;

// Of random rows: `terms` columns and a target.
InnerProducts random_problem(size_t terms, uint64_t seed) {
  constexpr size_t kRows = 50;
  const auto values = RandomStream(seed, "lasso")
                          .uniform({static_cast<int64_t>(kRows), static_cast<int64_t>(terms + 1)}, -1, 1)
                          .to_vector<float>();
  InnerProducts problem{Doubles(terms * terms), Doubles(terms)};
  for (size_t n = 0; n < kRows; ++n) {
    const float* row = values.data() + n * (terms + 1);
    for (size_t a = 0; a < terms; ++a) {
      problem.product[a] += static_cast<double>(row[a]) * static_cast<double>(row[terms]);
      for (size_t b = 0; b < terms; ++b)
        problem.gram[a * terms + b] += static_cast<double>(row[a]) * static_cast<double>(row[b]);
    }
  }
  return problem;
}

TEST_CASE("on orthogonal terms a LASSO is soft thresholding") {
  const InnerProducts problem{{2, 0, 0, 0, 4, 0, 0, 0, 1}, {6, -4, 0.5}};
  CHECK(lasso(problem, 0) == Doubles{3, -1, 0.5});
  CHECK(lasso(problem, 1) == Doubles{2.5, -0.75, 0});
  CHECK(lasso(problem, 6) == Doubles{0, 0, 0});
}

TEST_CASE("a LASSO of two correlated terms has its closed form") {
  // gram (1 r; r 1): with both coefficients positive β = gram⁻¹ (product − λ).
  const double r = 0.5, lambda = 0.1;
  const Doubles beta = lasso({{1, r, r, 1}, {1, 0.9}}, lambda);
  const double first = 1 - lambda, second = 0.9 - lambda;
  CHECK(beta[0] == Approx((first - r * second) / (1 - r * r)));
  CHECK(beta[1] == Approx((second - r * first) / (1 - r * r)));
}

TEST_CASE("a LASSO's solution meets the conditions of its optimum from any start") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const InnerProducts problem = random_problem(9, seed);
    const double lambda = 0.5;
    const Doubles beta = lasso(problem, lambda), again = lasso(problem, lambda, Doubles(9, 3.0));
    for (size_t a = 0; a < 9; ++a) {
      CHECK(again[a] == Approx(beta[a]).margin(1e-6));
      double correlation = problem.product[a];
      for (size_t b = 0; b < 9; ++b) correlation -= problem.gram[a * 9 + b] * beta[b];
      if (beta[a] != 0)
        CHECK(correlation == Approx(std::copysign(lambda, beta[a])).margin(1e-6));
      else
        CHECK(std::abs(correlation) <= lambda + 1e-6);
    }
  }
}

TEST_CASE("a selection keeps as many terms as were asked for, the true ones first") {
  // The target is made of terms 1 and 4 alone.
  InnerProducts problem = random_problem(6, 3);
  for (size_t a = 0; a < 6; ++a)
    problem.product[a] = 2 * problem.gram[a * 6 + 1] - 3 * problem.gram[a * 6 + 4];
  CHECK(lasso_select(problem, 2) == std::vector<int>{1, 4});
  for (size_t keep = 1; keep <= 6; ++keep) CHECK(lasso_select(problem, keep).size() == keep);
  for (uint64_t seed = 1; seed <= 10; ++seed)
    for (size_t keep : {1U, 4U, 9U}) CHECK(lasso_select(random_problem(9, seed), keep).size() == keep);
}

TEST_CASE("terms that are zero or equal are selected last and never fail") {
  // Term 1 is zero; 2 is 0 over again.
  const InnerProducts problem{{4, 0, 4, 0, 0, 0, 4, 0, 4}, {4, 0, 4}};
  CHECK(lasso_select(problem, 2) == std::vector<int>{0, 1});
  CHECK(lasso(problem, 0)[1] == 0);
  CHECK(lasso_select({Doubles(4, 0.0), Doubles(2, 0.0)}, 1) == std::vector<int>{0});
}

TEST_CASE("least squares find a line through points, with all inputs and with some") {
  // y = 2 a − b + 3 exactly; and by a alone the slope Σ a y / Σ a².
  const std::vector<float> x{1, 0, 1, 2, 1, 1, -1, 3, 1, 0, -2, 1};
  std::vector<float> y;
  for (size_t row = 0; row < 4; ++row) y.push_back(2 * x[row * 3] - x[row * 3 + 1] + 3);
  LeastSquares squares(3, 1);
  squares.add(std::span(x).first(6), std::span(y).first(2));
  squares.add(std::span(x).subspan(6), std::span(y).subspan(2));
  const std::vector<int64_t> all{0, 1, 2}, first{0};
  const Doubles line = squares.solve(all);
  CHECK(line[0] == Approx(2).epsilon(1e-6));
  CHECK(line[1] == Approx(-1).epsilon(1e-6));
  CHECK(line[2] == Approx(3).epsilon(1e-6));
  CHECK(squares.error(line) < 1e-9);
  const Doubles slope = squares.solve(first);
  CHECK(slope[0] == Approx((1 * y[0] + 2 * y[1] - 1 * y[2]) / 6.0));
  CHECK(slope[1] == 0);
  double unexplained = 0, whole = 0;
  for (size_t row = 0; row < 4; ++row) {
    unexplained += std::pow(y[row] - slope[0] * x[row * 3], 2);
    whole += std::pow(y[row], 2);
  }
  CHECK(squares.error(slope) == Approx(unexplained / whole));
}

TEST_CASE("rows that do not determine the least squares give the smallest solution") {
  // One row; by symmetry both inputs take half.
  LeastSquares squares(2, 1);
  squares.add(std::vector<float>{1, 1}, std::vector<float>{4});
  const std::vector<int64_t> both{0, 1};
  const Doubles weight = squares.solve(both);
  CHECK(weight[0] == Approx(2).epsilon(1e-6));
  CHECK(weight[1] == Approx(2).epsilon(1e-6));
  LeastSquares nothing(2, 2);
  nothing.add(std::vector<float>{0, 0}, std::vector<float>{1, 1});
  CHECK(nothing.solve(both) == Doubles(4, 0.0));
  CHECK(nothing.error(Doubles(4, 0.0)) == 1);
}

}  // namespace
}  // namespace espalier::test
