#include "cuda/uploads.h"

#include "datasets/loader.h"
#include "tests/cuda/emulated.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"

namespace espalier::test {
namespace {

TEST_CASE("an upload runs while what was asked for since its reservation is still to be computed") {
  restart_emulation();
  const std::vector<float> values(4'000'000, 3.0f);  // more than both staging buffers hold
  Tensor computed({1000}, DType::float32, Device::cuda), uploaded({4'000'000}, DType::float32, Device::cuda);
  emulated_backend().synchronize();
  emulated_backend().reserve_uploads();
  computed.fill(1.0);
  const uint64_t before = cuda_emulator::finished_launches();
  emulated_backend().upload(uploaded.raw(), values.data(), uploaded.bytes());  // waits for its first parts
  CHECK(cuda_emulator::finished_launches() == before);
  CHECK(uploaded.to_vector<float>() == values);
  CHECK(cuda_emulator::finished_launches() == before + 1);
}

TEST_CASE("batches reach the device whole, whatever runs when") {
  const auto data = synthetic(11, 0).train;
  const datasets::LoaderOptions options{.batch_size = 4, .shuffle = true, .mixup = 0.4};
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    restart_emulation({.seed = seed, .late = seed % 2 == 0});
    datasets::LoaderOptions on_device = options;
    on_device.device = Device::cuda;
    datasets::Loader host(data, options), device(data, on_device);
    for (int64_t first : {0, 1}) {  // an epoch left halfway, and one begun there
      host.start(2, first);
      device.start(2, first);
      std::vector<Tensor> doubled;
      for (datasets::Batch due, actual; host.next(due) && device.next(actual);) {
        CHECK(identical(actual.images, due.images));
        CHECK(identical(actual.labels, due.labels));
        CHECK(identical(actual.other_labels, due.other_labels));
        CHECK(actual.lambda == due.lambda);
        doubled.push_back(actual.images.clone());
        doubled.back().backend().axpby(2.0, actual.images, 0.0, doubled.back());
        if (first == 0 && doubled.size() == 2) break;
      }
      CHECK(doubled.size() == 2);
    }
  }
  restart_emulation();
}

}  // namespace
}  // namespace espalier::test
