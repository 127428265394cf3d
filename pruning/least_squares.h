#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace espalier::pruning {

// Least squares of outputs in inputs over rows that come little by little: min over W of Σ ‖y − W x‖². Only
// XᵀX and XᵀY are kept, in float64, so that rows cost no memory. Same bits for any number of threads.
class LeastSquares {
 public:
  LeastSquares(int64_t inputs, int64_t outputs);
  ~LeastSquares();
  LeastSquares(LeastSquares&&) noexcept;

  // Row-major x (rows, inputs) and y (rows, outputs).
  void add(std::span<const float> x, std::span<const float> y);

  int64_t inputs() const;
  int64_t outputs() const;
  double gram(int64_t i, int64_t j) const;     // Σ x_i x_j
  double product(int64_t i, int64_t o) const;  // Σ x_i y_o
  // W (outputs, inputs) that uses the inputs `kept` (increasing) alone and is zero for the others. Where rows
  // do not determine it a ridge of 1e-9 times the mean of Σ x_i² does.
  std::vector<double> solve(std::span<const int64_t> kept) const;
  // Σ ‖y − W x‖² / Σ ‖y‖², or 0 where all y are.
  double error(std::span<const double> weight) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier::pruning
