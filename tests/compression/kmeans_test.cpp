#include "compression/quantize/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "tests/support/catch.h"

using namespace espalier::compression;

namespace {

using Floats = std::vector<float>;
using Codes = std::vector<int32_t>;
constexpr CentroidInitialisation kAll[] = {CentroidInitialisation::linear, CentroidInitialisation::density,
                                           CentroidInitialisation::random};

Floats normal_values(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Floats values(count);
  for (float& value : values) value = normal(random);
  return values;
}

int32_t nearest(const Floats& centroids, float value) {
  size_t best = 0;
  for (size_t j = 1; j < centroids.size(); ++j) {
    if (std::abs(double{value} - centroids[j]) < std::abs(double{value} - centroids[best])) best = j;
  }
  return static_cast<int32_t>(best);
}

// The least cost of any clustering, by dynamic programming over the sorted values: clusters in one dimension
// are intervals.
double optimal_cost(Floats values, int clusters) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
  best[0] = 0;
  for (int j = 0; j < clusters; ++j) {
    auto next = best;
    for (size_t end = 1; end <= n; ++end) {
      for (size_t begin = 0; begin < end; ++begin) {
        double mean = 0, sum = 0;
        for (size_t i = begin; i < end; ++i) mean += values[i] / static_cast<double>(end - begin);
        for (size_t i = begin; i < end; ++i) sum += (values[i] - mean) * (values[i] - mean);
        next[end] = std::min(next[end], best[begin] + sum);
      }
    }
    best = next;
  }
  return best[n];
}

}  // namespace

TEST_CASE("separate groups become clusters around their means, whatever the order of the values") {
  for (const auto initialisation : kAll) {
    const auto result =
        kmeans(Floats{10, 1, 2, 11, 3, 12}, {.clusters = 2, .initialisation = initialisation});
    CHECK(result.centroids == Floats{2, 11});
    CHECK(result.codes == Codes{1, 0, 0, 1, 0, 1});
    CHECK(result.within_cluster_sum_of_squares == 4);
  }
}

TEST_CASE("linear centroids start evenly between the extremes") {
  const auto result = kmeans(Floats{0, 1, 2, 3, 4, 5, 6, 7, 8}, {.clusters = 3, .max_iterations = 0});
  CHECK(result.centroids == Floats{0, 4, 8});
  CHECK(result.codes == Codes{0, 0, 0, 1, 1, 1, 1, 2, 2});  // 2 and 6 are ties
  CHECK(result.iterations == 0);
  CHECK(kmeans(Floats{0, 1, 8}, {.clusters = 1, .max_iterations = 0}).centroids == Floats{4});
}

TEST_CASE("density centroids start in the middle of equal shares of the values") {
  Floats values(90, 0.0f);
  for (size_t i = 0; i < 90; ++i) values[i] = static_cast<float>(i) * 0.01f;
  for (int i = 0; i < 10; ++i) values.push_back(100.0f + static_cast<float>(i));
  const auto result =
      kmeans(values, {.clusters = 4, .initialisation = CentroidInitialisation::density, .max_iterations = 0});
  CHECK(result.centroids == Floats{values[12], values[37], values[62], values[87]});
}

TEST_CASE("random centroids start at distinct values that the seed chooses") {
  Floats values = normal_values(500, 6);
  values.insert(values.end(), 500, 0.25f);  // a frequent value is drawn once
  KMeansOptions options{
      .clusters = 16, .initialisation = CentroidInitialisation::random, .max_iterations = 0};
  const auto first = kmeans(values, options);
  CHECK(first.centroids.size() == 16);
  for (const float centroid : first.centroids) {
    CHECK(std::find(values.begin(), values.end(), centroid) != values.end());
  }
  CHECK(kmeans(values, options).centroids == first.centroids);
  options.seed = 2;
  CHECK(kmeans(values, options).centroids != first.centroids);
}

TEST_CASE("the cost never rises from iteration to iteration, and a fixed point stays") {
  const Floats values = normal_values(3000, 7);
  for (const auto initialisation : kAll) {
    KMeansOptions options{.clusters = 12, .initialisation = initialisation, .max_iterations = 0};
    double before = kmeans(values, options).within_cluster_sum_of_squares;
    const double start = before;
    for (options.max_iterations = 1; options.max_iterations <= 40; ++options.max_iterations) {
      const double cost = kmeans(values, options).within_cluster_sum_of_squares;
      CHECK(cost <= before * (1 + 1e-9));  // centroids are rounded to float32
      before = cost;
    }
    CHECK(before < start);
    options.max_iterations = 10000;
    const auto converged = kmeans(values, options);
    CHECK(converged.iterations < 10000);
    options.max_iterations = converged.iterations;
    CHECK(kmeans(values, options).centroids == converged.centroids);
    // At the fixed point every centroid is the mean of its values.
    for (size_t j = 0; j < converged.centroids.size(); ++j) {
      double sum = 0, count = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        if (converged.codes[i] == static_cast<int32_t>(j)) sum += values[i], count += 1;
      }
      CHECK(converged.centroids[j] == Approx(sum / count).margin(1e-6));
    }
  }
}

