#include "compression/quantize/kmeans.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace espalier::compression {
namespace {

std::vector<double> linear_centroids(std::span<const float> sorted, int clusters) {
  const double low = sorted.front(), high = sorted.back();
  if (clusters == 1) return {(low + high) / 2};
  std::vector<double> centroids(clusters);
  for (int j = 0; j < clusters; ++j) centroids[j] = low + (high - low) * j / (clusters - 1);
  return centroids;
}

// The values in the middle of `clusters` equal shares of the distribution.
std::vector<double> density_centroids(std::span<const float> sorted, int clusters) {
  std::vector<double> centroids(clusters);
  for (int j = 0; j < clusters; ++j) {
    const double rank = (j + 0.5) / clusters * static_cast<double>(sorted.size());
    centroids[j] = sorted[std::min(static_cast<size_t>(rank), sorted.size() - 1)];
  }
  return centroids;
}

// REQUIRES: more distinct values than clusters.
std::vector<double> random_centroids(std::span<const float> sorted, int clusters, uint64_t seed) {
  std::vector<double> centroids;
  for (const int64_t i : RandomStream(seed, "kmeans").permutation(static_cast<int64_t>(sorted.size()))) {
    const double value = sorted[static_cast<size_t>(i)];
    const auto place = std::lower_bound(centroids.begin(), centroids.end(), value);
    if (place == centroids.end() || *place != value) centroids.insert(place, value);
    if (static_cast<int>(centroids.size()) == clusters) break;
  }
  return centroids;
}

// Where each centroid's share of the real line ends; a value on the border belongs to the lower centroid.
template <typename T>
std::vector<double> borders(const std::vector<T>& centroids) {
  std::vector<double> result(centroids.size() - 1);
  for (size_t j = 0; j < result.size(); ++j)
    result[j] = (double{centroids[j]} + double{centroids[j + 1]}) / 2;
  return result;
}

// Cluster j is sorted[begin[j], begin[j + 1]).
std::vector<size_t> partition(std::span<const float> sorted, const std::vector<double>& centroids) {
  std::vector<size_t> begin{0};
  for (const double border : borders(centroids)) {
    begin.push_back(std::upper_bound(sorted.begin(), sorted.end(), border) - sorted.begin());
  }
  begin.push_back(sorted.size());
  return begin;
}

// Moves the centroids to the means of their clusters until no value changes its cluster; returns how often. A
// cluster that runs empty keeps its centroid, which may win values back.
int iterate(std::span<const float> sorted, int max_iterations, std::vector<double>& centroids) {
  std::vector<double> sum_below(sorted.size() + 1, 0.0);
  for (size_t i = 0; i < sorted.size(); ++i) sum_below[i + 1] = sum_below[i] + sorted[i];
  std::vector<size_t> before;
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    std::vector<size_t> begin = partition(sorted, centroids);
    if (begin == before) return iteration;
    for (size_t j = 0; j < centroids.size(); ++j) {
      const size_t first = begin[j], last = begin[j + 1];
      if (first == last) continue;
      const double mean = (sum_below[last] - sum_below[first]) / static_cast<double>(last - first);
      // The difference of two sums can round to a mean outside its cluster.
      centroids[j] = std::clamp<double>(mean, sorted[first], sorted[last - 1]);
    }
    before = std::move(begin);
  }
  return max_iterations;
}

}  // namespace

CentroidInitialisation centroid_initialisation_from_name(std::string_view name) {
  if (name == "linear") return CentroidInitialisation::linear;
  if (name == "density") return CentroidInitialisation::density;
  if (name == "random") return CentroidInitialisation::random;
  fail("[kmeans] no initialisation is called \"{}\"; there are linear, density and random", name);
}

KMeansResult kmeans(std::span<const float> values, const KMeansOptions& options) {
  check(options.clusters >= 1, "[kmeans] {} clusters, at least 1 is due", options.clusters);
  check(options.max_iterations >= 0, "[kmeans] {} iterations at most, 0 or more are due",
        options.max_iterations);
  check(!values.empty(), "[kmeans] no values");
  for (size_t i = 0; i < values.size(); ++i) {
    check(std::isfinite(values[i]), "[kmeans] value {} is {}, not a finite number", i, values[i]);
  }
  std::vector<float> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<float> candidates;
  std::unique_copy(sorted.begin(), sorted.end(), std::back_inserter(candidates));

  KMeansResult result;
  if (candidates.size() > static_cast<size_t>(options.clusters)) {
    std::vector<double> centroids;
    switch (options.initialisation) {
      case CentroidInitialisation::linear:
        centroids = linear_centroids(sorted, options.clusters);
        break;
      case CentroidInitialisation::density:
        centroids = density_centroids(sorted, options.clusters);
        break;
      case CentroidInitialisation::random:
        centroids = random_centroids(sorted, options.clusters, options.seed);
        break;
    }
    result.iterations = iterate(sorted, options.max_iterations, centroids);
    candidates.assign(centroids.begin(), centroids.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  }

  // The codes belong to the centroids as they are stored, in float32.
  const std::vector<double> ends = borders(candidates);
  std::vector<int32_t> uses(candidates.size(), 0);
  for (const float value : values) {
    const auto code = std::lower_bound(ends.begin(), ends.end(), double{value}) - ends.begin();
    const double distance = double{value} - double{candidates[code]};
    result.within_cluster_sum_of_squares += distance * distance;
    result.codes.push_back(static_cast<int32_t>(code));
    uses[code] = 1;
  }
  std::vector<int32_t> renumbered(candidates.size());
  for (size_t j = 0; j < candidates.size(); ++j) {
    renumbered[j] = static_cast<int32_t>(result.centroids.size());
    if (uses[j] != 0) result.centroids.push_back(candidates[j]);
  }
  for (int32_t& code : result.codes) code = renumbered[code];
  return result;
}

}  // namespace espalier::compression
