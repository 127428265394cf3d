#include "cuda/allocator.h"
#include "tests/cuda/emulated.h"
#include "tests/cuda_emulator/rounding.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

TEST_CASE("a freed block serves the next request of its size, and no block has two owners") {
  cuda::Allocator allocator;
  void* first = allocator.allocate(1000);
  void* second = allocator.allocate(1000);
  CHECK(first != second);
  allocator.deallocate(first, 1000);
  CHECK(allocator.allocate(990) == first);
  const cuda::Allocator::Statistics statistics = allocator.statistics();
  CHECK(statistics.requests == 3);
  CHECK(statistics.device_requests == 2);
  CHECK(statistics.used == 2048);
  allocator.deallocate(first, 990);
  allocator.deallocate(second, 1000);
  CHECK(allocator.statistics().used == 0);
  CHECK(allocator.statistics().kept == 2048);
  allocator.trim();
  CHECK(allocator.statistics().kept == 0);
}

TEST_CASE("kept blocks are given back when the device is out of memory, and only then is that an error") {
  restart_emulation({.capacity = size_t{1} << 20});
  cuda::Allocator allocator;
  allocator.deallocate(allocator.allocate(600000), 600000);
  void* block = allocator.allocate(900000);
  CHECK_ERROR(allocator.allocate(600000), "[allocate] no memory for 655360 bytes on the CUDA device");
  allocator.deallocate(block, 900000);
  allocator.trim();
  restart_emulation();
}

TEST_CASE("a driver or library that does not answer is an error that says which") {
  restart_emulation();
  cuda_emulator::fail_call("cudaGetDeviceCount", 1, cudaErrorInsufficientDriver);
  CHECK_ERROR(emulated_backend(), "(cudaErrorInsufficientDriver)");
  cuda_emulator::fail_call("cudnnCreate", 1, CUDNN_STATUS_NOT_INITIALIZED);
  CHECK_ERROR(emulated_backend(), "(CUDNN_STATUS_NOT_INITIALIZED)");
  CHECK(cuda_emulator::to_string(cuda_emulator::live()) == "nothing");
  CHECK(emulated_backend().description().find("GiB") != std::string::npos);
}

TEST_CASE("reductions give the same bits in whatever order the threads run") {
  const auto reduce = [](uint64_t seed) {
    cuda_emulator::set_seed(seed);
    const Tensor x = random_tensor({1700, 10}, 1, DType::float32, Device::cuda),
                 labels = random_integers({1700}, 2, 0, 10, Device::cuda);
    Tensor columns({10}, DType::float32, Device::cuda), loss({}, DType::float32, Device::cuda),
        probabilities = x.clone(), correct({}, DType::int64, Device::cuda);
    x.backend().sum_rows(x, columns);
    x.backend().cross_entropy(x, labels, 0.1, loss, probabilities, correct);
    Tensor table({10}, DType::float32, Device::cuda);
    x.backend().scatter_add(random_tensor({1700}, 3, DType::float32, Device::cuda), labels, table);
    return std::vector{columns, loss, probabilities, correct, table};
  };
  const std::vector<Tensor> expected = reduce(1);
  for (uint64_t seed : {2, 3, 4}) {
    const std::vector<Tensor> actual = reduce(seed);
    for (size_t i = 0; i < actual.size(); ++i) CHECK(identical(actual[i], expected[i]));
  }
}

TEST_CASE("a step over many parameters is one kernel, and their addresses are sent once") {
  std::vector<Tensor> weights, gradients;
  for (int64_t size : {300, 1, 5000, 10}) {
    weights.push_back(Tensor::full({size}, 1.0, DType::float32, Device::cuda));
    gradients.push_back(Tensor::full({size}, 0.5, DType::float32, Device::cuda));
  }
  const auto step = [&](double weight_decay) {
    std::vector<SgdUpdate> updates;
    for (size_t i = 0; i < weights.size(); ++i)
      updates.push_back({.weight = &weights[i], .gradient = &gradients[i], .weight_decay = weight_decay});
    const uint64_t launches = cuda_emulator::launches(),
                   copies = cuda_emulator::call_count("cudaMemcpyAsync");
    weights[0].backend().sgd_step(updates, {.learning_rate = 0.5});
    weights[0].backend().synchronize();
    return std::pair(cuda_emulator::launches() - launches,
                     cuda_emulator::call_count("cudaMemcpyAsync") - copies);
  };
  using Counts = std::pair<uint64_t, uint64_t>;
  CHECK(step(0) == Counts(1, 1));
  CHECK(step(0) == Counts(1, 0));
  CHECK(step(0.5) == Counts(1, 1));
  for (const Tensor& weight : weights)  // 1, 0.75, 0.5, 0.5 - 0.5 (0.5 + 0.25)
    CHECK(identical(weight, Tensor::full(weight.shape(), 0.125)));
}

float rounded(float value, Precision precision) {
  switch (precision) {
    case Precision::float32:
      return value;
    case Precision::tf32:
      return cuda_emulator::to_tf32(value);
    case Precision::float16:
      return cuda_emulator::to_float16(value);
  }
  return value;
}

