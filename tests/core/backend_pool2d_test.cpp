#include <cmath>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

struct Problem {
  Shape x;
  int64_t out_h, out_w;
  Pool2dOptions options = {};
};

const std::vector<Problem> kProblems = {
    {{1, 2, 2, 1}, 1, 1},
    {{3, 24, 24, 20}, 12, 12},
    {{2, 9, 7, 5}, 4, 3},
    {{2, 9, 7, 5}, 5, 4, {.ceil_mode = true}},
    {{2, 9, 8, 33}, 5, 4, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}},
    {{2, 9, 8, 3},
     5,
     5,
     {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true, .count_include_pad = true}},
    {{2, 6, 5, 4}, 6, 3, {.kernel = {1, 3}, .stride = {1, 1}}},
    {{5, 8, 8, 64}, 1, 1, {.kernel = {8, 8}, .stride = {8, 8}}},
    {{0, 4, 4, 3}, 2, 2},
    {{40, 15, 16, 17}, 7, 8},
    {{2, 3, 5, 17}, 2, 2, {.kernel = {2, 2}, .stride = {4, 3}}},
};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const Problem& problem : kProblems)
    for (PoolOp op : {PoolOp::max, PoolOp::average})
      result.push_back(
          {(op == PoolOp::max ? "max pooling of " : "average pooling of ") + problem.x.to_string(),
           [=](Device device, DType dtype) {
             const Shape out{problem.x[0], problem.out_h, problem.out_w, problem.x[3]};
             Tensor y(out, dtype, device), dx(problem.x, dtype, device);
             Tensor indices = Tensor::zeros(out, DType::int32, device);
             backend(device).pool2d(op, random_tensor(problem.x, 1, dtype, device, -3.0), y, indices,
                                    problem.options);
             backend(device).pool2d_backward(op, random_tensor(out, 2, dtype, device), indices, dx,
                                             problem.options);
             return std::vector{y, indices, dx};
           }});
  return result;
}

TEST_CASE("pooling agrees with the reference") {
  check_agreement(cases());
}
TEST_CASE("pooling gives the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("of equal values the first wins, and of numbers and NaN the NaN") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (Device device : tested_devices()) {
    Tensor y({1, 1, 2, 1}, DType::float32, device), indices({1, 1, 2, 1}, DType::int32, device);
    backend(device).pool2d(PoolOp::max,
                           Tensor::from(std::vector<float>{1, 5, 3, 2, 5, 5, nan, 4}, {1, 2, 4, 1}, device),
                           y, indices, {});
    CHECK(y.to_vector<float>()[0] == 5.0f);
    CHECK(std::isnan(y.to_vector<float>()[1]));
    CHECK(indices.to_vector<int32_t>() == std::vector<int32_t>{1, 6});
  }
}

TEST_CASE("average pooling divides by the pixels in the image, or by the window where padding counts",
          "[backend]") {
  for (Device device : tested_devices())
    for (bool include : {false, true}) {
      Tensor y({1, 2, 2, 1}, DType::float32, device), indices;
      backend(device).pool2d(PoolOp::average, Tensor::full({1, 2, 2, 1}, 4.0, DType::float32, device), y,
                             indices, {.padding = {1, 1}, .count_include_pad = include});
      CHECK(y.to_vector<float>() == std::vector<float>(4, include ? 1.0f : 4.0f));
    }
}

}  // namespace
}  // namespace espalier::test
