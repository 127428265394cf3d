#include <cstring>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

const std::vector<int64_t> kSizes = {0, 1, 3, 300, 50003};
const std::vector<DType> kDTypes = {DType::float32, DType::float64, DType::uint8, DType::int32, DType::int64};

TEST_CASE("numbers of every dtype are filled, copied and read on every device") {
  for (Device device : tested_devices())
    for (DType dtype : kDTypes)
      for (int64_t size : kSizes) {
        INFO(size << " of " << name(dtype) << " on " << name(device));
        const Tensor due = Tensor::full({size}, 7.0, dtype);
        const Tensor filled = Tensor::full({size}, 7.0, dtype, device);
        CHECK(identical(filled, due));
        CHECK(identical(filled.clone(), due));
        CHECK(identical(filled.to(Device::cpu), due));
      }
}

TEST_CASE("bytes come back from a device as they went there, and copies leave their surroundings alone") {
  for (Device device : tested_devices())
    for (int64_t size : kSizes) {
      INFO(size << " bytes on " << name(device));
      const auto bytes = static_cast<size_t>(size);
      const auto values = random_integers({size + 8}, 1, 0, 256, Device::cpu).to_vector<int32_t>();
      const std::vector<uint8_t> sent(values.begin(), values.end());
      Backend& on = backend(device);
      Tensor first = Tensor::zeros({size + 8}, DType::uint8, device), second = first.clone();
      on.copy_from_host(first.data<uint8_t>() + 3, sent.data(), bytes);
      on.copy(second.data<uint8_t>() + 5, first.data<uint8_t>() + 3, bytes);
      std::vector<uint8_t> back(bytes + 8, 9), due(bytes + 8, 9);
      on.copy_to_host(back.data() + 1, second.data<uint8_t>() + 5, bytes);
      std::memcpy(due.data() + 1, sent.data(), bytes);
      CHECK(back == due);
      std::vector<uint8_t> whole(bytes + 8, 0);
      std::memcpy(whole.data() + 5, sent.data(), bytes);
      CHECK(second.to_vector<uint8_t>() == whole);
    }
}

TEST_CASE("host memory may change once a copy from it returned") {
  for (Device device : tested_devices()) {
    std::vector<float> values(3'000'001, 1.0f);  // more than the buffers of a copy in pieces hold
    const Tensor copied = Tensor::from(values, {3'000'001}, device);
    std::fill(values.begin(), values.end(), 2.0f);
    CHECK(copied.to_vector<float>() == std::vector<float>(3'000'001, 1.0f));
  }
}

TEST_CASE("an upload waits for its memory's last user, and what is asked for after it sees it") {
  for (Device device : tested_devices())
    for (int64_t size : {0, 1, 1001, 1'500'000}) {
      INFO(size << " on " << name(device));
      const Shape shape{size};
      Tensor first = Tensor::full(shape, 1.0, DType::float32, device);
      Tensor twice(shape, DType::float32, device), after = twice.clone();
      backend(device).axpby(2.0, first, 0.0, twice);
      first = Tensor();
      Tensor second(shape, DType::float32, device);  // where the first was, on a device that keeps memory
      backend(device).reserve_uploads();
      const Tensor five = Tensor::full(shape, 5.0);
      backend(device).upload(second.raw(), five.raw(), five.bytes());
      backend(device).axpby(2.0, second, 0.0, after);
      CHECK(identical(twice, Tensor::full(shape, 2.0)));
      CHECK(identical(after, Tensor::full(shape, 10.0)));
    }
}

TEST_CASE("memory is aligned to 64 bytes, whatever was asked for") {
  for (Device device : tested_devices())
    for (size_t bytes : {0, 1, 63, 65, 100001}) {
      void* memory = backend(device).allocate(bytes);
      CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
      backend(device).deallocate(memory, bytes);
    }
}

}  // namespace
}  // namespace espalier::test
