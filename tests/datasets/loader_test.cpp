#include "datasets/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"

namespace espalier::datasets {
namespace {

using namespace std::chrono_literals;

// Image i is (i, i + 0.5) and its label is i; one image may be broken, and each may take its time.
class Counting final : public Dataset {
 public:
  explicit Counting(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  Shape image_shape() const override { return {1, 2, 1}; }
  int classes() const override { return static_cast<int>(size_); }
  int32_t get(int64_t index, std::span<float> image) const override {
    ++reads;
    std::this_thread::sleep_for(delay);
    check(index != broken, "[counting] image {} is broken", index);
    image[0] = static_cast<float>(index);
    image[1] = static_cast<float>(index) + 0.5f;
    return static_cast<int32_t>(index);
  }

  int64_t broken = -1;
  std::chrono::milliseconds delay{0};
  mutable std::atomic<int64_t> reads{0};

 private:
  int64_t size_;
};

// The labels of the rest of the epoch, batch by batch; images are checked against them.
std::vector<std::vector<int32_t>> drain(Loader& loader) {
  std::vector<std::vector<int32_t>> batches;
  for (Batch batch; loader.next(batch);) {
    batches.push_back(batch.labels.to_vector<int32_t>());
    const std::vector<int32_t>& labels = batches.back();
    const std::vector<float> images = batch.images.to_vector<float>();
    REQUIRE(batch.images.shape() == Shape{static_cast<int64_t>(labels.size()), 1, 2, 1});
    for (size_t i = 0; i < labels.size(); ++i) {
      REQUIRE(images[2 * i] == static_cast<float>(labels[i]));
      REQUIRE(images[2 * i + 1] == static_cast<float>(labels[i]) + 0.5f);
    }
  }
  return batches;
}

std::vector<int32_t> flat(const std::vector<std::vector<int32_t>>& batches) {
  std::vector<int32_t> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

std::vector<int32_t> counted(int32_t size) {
  std::vector<int32_t> all(static_cast<size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<std::vector<int32_t>> epoch(const LoaderOptions& options, int64_t number,
                                        int64_t first_batch = 0) {
  Loader loader(std::make_shared<Counting>(23), options);
  loader.start(number, first_batch);
  return drain(loader);
}

TEST_CASE("without shuffling, batches come in file order and the last may be short") {
  for (int prefetch : {0, 1, 4, 100}) {
    const auto batches = epoch({.batch_size = 5, .prefetch = prefetch}, 0);
    CHECK(batches.size() == 5);
    CHECK(batches.back().size() == 3);
    CHECK(flat(batches) == counted(23));
  }
}

TEST_CASE("drop_last leaves out a short last batch, and only that") {
  CHECK(epoch({.batch_size = 5, .drop_last = true}, 0).size() == 4);
  CHECK(epoch({.batch_size = 23, .drop_last = true}, 0).size() == 1);
  CHECK(epoch({.batch_size = 24, .drop_last = true}, 0).empty());
  CHECK(Loader(std::make_shared<Counting>(23), {.batch_size = 5, .drop_last = true}).batches_per_epoch() ==
        4);
  CHECK(Loader(std::make_shared<Counting>(23), {.batch_size = 5}).batches_per_epoch() == 5);
}

TEST_CASE("shuffling visits every image once, in an order that depends on seed and epoch alone") {
  const auto order = [](uint64_t seed, int64_t number, int64_t batch_size, int prefetch) {
    return flat(
        epoch({.batch_size = batch_size, .shuffle = true, .seed = seed, .prefetch = prefetch}, number));
  };
  const std::vector<int32_t> first = order(1, 0, 5, 4);
  CHECK(first != counted(23));
  std::vector<int32_t> sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == counted(23));
  CHECK(order(1, 0, 7, 0) == first);
  CHECK(order(1, 1, 5, 4) != first);
  CHECK(order(2, 0, 5, 4) != first);
}

TEST_CASE("an epoch entered in its middle goes on as it would have") {
  for (int prefetch : {0, 3}) {
    const LoaderOptions options{.batch_size = 4, .shuffle = true, .prefetch = prefetch};
    auto whole = epoch(options, 7);
    whole.erase(whole.begin(), whole.begin() + 2);
    CHECK(epoch(options, 7, 2) == whole);
    CHECK(epoch(options, 7, 6).empty());
  }
}

TEST_CASE("starting again drops the batches under way") {
  for (int prefetch : {0, 2}) {
    const LoaderOptions options{.batch_size = 4, .shuffle = true, .prefetch = prefetch};
    Loader loader(std::make_shared<Counting>(23), options);
    Batch batch;
    loader.start(0);
    CHECK(loader.next(batch));
    loader.start(3);
    CHECK(drain(loader) == epoch(options, 3));
    CHECK_FALSE(loader.next(batch));
  }
}

TEST_CASE(
    "an exception of the data set comes out of next() after the batches before it, and start() recovers") {
  for (int prefetch : {0, 4}) {
    const auto data = std::make_shared<Counting>(20);
    data->broken = 10;
    Loader loader(data, {.batch_size = 4, .prefetch = prefetch});
    loader.start(0);
    Batch batch;
    CHECK(loader.next(batch));
    CHECK(loader.next(batch));
    CHECK_ERROR(loader.next(batch), "[counting] image 10 is broken");
    CHECK_ERROR(loader.next(batch), "[counting] image 10 is broken");
    CHECK(batch.labels.to_vector<int32_t>() == std::vector<int32_t>{4, 5, 6, 7});
    loader.start(0, 3);
    CHECK(flat(drain(loader)) == std::vector<int32_t>{12, 13, 14, 15, 16, 17, 18, 19});
  }
}

TEST_CASE("the worker prepares ahead as many batches as it was told, and no more") {
  const auto data = std::make_shared<Counting>(1000);
  Loader loader(data, {.batch_size = 10, .prefetch = 3});
  loader.start(0);
  while (data->reads < 30) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);
  CHECK(data->reads == 30);
  Batch batch;
  CHECK(loader.next(batch));
  while (data->reads < 40) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);
  CHECK(data->reads == 40);
}

TEST_CASE("a loader stops within an image, not within a batch") {
  const auto data = std::make_shared<Counting>(10000);
  data->delay = 5ms;
  const auto begin = std::chrono::steady_clock::now();
  {
    Loader loader(data, {.batch_size = 10000});
    loader.start(0);
    loader.start(1);
    while (data->reads == 0) std::this_thread::sleep_for(1ms);
  }
  CHECK(std::chrono::steady_clock::now() - begin < 2s);  // a batch takes 50 s
  CHECK(data->reads < 400);
}

TEST_CASE("batches are made on the device that was asked for") {
  for (Device device : {Device::cpu, Device::reference}) {
    Loader loader(std::make_shared<Counting>(3), {.batch_size = 2, .device = device});
    loader.start(0);
    Batch batch;
    REQUIRE(loader.next(batch));
    CHECK(batch.images.device() == device);
    CHECK(batch.labels.device() == device);
    CHECK(batch.images.dtype() == DType::float32);
    CHECK(batch.labels.dtype() == DType::int32);
  }
}

TEST_CASE("a batch that is kept is not overwritten by those after it") {
  Loader loader(std::make_shared<Counting>(50), {.batch_size = 5, .prefetch = 1});
  loader.start(0);
  std::vector<Batch> kept(10);
  for (Batch& batch : kept) REQUIRE(loader.next(batch));
  for (size_t i = 0; i < kept.size(); ++i)
    CHECK(kept[i].labels.to_vector<int32_t>()[0] == static_cast<int32_t>(5 * i));
}

TEST_CASE("impossible loaders and positions are refused") {
  const auto data = std::make_shared<Counting>(10);
  CHECK_ERROR(Loader(nullptr, {}), "[loader] no data set");
  CHECK_ERROR(Loader(data, {.batch_size = 0}), "[loader] batch_size = 0; expected > 0");
  CHECK_ERROR(Loader(data, {.prefetch = -1}), "[loader] prefetch = -1; expected >= 0");
  CHECK_ERROR(Loader(data, {.workers = 0}), "[loader] workers = 0; expected > 0");
  Loader loader(data, {.batch_size = 5});
  Batch batch;
  CHECK_ERROR(loader.next(batch), "[loader] next() before start()");
  CHECK_ERROR(loader.start(-1), "[loader] epoch -1; expected >= 0");
  CHECK_ERROR(loader.start(0, 3), "[loader] first batch 3 of an epoch of 2");
}

}  // namespace
}  // namespace espalier::datasets
