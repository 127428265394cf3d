#include "datasets/loader.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "core/backend.h"
#include "core/error.h"
#include "core/profile.h"
#include "core/random.h"
#include "datasets/mixup.h"

namespace espalier::datasets {

// Workers prepare batches in host memory and nothing else: copies to a device are made by next(), so that
// they are ordered with the work of the thread that trains.
struct Loader::State {
  using Prepared = std::variant<Batch, std::exception_ptr>;

  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  std::vector<int64_t> order;  // of the epoch's images; empty until start()
  int64_t epoch = 0;
  int64_t batches = 0;   // per epoch
  int64_t position = 0;  // the batch that next() returns next
  Batch reserved;        // room for it on the device
  bool started = false;

  std::mutex mutex;  // guards the three below, and position, while workers run
  std::condition_variable_any changed;
  std::map<int64_t, Prepared> ready;
  int64_t claimed = 0;  // the first batch that no worker has taken on
  bool failed = false;  // nothing is claimed after a failure

  std::vector<std::jthread> workers;  // last: stopped and joined before what they use is destroyed

  bool on_host() const { return options.device != Device::cuda; }
  Device host_device() const { return options.device == Device::reference ? Device::reference : Device::cpu; }

  int64_t images_of(int64_t batch) const {
    return std::min(options.batch_size, static_cast<int64_t>(order.size()) - batch * options.batch_size);
  }

  // Tensors for a batch. REQUIRES: 0 <= batch < batches.
  Batch allocate(int64_t batch, Device device) const {
    const Shape image = dataset->image_shape();
    const int64_t count = images_of(batch);
    Batch result;
    result.images = Tensor({count, image[0], image[1], image[2]}, DType::float32, device);
    result.labels = Tensor({count}, DType::int32, device);
    if (options.mixup > 0) result.other_labels = Tensor({count}, DType::int32, device);
    return result;
  }

  // Allocated a batch ahead, the room for a batch is free of what the device still computes, so that the
  // batch travels while the one before it is used.
  void reserve() {
    reserved = {};
    if (on_host() || position == batches) return;
    reserved = allocate(position, options.device);
    backend(options.device).reserve_uploads();
  }

  Batch upload(const Batch& host) {
    Batch result = std::move(reserved);
    result.lambda = host.lambda;
    const auto send = [](const Tensor& from, Tensor& to) {
      if (from.defined()) to.backend().upload(to.raw(), from.raw(), from.bytes());
    };
    send(host.images, result.images);
    send(host.labels, result.labels);
    send(host.other_labels, result.other_labels);
    reserve();
    return result;
  }

  // Nothing when a stop is requested halfway.
  std::optional<Batch> prepare(int64_t batch, const std::stop_token& stop) const {
    const int64_t first = batch * options.batch_size;
    const auto pixels = static_cast<size_t>(dataset->image_shape().numel());
    Batch result = allocate(batch, host_device());
    const std::span<float> images = result.images.host<float>();
    const std::span<int32_t> labels = result.labels.host<int32_t>();
    for (size_t i = 0; i < labels.size(); ++i) {
      if (stop.stop_requested()) return std::nullopt;
      labels[i] =
          dataset->sample(order[static_cast<size_t>(first) + i], epoch, images.subspan(i * pixels, pixels));
    }
    if (options.mixup > 0) mix(batch, result);
    return result;
  }

  void mix(int64_t number, Batch& batch) const {
    RandomStream random(options.seed, "mixup", static_cast<uint64_t>(epoch * batches + number));
    batch.lambda = static_cast<float>(mixup_share(options.mixup, random));
    mix_reversed(batch.images.host<float>(), batch.labels.numel(), batch.lambda);
    batch.other_labels.copy_from(batch.labels);
    std::ranges::reverse(batch.other_labels.host<int32_t>());
  }

  void work(const std::stop_token& stop) {
    for (;;) {
      int64_t batch = 0;
      {
        std::unique_lock lock(mutex);
        const auto room = [&] {
          return failed || claimed == batches || claimed < position + options.prefetch;
        };
        if (!changed.wait(lock, stop, room) || failed || claimed == batches) return;
        batch = claimed++;
      }
      Prepared result;
      try {
        std::optional<Batch> prepared = prepare(batch, stop);
        if (!prepared) return;
        result = std::move(*prepared);
      } catch (...) {
        result = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      failed = failed || std::holds_alternative<std::exception_ptr>(result);
      ready.emplace(batch, std::move(result));
      changed.notify_all();
    }
  }

  // Batches are claimed in order, so that the one at `position` comes even when one after it failed.
  Batch take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready.contains(position); });
    Prepared& prepared = ready.at(position);
    if (const auto* failure = std::get_if<std::exception_ptr>(&prepared)) std::rethrow_exception(*failure);
    Batch batch = std::move(std::get<Batch>(prepared));
    ready.erase(position++);
    changed.notify_all();
    return batch;
  }

  void stop() {
    for (std::jthread& worker : workers) worker.request_stop();
    workers.clear();  // joins
    ready.clear();
    failed = false;
  }
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options)
    : state_(std::make_unique<State>()) {
  check(dataset != nullptr, "[loader] no data set");
  check(options.batch_size > 0, "[loader] batch_size = {}; expected > 0", options.batch_size);
  check(options.mixup >= 0 && std::isfinite(options.mixup), "[loader] mixup = {}; expected alpha >= 0",
        options.mixup);
  check(options.prefetch >= 0, "[loader] prefetch = {}; expected >= 0", options.prefetch);
  check(options.workers > 0, "[loader] workers = {}; expected > 0", options.workers);
  const int64_t size = dataset->size();
  state_->batches =
      size / options.batch_size + (!options.drop_last && size % options.batch_size != 0 ? 1 : 0);
  state_->dataset = std::move(dataset);
  state_->options = options;
}

Loader::~Loader() = default;

int64_t Loader::batches_per_epoch() const {
  return state_->batches;
}

void Loader::start(int64_t epoch, int64_t first_batch) {
  State& state = *state_;
  check(epoch >= 0, "[loader] epoch {}; expected >= 0", epoch);
  check(first_batch >= 0 && first_batch <= state.batches, "[loader] first batch {} of an epoch of {}",
        first_batch, state.batches);
  state.stop();
  if (state.options.shuffle) {
    state.order = RandomStream(state.options.seed, "shuffle", static_cast<uint64_t>(epoch))
                      .permutation(state.dataset->size());
  } else {
    state.order.resize(static_cast<size_t>(state.dataset->size()));
    std::iota(state.order.begin(), state.order.end(), 0);
  }
  state.epoch = epoch;
  state.position = state.claimed = first_batch;
  state.started = true;
  state.reserve();
  for (int i = 0; i < std::min(state.options.workers, state.options.prefetch); ++i)
    state.workers.emplace_back([&state](std::stop_token stop) { state.work(stop); });
}

bool Loader::next(Batch& batch) {
  State& state = *state_;
  check(state.started, "[loader] next() before start()");
  if (state.position == state.batches) return false;
  const profile::Scope scope("loader", "wait");
  const bool ahead = state.options.prefetch > 0;
  Batch host = ahead ? state.take() : *state.prepare(state.position, {});
  if (!ahead) ++state.position;
  batch = state.on_host() ? std::move(host) : state.upload(host);
  return true;
}

}  // namespace espalier::datasets
