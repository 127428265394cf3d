#pragma once

#include <span>
#include <vector>

namespace espalier::pruning {

// Least squares Σ_n (y_n − Σ_c β_c z_nc)² in C coefficients, as inner products alone: all that a LASSO needs.
struct InnerProducts {
  std::vector<double> gram;     // (C, C): Σ_n z_na z_nb
  std::vector<double> product;  // (C): Σ_n z_na y_n
  size_t terms() const { return product.size(); }
};

// β that minimises ½ βᵀ gram β − productᵀ β + λ ‖β‖₁, by cyclic coordinate descent from `start` (zero, where
// it is empty) until no coordinate of a pass moves by more than 1e-9 of the largest (Friedman, Hastie &
// Tibshirani, Journal of Statistical Software 33, 2010, section 2). A term that is zero gets 0.
std::vector<double> lasso(const InnerProducts& problem, double lambda, std::vector<double> start = {});

// The `keep` terms that a LASSO leaves last: λ is bisected until that many coefficients are not zero. Where
// it jumps over that number, those of the largest |β| among more. Increasing. REQUIRES: 0 < keep <= terms.
std::vector<int> lasso_select(const InnerProducts& problem, size_t keep);

}  // namespace espalier::pruning
