#include "core/tensor.h"

#include <cstdint>
#include <thread>

#include "core/backend.h"
#include "core/cpu/allocator.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"

namespace espalier {
namespace {

TEST_CASE("a default tensor is undefined and says so when it is used") {
  const Tensor tensor;
  CHECK_FALSE(tensor.defined());
  CHECK_ERROR(tensor.raw(), "undefined");
  CHECK_ERROR(tensor.device(), "undefined");
  CHECK_ERROR(tensor.clone(), "undefined");
  CHECK_ERROR(tensor.item(), "undefined");
}

TEST_CASE("copies share storage and clones do not") {
  Tensor tensor = Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2});
  Tensor copy = tensor, clone = tensor.clone();
  copy.data<float>()[0] = 9;
  CHECK(tensor.host<float>()[0] == 9);
  CHECK(clone.host<float>()[0] == 1);
  CHECK(copy.shares_storage_with(tensor));
  CHECK_FALSE(clone.shares_storage_with(tensor));
}

TEST_CASE("fill works for every dtype on both host devices") {
  for (Device device : {Device::cpu, Device::reference})
    for (DType dtype : {DType::float32, DType::float64, DType::uint8, DType::int32, DType::int64}) {
      INFO(name(dtype) << " on " << name(device));
      CHECK(Tensor::full({}, 7, dtype, device).item() == 7.0);
      CHECK(Tensor::zeros({1}, dtype, device).item() == 0.0);
    }
}

TEST_CASE("elements are read only as the dtype that they are") {
  Tensor tensor = Tensor::zeros({3}, DType::int32);
  CHECK_ERROR(tensor.data<float>(), "elements of int32 are read as float32");
  CHECK_ERROR(tensor.to_vector<int64_t>(), "int64");
  CHECK(tensor.to_vector<int32_t>() == std::vector<int32_t>{0, 0, 0});
}

TEST_CASE("a reshape keeps the storage and refuses another element count") {
  const Tensor tensor = Tensor::zeros({4, 3});
  CHECK(tensor.reshape({2, 6}).shares_storage_with(tensor));
  CHECK(tensor.reshape({2, 6}).shape() == Shape{2, 6});
  CHECK_ERROR(tensor.reshape({5, 2}), "(4, 3) has 12 elements, (5, 2) has 10");
}

TEST_CASE("tensors move between devices with their elements") {
  const Tensor tensor = Tensor::from(std::vector<int64_t>{1, -2, 3}, {3});
  CHECK(tensor.to(Device::cpu).shares_storage_with(tensor));
  const Tensor moved = tensor.to(Device::reference);
  CHECK(moved.device() == Device::reference);
  CHECK(moved.to_vector<int64_t>() == tensor.to_vector<int64_t>());
}

TEST_CASE("copy_from wants the same shape and dtype") {
  Tensor tensor = Tensor::zeros({2, 2});
  CHECK_ERROR(tensor.copy_from(Tensor::zeros({4})), "(4) came, float32 (2, 2) is due");
  CHECK_ERROR(tensor.copy_from(Tensor::zeros({2, 2}, DType::int32)), "int32");
  CHECK_ERROR(tensor.copy_from(Tensor()), "source is undefined");
  tensor.copy_from(Tensor::full({2, 2}, 3.0));
  CHECK(tensor.to_vector<float>() == std::vector<float>(4, 3.0f));
}

TEST_CASE("from wants as many values as the shape has elements") {
  CHECK_ERROR(Tensor::from(std::vector<float>{1, 2}, {3}), "2 values came for the shape (3), which has 3");
}

TEST_CASE("a tensor without elements is a tensor") {
  for (Device device : {Device::cpu, Device::reference}) {
    const Tensor tensor = Tensor::zeros({0, 3}, DType::float32, device);
    CHECK(tensor.defined());
    CHECK(tensor.clone().to_vector<float>().empty());
    CHECK(tensor.to(Device::cpu).shape() == Shape{0, 3});
    CHECK_ERROR(tensor.item(), "one element");
  }
}

TEST_CASE("memory is aligned to cache lines whatever its size") {
  for (int64_t count : {0, 1, 3, 17, 1000, 100001}) {
    const Tensor tensor(Shape{count}, DType::uint8);
    CHECK(reinterpret_cast<uintptr_t>(tensor.raw()) % 64 == 0);
  }
}

TEST_CASE("more bytes than there are is an error that names them") {
  CHECK_ERROR(Tensor({int64_t{1} << 62}, DType::float32), "63 bits");
#ifdef __SANITIZE_ADDRESS__
  SKIP_TEST("AddressSanitizer ends the process on a request this large");
#else
  CHECK_ERROR(Tensor({int64_t{1} << 45}, DType::uint8), "no memory for 35184372088832 bytes");
#endif
}

TEST_CASE("without a CUDA device the error says what to do instead") {
  try {
    backend(Device::cuda);
    SKIP_TEST("this machine has a CUDA device");
  } catch (const Error&) {
  }
  CHECK_ERROR(Tensor::zeros({1}, DType::float32, Device::cuda), "run with --device cpu");
}

TEST_CASE("the allocator gives a freed block to the next request of its size, and no block to two owners") {
  cpu::Allocator allocator;
  void* first = allocator.allocate(1000);
  void* second = allocator.allocate(1000);
  CHECK(first != second);
  allocator.deallocate(first, 1000);
#ifndef __SANITIZE_ADDRESS__
  void* third = allocator.allocate(1020);
  CHECK(third == first);
  allocator.deallocate(third, 1020);
#endif
  allocator.deallocate(second, 1000);
  allocator.trim();
}

TEST_CASE("every size fits its size class, from one byte to megabytes") {
  cpu::Allocator allocator;
  const test::AllocationMeter meter;
  for (size_t bytes = 1; bytes < (size_t{1} << 22); bytes = bytes * 9 / 8 + 1) {
    const size_t before = meter.peak();
    auto* block = static_cast<unsigned char*>(allocator.allocate(bytes));
    block[0] = block[bytes - 1] = 1;
    CHECK(meter.peak() - before <= bytes + bytes / 4 + 4096);
    allocator.deallocate(block, bytes);
    allocator.trim();
  }
  CHECK(meter.peak() >= (size_t{1} << 21));
}

TEST_CASE("what is derived from elements is kept from the second request on, or set, until they change") {
  Tensor tensor = Tensor::full({3}, 1.0);
  int made = 0;
  const auto ask = [&] { return *tensor.derived<int>(7, [&] { return ++made; }); };
  CHECK(ask() == 1);
  CHECK(ask() == 2);
  CHECK(ask() == 2);
  CHECK(*tensor.derived<int>(8, [] { return 50; }) == 50);
  tensor.fill(2.0);
  CHECK(ask() == 3);
  tensor.set_derived(7, 100);
  CHECK(ask() == 100);
  tensor.set_derived(7, 101);
  CHECK(ask() == 101);
  CHECK(*tensor.reshape({1, 3}).derived<int>(7, [] { return 60; }) == 60);
  tensor.fill(3.0);
  CHECK(ask() == 4);
}

TEST_CASE("tensors may be made and dropped on many threads at once") {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([t, &wrong] {
      for (int64_t i = 1; i < 500; ++i) {
        const auto mark = static_cast<double>(t + 1);
        const Tensor tensor = Tensor::full({i % 37 + 1}, mark);
        for (float element : tensor.to_vector<float>()) wrong[t] += static_cast<double>(element) != mark;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace
}  // namespace espalier