TEST_CASE("products and convolutions round their factors as the precision says, and only so") {
  restart_emulation();
  CHECK(std::make_unique<cuda::CudaBackend>()->precision() == Precision::tf32);
  const auto run = [](Device device, DType dtype, Precision precision) {
    const auto draw = [&](const Shape& shape, uint64_t seed) {
      std::vector<float> values = random_tensor(shape, seed, DType::float32, Device::cpu).to_vector<float>();
      for (float& value : values) value = rounded(value, precision);
      if (dtype == DType::float32) return Tensor::from(values, shape, device);
      return Tensor::from(std::vector<double>(values.begin(), values.end()), shape, device);
    };
    const Shape image{2, 6, 5, 3}, kernel{4, 3, 3, 3}, result{2, 4, 3, 4};
    const Tensor a = draw({5, 40}, 1), b = draw({40, 7}, 2), x = draw(image, 3), w = draw(kernel, 4),
                 dy = draw(result, 5);
    std::vector<Tensor> results;
    for (const Shape& shape : {Shape{5, 7}, result, image, kernel})
      results.emplace_back(shape, dtype, device);
    backend(device).gemm(a, b, results[0], {});
    backend(device).conv2d(x, w, results[1], {});
    backend(device).conv2d_backward_data(dy, w, results[2], {});
    backend(device).conv2d_backward_weight(x, dy, results[3], {});
    return results;
  };
  for (Precision precision : {Precision::tf32, Precision::float32, Precision::float16, Precision::tf32}) {
    emulated_backend().set_precision(precision);
    CHECK(emulated_backend().precision() == precision);
    const std::vector<Tensor> actual = run(Device::cuda, DType::float32, Precision::float32);
    const std::vector<Tensor> expected = run(Device::reference, DType::float64, precision);
    for (size_t i = 0; i < actual.size(); ++i) check_close(actual[i], expected[i], 1e-6);
  }
  restart_emulation();
}

TEST_CASE("tf32 is refused where the device does not have it, and not the default there") {
  restart_emulation({.compute_capability = 75});
  CHECK(std::make_unique<cuda::CudaBackend>()->precision() == Precision::float32);
  CHECK_ERROR(emulated_backend().set_precision(Precision::tf32), "compute capability 7.5; tf32 needs 8.0");
  CHECK(emulated_backend().precision() == Precision::float32);
  emulated_backend().set_precision(Precision::float16);
  CHECK(emulated_backend().precision() == Precision::float16);
  restart_emulation({.compute_capability = 70});
  CHECK_ERROR(emulated_backend(), "7.5 or newer is due");
  restart_emulation();
}

TEST_CASE("where cuDNN has no deterministic algorithm the backend convolves itself") {
  const Shape image{2, 9, 8, 6}, kernel{4, 3, 2, 3}, result{2, 5, 9, 4};
  const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 1}, .groups = 2};
  const auto run = [&](Device device, DType dtype) {
    Tensor y(result, dtype, device), dx(image, dtype, device), dweight(kernel, dtype, device);
    const Tensor x = random_tensor(image, 1, dtype, device), weight = random_tensor(kernel, 2, dtype, device),
                 dy = random_tensor(result, 3, dtype, device);
    backend(device).conv2d(x, weight, y, options);
    backend(device).conv2d_backward_data(dy, weight, dx, options);
    backend(device).conv2d_backward_weight(x, dy, dweight, options);
    return std::vector{y, dx, dweight};
  };
  for (const char* function :
       {"cudnnGetConvolutionForwardAlgorithm_v7", "cudnnGetConvolutionBackwardDataAlgorithm_v7",
        "cudnnGetConvolutionBackwardFilterAlgorithm_v7"})
    cuda_emulator::fail_call(function, 1, CUDNN_STATUS_NOT_SUPPORTED);
  const std::vector<Tensor> actual = run(Device::cuda, DType::float32);
  const std::vector<Tensor> expected = run(Device::reference, DType::float64);
  for (size_t i = 0; i < actual.size(); ++i)
    check_close(actual[i], expected[i], tolerance(Device::cuda, DType::float32));
  CHECK(cuda_emulator::call_count("cudnnConvolutionForward") == 0);
}

TEST_CASE("an algorithm that cuDNN refuses after all gives way to the next") {
  cuda_emulator::fail_call("cudnnConvolutionForward", 1, CUDNN_STATUS_NOT_SUPPORTED);
  const auto run = [&](Device device, DType dtype) {
    Tensor y({1, 4, 4, 2}, dtype, device);
    backend(device).conv2d(random_tensor({1, 4, 4, 2}, 1, dtype, device),
                           random_tensor({2, 3, 3, 2}, 2, dtype, device), y, {.padding = {1, 1}});
    return y;
  };
  for (int repeat = 0; repeat < 2; ++repeat)
    check_close(run(Device::cuda, DType::float32), run(Device::reference, DType::float64), 1e-5);
}

TEST_CASE("a failure of a library names the operation, the library and the status") {
  const Tensor x = random_tensor({1, 4, 4, 2}, 1, DType::float32, Device::cuda),
               weight = random_tensor({2, 3, 3, 2}, 2, DType::float32, Device::cuda);
  Tensor y({1, 2, 2, 2}, DType::float32, Device::cuda);
  cuda_emulator::fail_call("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  CHECK_ERROR(x.backend().conv2d(x, weight, y, {}), "[conv2d] cudnn: ");
  cuda_emulator::fail_call("cudnnConvolutionForward", 1, CUDNN_STATUS_EXECUTION_FAILED);
  CHECK_ERROR(x.backend().conv2d(x, weight, y, {}), "(CUDNN_STATUS_EXECUTION_FAILED)");
  const Tensor a = Tensor::zeros({3, 3}, DType::float32, Device::cuda);
  Tensor c = a.clone();
  cuda_emulator::fail_call("cublasGemmEx", 1, CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK_ERROR(a.backend().gemm(a, a, c, {}),
              "[gemm] cublas: the call failed (CUBLAS_STATUS_EXECUTION_FAILED)");
  cuda_emulator::fail_call("cudaLaunchKernel", 1, cudaErrorInvalidConfiguration);
  CHECK_ERROR(c.fill(1.0), "[fill] cuda: ");
}

}  // namespace
}  // namespace espalier::test
