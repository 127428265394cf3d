#include "datasets/mixup.h"

#include <cmath>
#include <vector>

#include "datasets/loader.h"
#include "datasets/memory.h"
#include "tests/support/catch.h"

namespace espalier::datasets {
namespace {

// Image i has the pixels i and 2 i and the label i.
std::shared_ptr<const Dataset> doubled(int count) {
  MemoryImages data{.image_shape = {1, 2, 1}, .classes = count, .normalisation = {{0}, {1 / 255.0}}};
  for (int i = 0; i < count; ++i) {
    data.labels.push_back(i);
    data.pixels.insert(data.pixels.end(), {static_cast<uint8_t>(i), static_cast<uint8_t>(2 * i)});
  }
  return std::make_shared<MemoryDataset>(std::move(data), "doubled");
}

std::vector<Batch> batches(LoaderOptions options, int64_t epoch, int64_t first = 0) {
  Loader loader(doubled(23), options);
  loader.start(epoch, first);
  std::vector<Batch> result;
  for (Batch batch; loader.next(batch);) result.push_back(batch);
  return result;
}

std::vector<float> pixels(const std::vector<Batch>& all) {
  std::vector<float> result;
  for (const Batch& batch : all) {
    const std::vector<float> images = batch.images.to_vector<float>();
    result.insert(result.end(), images.begin(), images.end());
  }
  return result;
}

TEST_CASE("mixup's share has mean 1/2 and variance 1 / (4 (2 alpha + 1)), for small alphas and large ones") {
  constexpr int kDraws = 20000;
  for (const double alpha : {0.001, 0.2, 1.0, 8.0}) {
    RandomStream random(1, "test");
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double share = mixup_share(alpha, random);
      REQUIRE((share >= 0 && share <= 1));
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
    }
    CHECK(std::abs(sum / kDraws - 0.5) < 0.015);
    const double variance = 1 / (4 * (2 * alpha + 1));
    CHECK(std::abs(squares / kDraws - variance) < 0.03 * variance);
  }
}

TEST_CASE("mixup with alpha = 1 draws its share uniformly") {
  RandomStream random(2, "test");
  int tenths[10] = {};
  for (int i = 0; i < 20000; ++i) ++tenths[static_cast<int>(std::min(9.0, 10 * mixup_share(1, random)))];
  for (const int count : tenths) CHECK(std::abs(count - 2000) < 200);
}

TEST_CASE("a mixed batch is lambda of itself and the rest of itself reversed, labels beside it") {
  for (const Batch& batch : batches({.batch_size = 5, .shuffle = true, .mixup = 0.4}, 0)) {
    const std::vector<int32_t> labels = batch.labels.to_vector<int32_t>();
    CHECK(batch.other_labels.to_vector<int32_t>() == std::vector<int32_t>(labels.rbegin(), labels.rend()));
    CHECK(batch.lambda >= 0);
    CHECK(batch.lambda <= 1);
    const std::vector<float> images = batch.images.to_vector<float>();
    for (size_t i = 0; i < labels.size(); ++i) {
      const double mixed =
          batch.lambda * labels[i] + (1 - double{batch.lambda}) * labels[labels.size() - 1 - i];
      CHECK(images[2 * i] == Approx(mixed).margin(1e-4));
      CHECK(images[2 * i + 1] == Approx(2 * mixed).margin(1e-4));
    }
  }
}

TEST_CASE("every batch of every epoch and seed has a lambda of its own, the same for any number of workers") {
  const auto lambdas = [](const std::vector<Batch>& all) {
    std::vector<float> result;
    for (const Batch& batch : all) result.push_back(batch.lambda);
    return result;
  };
  const LoaderOptions options{.batch_size = 4, .shuffle = true, .mixup = 1, .prefetch = 0};
  const std::vector<Batch> first = batches(options, 3);
  const std::vector<float> shares = lambdas(first);
  for (size_t i = 1; i < shares.size(); ++i) CHECK(shares[i] != shares[i - 1]);
  for (const int workers : {1, 3, 8}) {
    LoaderOptions parallel = options;
    parallel.prefetch = 4;
    parallel.workers = workers;
    CHECK(pixels(batches(parallel, 3)) == pixels(first));
    CHECK(lambdas(batches(parallel, 3)) == shares);
  }
  CHECK(lambdas(batches(options, 3, 2)) == std::vector<float>(shares.begin() + 2, shares.end()));
  CHECK(lambdas(batches(options, 4)) != shares);
  LoaderOptions other = options;
  other.seed = 2;
  CHECK(lambdas(batches(other, 3)) != shares);
}

TEST_CASE("without mixup a batch has no other labels, and mixup leaves the order as it was") {
  const auto plain = batches({.batch_size = 4, .shuffle = true}, 1);
  const auto mixed = batches({.batch_size = 4, .shuffle = true, .mixup = 1}, 1);
  for (size_t i = 0; i < plain.size(); ++i) {
    CHECK_FALSE(plain[i].other_labels.defined());
    CHECK(plain[i].lambda == 1);
    CHECK(plain[i].labels.to_vector<int32_t>() == mixed[i].labels.to_vector<int32_t>());
  }
  CHECK_ERROR(Loader(doubled(3), {.mixup = -0.1}), "[loader] mixup = -0.1; expected alpha >= 0");
}

}  // namespace
}  // namespace espalier::datasets