TEST_CASE("every value has the code of its nearest centroid, and the cost is what they cost") {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Floats values = normal_values(1 + seed * 7, seed);
    if (seed % 3 == 0) {
      for (float& value : values) value = std::round(value * 4) / 4;  // duplicates and ties
    }
    const KMeansOptions options{.clusters = 1 + static_cast<int>(seed % 9), .initialisation = kAll[seed % 3]};
    const auto result = kmeans(values, options);
    CHECK(result.centroids.size() <= static_cast<size_t>(options.clusters));
    CHECK(std::is_sorted(result.centroids.begin(), result.centroids.end(), std::less_equal<>()));
    double cost = 0;
    bool same = result.codes.size() == values.size();
    std::set<int32_t> used;
    for (size_t i = 0; i < values.size(); ++i) {
      same = same && result.codes[i] == nearest(result.centroids, values[i]);
      used.insert(result.codes[i]);
      cost += std::pow(double{values[i]} - result.centroids[static_cast<size_t>(result.codes[i])], 2);
    }
    CHECK(same);
    CHECK(used.size() == result.centroids.size());
    CHECK(result.within_cluster_sum_of_squares == Approx(cost));
  }
}

TEST_CASE("the best of several random starts reaches the optimum, and no start falls below it") {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const Floats values = normal_values(24, 100 + seed);
    const double optimum = optimal_cost(values, 3);
    double best = std::numeric_limits<double>::infinity();
    for (uint64_t start = 0; start < 300; ++start) {
      best = std::min(
          best,
          kmeans(values, {.clusters = 3, .initialisation = CentroidInitialisation::random, .seed = start})
              .within_cluster_sum_of_squares);
    }
    CHECK(best == Approx(optimum).epsilon(1e-6));
    for (const auto initialisation : kAll) {
      const auto result = kmeans(values, {.clusters = 3, .initialisation = initialisation});
      CHECK(result.within_cluster_sum_of_squares >= optimum * (1 - 1e-6));
    }
  }
}

TEST_CASE("as many clusters as distinct values reproduce them exactly") {
  for (const auto initialisation : kAll) {
    const auto result =
        kmeans(Floats{0.1f, -3, 0.1f, 7, -3}, {.clusters = 32, .initialisation = initialisation});
    CHECK(result.centroids == Floats{-3, 0.1f, 7});
    CHECK(result.codes == Codes{1, 0, 1, 2, 0});
    CHECK(result.within_cluster_sum_of_squares == 0);
  }
  CHECK(kmeans(Floats{5, 5, 5}, {.clusters = 1}).centroids == Floats{5});
}

TEST_CASE("a cluster that holds nothing is dropped") {
  // Linear centroids 0, 50, 100 of which the middle one attracts nothing.
  const auto result = kmeans(Floats{0, 1, 2, 98, 99, 100}, {.clusters = 3});
  CHECK(result.centroids == Floats{1, 99});
  CHECK(result.codes == Codes{0, 0, 0, 1, 1, 1});
}

TEST_CASE("values at the ends of the float range are clustered without overflow") {
  const float huge = std::numeric_limits<float>::max();
  const auto result = kmeans(Floats{-huge, huge, huge / 2, 0}, {.clusters = 2});
  CHECK(result.codes == Codes{0, 1, 1, 0});
  CHECK(std::isfinite(result.centroids[0]));
  CHECK(std::isfinite(result.centroids[1]));
}

TEST_CASE("values and options that have no clusters are rejected") {
  CHECK_ERROR(kmeans(Floats{}, {}), "[kmeans] no values");
  CHECK_ERROR(kmeans(Floats{1, 2}, {.clusters = 0}), "0 clusters");
  CHECK_ERROR(kmeans(Floats{1, std::nanf("")}, {}), "value 1 is nan");
  CHECK_ERROR(kmeans(Floats{std::numeric_limits<float>::infinity()}, {}), "value 0 is inf");
  CHECK_ERROR(kmeans(Floats{1}, {.max_iterations = -1}), "-1 iterations");
  CHECK_ERROR(centroid_initialisation_from_name("best"), "\"best\"");
  CHECK(centroid_initialisation_from_name("density") == CentroidInitialisation::density);
}
