#include "pruning/lasso.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::pruning {

std::vector<double> lasso(const InnerProducts& problem, double lambda, std::vector<double> start) {
  constexpr int kPasses = 10'000;
  const size_t terms = problem.terms();
  std::vector<double> beta = std::move(start);
  beta.resize(terms, 0.0);
  std::vector<double> correlation = problem.product;  // product − gram β
  for (size_t a = 0; a < terms; ++a)
    for (size_t b = 0; b < terms; ++b) correlation[a] -= problem.gram[a * terms + b] * beta[b];
  for (int pass = 0; pass < kPasses; ++pass) {
    double moved = 0, largest = 0;
    for (size_t a = 0; a < terms; ++a) {
      const double* row = problem.gram.data() + a * terms;
      if (row[a] <= 0) continue;
      // Soft thresholding of the coordinate's own least squares.
      const double alone = correlation[a] + row[a] * beta[a];
      const double next = std::copysign(std::max(std::abs(alone) - lambda, 0.0), alone) / row[a];
      const double step = next - beta[a];
      if (step != 0)
        for (size_t b = 0; b < terms; ++b) correlation[b] -= row[b] * step;
      beta[a] = next;
      moved = std::max(moved, std::abs(step));
      largest = std::max(largest, std::abs(next));
    }
    if (moved <= 1e-9 * largest) break;
  }
  return beta;
}

std::vector<int> lasso_select(const InnerProducts& problem, size_t keep) {
  double high = 0;  // where all of β is zero
  for (double product : problem.product) high = std::max(high, std::abs(product));
  double low = 0;
  std::vector<double> chosen = lasso(problem, 0), beta = chosen;
  const auto survivors = [](const std::vector<double>& b) {
    return static_cast<size_t>(std::ranges::count_if(b, [](double value) { return value != 0; }));
  };
  for (int i = 0; i < 60 && survivors(chosen) > keep; ++i) {
    const double lambda = (low + high) / 2;
    beta = lasso(problem, lambda, std::move(beta));
    if (survivors(beta) < keep) {
      high = lambda;
    } else {
      low = lambda;
      chosen = beta;
    }
  }
  std::vector<int> order(problem.terms());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(),
                           [&](int term) { return std::abs(chosen[static_cast<size_t>(term)]); });
  order.resize(keep);
  std::ranges::sort(order);
  return order;
}

}  // namespace espalier::pruning
