#include <array>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

const std::vector<std::array<int64_t, 3>> kShapes = {
    {1, 1, 1},      {3, 5, 7},      {0, 4, 5},      {4, 0, 5},      {4, 5, 0},
    {1, 300, 784},  {64, 300, 784}, {300, 784, 9},  {64, 10, 500},  {500, 80, 64},
    {129, 257, 65}, {7, 9, 20001},  {20, 25, 9000}, {2049, 17, 33}, {16, 16, 3},
    {100, 97, 101}, {1, 999, 301},  {333, 1, 1200}, {40, 90, 1500}, {450, 23, 300}};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const auto& [m, n, k] : kShapes)
    for (int variant = 0; variant < 4; ++variant) {
      const GemmOptions options{.transpose_a = variant % 2 == 1,
                                .transpose_b = variant / 2 == 1,
                                .alpha = variant == 0 ? 1.0 : 0.5,
                                .beta = variant == 3   ? -0.75
                                        : variant == 2 ? 1.0
                                                       : 0.0};
      const Shape a = options.transpose_a ? Shape{k, m} : Shape{m, k};
      const Shape b = options.transpose_b ? Shape{n, k} : Shape{k, n};
      const Shape c{m, n};
      result.push_back({"gemm " + std::to_string(variant) + " of " + a.to_string() + " and " + b.to_string(),
                        [=](Device device, DType dtype) {
                          Tensor y = random_tensor(c, 3, dtype, device);
                          backend(device).gemm(random_tensor(a, 1, dtype, device),
                                               random_tensor(b, 2, dtype, device), y, options);
                          return std::vector{y};
                        }});
    }
  for (const auto& [m, n, k] : kShapes)
    result.push_back(
        {"gemm with an epilogue, " + Shape{m, n, k}.to_string(), [=](Device device, DType dtype) {
           Tensor y({m, n}, dtype, device);
           const Epilogue epilogue{random_tensor({n}, 4, dtype, device), random_tensor({n}, 5, dtype, device),
                                   random_tensor({m, n}, 6, dtype, device), UnaryOp::relu};
           backend(device).gemm(random_tensor({m, k}, 1, dtype, device),
                                random_tensor({n, k}, 2, dtype, device), y, {.transpose_b = true}, epilogue);
           return std::vector{y};
         }});
  return result;
}

TEST_CASE("matrix products agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("matrix products give the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("a product with beta 0 does not read what stood in c") {
  for (Device device : tested_devices())
    for (int64_t k : {0, 3, 30000}) {
      Tensor c = Tensor::full({9, 9}, std::numeric_limits<double>::quiet_NaN(), DType::float32, device);
      const Tensor a = Tensor::full({9, k}, 1.0, DType::float32, device);
      backend(device).gemm(a, a, c, {.transpose_b = true});
      CHECK(c.to_vector<float>() == std::vector<float>(81, static_cast<float>(k)));
    }
}

}  // namespace
}  // namespace espalier::test
