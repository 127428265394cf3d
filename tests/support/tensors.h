#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/tensor.h"

namespace espalier::test {

// Normal draws that depend on (shape, seed) alone and are the same numbers in float32 and float64.
Tensor random_tensor(Shape shape, uint64_t seed, DType dtype, Device device, double mean = 0.0,
                     double deviation = 1.0);
// Uniform int32 in [low, high).
Tensor random_integers(Shape shape, uint64_t seed, int64_t low, int64_t high, Device device);
// uint8, 1 with probability `density`.
Tensor random_mask(Shape shape, uint64_t seed, double density, Device device);

// What an element may differ by, as a share of its own size and of the tensor's root mean square.
double tolerance(Device device, DType dtype);
// The largest error of an element, as a share of its own size and of the tensor's root mean square; infinite
// where shapes differ.
double distance(const Tensor& actual, const Tensor& expected);
// CHECKs that the shapes agree and the elements are close; prints the worst one. NaN is close to NaN.
// Integers must be equal.
void check_close(const Tensor& actual, const Tensor& expected, double tolerance);
bool identical(const Tensor& a, const Tensor& b);

using Tensors = std::map<std::string, Tensor>;  // by name: a network's state, say
// CHECKs that the names are the same and each tensor identical.
void check_identical(const Tensors& actual, const Tensors& expected);
// The same on the CPU, where they outlive an emulated device.
Tensors on_cpu(const Tensors& tensors);

// A call of a backend with made-up arguments: run(device, dtype) returns what it wrote.
struct KernelCase {
  std::string name;
  std::function<std::vector<Tensor>(Device device, DType dtype)> run;
};

// The device under test: $ESPALIER_TEST_DEVICE, else the CPU. A test program leaves, its tests skipped, where
// that device cannot be used.
Device tested_device();
// That one and the reference.
std::vector<Device> tested_devices();
// Every case in float32 on the tested devices agrees with the reference in float64, within the device's
// tolerance or `allowed` where that is more.
void check_agreement(const std::vector<KernelCase>& cases, double allowed = 0.0);
// Every case gives the same bits on the device under test in every run, with 1, 2 and 3 threads.
void check_same_bits(const std::vector<KernelCase>& cases);

}  // namespace espalier::test
