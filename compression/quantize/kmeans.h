#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace espalier::compression {

// How the centroids start (Han et al., section 3.2): evenly between the smallest and largest weight, at equal
// steps of the cumulative distribution, or at k distinct weights drawn at random (Forgy).
enum class CentroidInitialisation : uint8_t { linear, density, random };
CentroidInitialisation centroid_initialisation_from_name(std::string_view name);

struct KMeansOptions {
  int clusters = 32;
  CentroidInitialisation initialisation = CentroidInitialisation::linear;
  int max_iterations = 300;
  uint64_t seed = 1;  // for CentroidInitialisation::random
};

struct KMeansResult {
  // Ascending, no duplicates, at most `clusters` of them: empty clusters are dropped. When there are no more
  // distinct values than clusters, these are the values themselves.
  std::vector<float> centroids;
  std::vector<int32_t> codes;  // codes[i] = index of the centroid nearest values[i] (the lower one at a tie)
  double within_cluster_sum_of_squares = 0;
  int iterations = 0;
};

// One-dimensional Lloyd iterations on `values` until no code changes. Sorted values and prefix sums make an
// iteration cost O(k log n). Deterministic. Throws Error for clusters < 1, no values, or a value that is not
// finite.
KMeansResult kmeans(std::span<const float> values, const KMeansOptions& options);

}  // namespace espalier::compression
