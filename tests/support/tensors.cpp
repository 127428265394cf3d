#include "tests/support/tensors.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/random.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

std::vector<double> to_doubles(const Tensor& tensor) {
  const auto convert = [](const auto& values) { return std::vector<double>(values.begin(), values.end()); };
  switch (tensor.dtype()) {
    case DType::float32:
      return convert(tensor.to_vector<float>());
    case DType::float64:
      return tensor.to_vector<double>();
    case DType::uint8:
      return convert(tensor.to_vector<uint8_t>());
    case DType::int32:
      return convert(tensor.to_vector<int32_t>());
    case DType::int64:
      return convert(tensor.to_vector<int64_t>());
  }
  return {};
}

bool is_floating(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64;
}

}  // namespace

Tensor random_tensor(Shape shape, uint64_t seed, DType dtype, Device device, double mean, double deviation) {
  const Tensor values = RandomStream(seed, "test").normal(shape, mean, deviation);
  if (dtype == DType::float32) return values.to(device);
  const auto floats = values.to_vector<float>();
  return Tensor::from(std::vector<double>(floats.begin(), floats.end()), shape, device);
}

Tensor random_integers(Shape shape, uint64_t seed, int64_t low, int64_t high, Device device) {
  RandomStream random(seed, "test integers");
  std::vector<int32_t> values(static_cast<size_t>(shape.numel()));
  for (int32_t& value : values)
    value = static_cast<int32_t>(low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low))));
  return Tensor::from(values, shape, device);
}

Tensor random_mask(Shape shape, uint64_t seed, double density, Device device) {
  RandomStream random(seed, "test mask");
  std::vector<uint8_t> values(static_cast<size_t>(shape.numel()));
  for (uint8_t& value : values) value = random.uniform() < density;
  return Tensor::from(values, shape, device);
}

double tolerance(Device device, DType dtype) {
  if (dtype == DType::float64) return 1e-12;
  return device == Device::cuda ? 1e-4 : 2e-5;
}

namespace {

struct Worst {
  double error = 0;
  size_t where = 0;
};

// The largest error beside the element's own size and the tensor's root mean square.
Worst worst_of(const std::vector<double>& got, const std::vector<double>& due) {
  double squares = 0;
  for (double value : due) squares += std::isfinite(value) ? value * value : 0.0;
  const double scale = due.empty() ? 0.0 : std::sqrt(squares / static_cast<double>(due.size()));
  Worst worst;
  for (size_t i = 0; i < due.size(); ++i) {
    if (got[i] == due[i] || (std::isnan(got[i]) && std::isnan(due[i]))) continue;
    const double error = std::abs(got[i] - due[i]) / (std::abs(due[i]) + scale);
    if (error > worst.error || std::isnan(error)) worst = {std::isnan(error) ? HUGE_VAL : error, i};
  }
  return worst;
}

}  // namespace

double distance(const Tensor& actual, const Tensor& expected) {
  if (!(actual.shape() == expected.shape())) return HUGE_VAL;
  return worst_of(to_doubles(actual), to_doubles(expected)).error;
}

void check_close(const Tensor& actual, const Tensor& expected, double allowed) {
  REQUIRE(actual.shape() == expected.shape());
  const std::vector<double> got = to_doubles(actual), due = to_doubles(expected);
  const auto [worst, where] = worst_of(got, due);
  if (!due.empty())
    UNSCOPED_INFO("worst element " << where << " of " << expected.shape().to_string() << ": " << got[where]
                                   << ", due " << due[where]);
  CHECK(worst <= (is_floating(expected.dtype()) ? allowed : 0.0));
}

bool identical(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Tensor left = a.to(Device::reference), right = b.to(Device::reference);
  return a.bytes() == 0 || std::memcmp(left.raw(), right.raw(), a.bytes()) == 0;
}

void check_identical(const Tensors& actual, const Tensors& expected) {
  REQUIRE(actual.size() == expected.size());
  for (const auto& [name, tensor] : actual) {
    INFO(name);
    REQUIRE(expected.contains(name));
    CHECK(identical(tensor, expected.at(name)));
  }
}

Tensors on_cpu(const Tensors& tensors) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.to(Device::cpu);
  return result;
}

Device tested_device() {
  const char* device = std::getenv("ESPALIER_TEST_DEVICE");
  return device == nullptr ? Device::cpu : device_from_name(device);
}

std::vector<Device> tested_devices() {
  return {tested_device(), Device::reference};
}

void check_agreement(const std::vector<KernelCase>& cases, double allowed) {
  for (const KernelCase& kernel : cases) {
    const std::vector<Tensor> expected = kernel.run(Device::reference, DType::float64);
    for (Device device : tested_devices()) {
      const std::vector<Tensor> actual = kernel.run(device, DType::float32);
      REQUIRE(actual.size() == expected.size());
      for (size_t i = 0; i < actual.size(); ++i) {
        INFO(kernel.name << ", output " << i << ", on " << name(device));
        check_close(actual[i], expected[i], std::max(allowed, tolerance(device, DType::float32)));
      }
    }
  }
}

void check_same_bits(const std::vector<KernelCase>& cases) {
  const int before = omp_get_max_threads();
  for (const KernelCase& kernel : cases) {
    omp_set_num_threads(1);
    const std::vector<Tensor> expected = kernel.run(tested_device(), DType::float32);
    for (int threads : {2, 3}) {
      omp_set_num_threads(threads);
      const std::vector<Tensor> actual = kernel.run(tested_device(), DType::float32);
      REQUIRE(actual.size() == expected.size());
      for (size_t i = 0; i < actual.size(); ++i) {
        INFO(kernel.name << ", output " << i << ", with " << threads << " threads");
        CHECK(identical(actual[i], expected[i]));
      }
    }
  }
  omp_set_num_threads(before);
}

}  // namespace espalier::test
