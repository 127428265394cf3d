#include "pruning/least_squares.h"

// One thread: sums in one order, whatever the number of threads.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Cholesky>
#include <Eigen/Core>

namespace espalier::pruning {
namespace {

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::MatrixXd;

}  // namespace

struct LeastSquares::State {
  MatrixXd gram;     // (inputs, inputs), its lower half
  MatrixXd product;  // (inputs, outputs)
  double squares = 0;
};

LeastSquares::LeastSquares(int64_t inputs, int64_t outputs)
    : state_(
          std::make_unique<State>(State{MatrixXd::Zero(inputs, inputs), MatrixXd::Zero(inputs, outputs)})) {}
LeastSquares::~LeastSquares() = default;
LeastSquares::LeastSquares(LeastSquares&&) noexcept = default;

int64_t LeastSquares::inputs() const {
  return state_->product.rows();
}
int64_t LeastSquares::outputs() const {
  return state_->product.cols();
}
double LeastSquares::gram(int64_t i, int64_t j) const {
  return i >= j ? state_->gram(i, j) : state_->gram(j, i);
}
double LeastSquares::product(int64_t i, int64_t o) const {
  return state_->product(i, o);
}

void LeastSquares::add(std::span<const float> x, std::span<const float> y) {
  const int64_t rows = std::ssize(y) / outputs();
  const MatrixXd inputs_of_rows = Eigen::Map<const Rows>(x.data(), rows, inputs()).cast<double>();
  const MatrixXd outputs_of_rows = Eigen::Map<const Rows>(y.data(), rows, outputs()).cast<double>();
  state_->gram.selfadjointView<Eigen::Lower>().rankUpdate(inputs_of_rows.transpose());
  state_->product.noalias() += inputs_of_rows.transpose() * outputs_of_rows;
  state_->squares += outputs_of_rows.squaredNorm();
}

std::vector<double> LeastSquares::solve(std::span<const int64_t> kept) const {
  const int64_t count = std::ssize(kept);
  MatrixXd gram(count, count), product(count, outputs());
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < count; ++j)
      gram(i, j) = this->gram(kept[static_cast<size_t>(i)], kept[static_cast<size_t>(j)]);
    product.row(i) = state_->product.row(kept[static_cast<size_t>(i)]);
  }
  const double ridge = 1e-9 * gram.trace() / static_cast<double>(count);
  gram.diagonal().array() += ridge > 0 ? ridge : 1.0;
  const MatrixXd solution = gram.ldlt().solve(product);
  std::vector<double> weight(static_cast<size_t>(outputs() * inputs()), 0.0);
  for (int64_t o = 0; o < outputs(); ++o)
    for (int64_t i = 0; i < count; ++i)
      weight[static_cast<size_t>(o * inputs() + kept[static_cast<size_t>(i)])] = solution(i, o);
  return weight;
}

double LeastSquares::error(std::span<const double> weight) const {
  if (state_->squares == 0) return 0;
  const Eigen::Map<const MatrixXd> w(weight.data(), inputs(), outputs());  // the transpose of row-major W
  const MatrixXd explained = state_->gram.selfadjointView<Eigen::Lower>() * w;
  // ‖Y‖² − 2 tr(W XᵀY) + tr(W XᵀX Wᵀ).
  const double sum =
      state_->squares - 2 * w.cwiseProduct(state_->product).sum() + w.cwiseProduct(explained).sum();
  return std::max(sum, 0.0) / state_->squares;
}

}  // namespace espalier::pruning
