#include <algorithm>
#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

struct Problem {
  Shape x, weight;
  Conv2dOptions options = {};
};

Shape output_of(const Problem& problem) {
  const auto extent = [&](int axis) {
    const auto a = static_cast<size_t>(axis);
    return (problem.x[axis + 1] + 2 * problem.options.padding[a] -
            problem.options.dilation[a] * (problem.weight[axis + 1] - 1) - 1) /
               problem.options.stride[a] +
           1;
  };
  return {problem.x[0], extent(0), extent(1), problem.weight[0]};
}

const std::vector<Problem> kProblems = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}},
    {{2, 28, 28, 1}, {20, 5, 5, 1}},
    {{3, 12, 12, 20}, {50, 5, 5, 20}},
    {{5, 9, 7, 3}, {4, 3, 3, 3}, {.padding = {1, 1}}},
    {{2, 16, 16, 16}, {16, 3, 3, 16}, {.padding = {1, 1}}},
    {{2, 17, 15, 5}, {9, 3, 3, 5}, {.stride = {2, 2}, .padding = {1, 1}}},
    {{2, 11, 13, 4}, {6, 3, 5, 4}, {.stride = {2, 1}, .padding = {0, 3}}},
    {{1, 19, 20, 3}, {5, 3, 3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
    {{2, 14, 9, 2}, {3, 2, 3, 2}, {.stride = {1, 3}, .padding = {2, 1}, .dilation = {3, 1}}},
    {{2, 8, 9, 6}, {9, 3, 3, 2}, {.padding = {1, 1}, .groups = 3}},
    {{3, 7, 7, 8}, {8, 1, 1, 4}, {.groups = 2}},
    {{2, 10, 11, 4}, {4, 2, 2, 2}, {.stride = {2, 2}, .dilation = {2, 1}, .groups = 2}},
    {{4, 9, 9, 13}, {7, 1, 1, 13}},
    {{2, 9, 9, 5}, {7, 1, 1, 5}, {.stride = {2, 2}}},
    {{2, 4, 4, 3}, {5, 1, 1, 3}, {.padding = {1, 1}}},
    {{2, 10, 9, 7}, {7, 3, 3, 1}, {.padding = {1, 1}, .groups = 7}},
    {{2, 11, 12, 33}, {33, 3, 3, 1}, {.stride = {2, 2}, .padding = {1, 1}, .groups = 33}},
    {{1, 13, 12, 6}, {6, 5, 3, 1}, {.stride = {1, 2}, .padding = {4, 2}, .dilation = {2, 2}, .groups = 6}},
    {{2, 9, 8, 19}, {19, 3, 3, 1}, {.padding = {2, 2}, .dilation = {2, 2}, .groups = 19}},
    {{2, 12, 13, 16}, {16, 5, 5, 1}, {.padding = {2, 2}, .groups = 16}},
    {{2, 7, 15, 9}, {9, 3, 3, 1}, {.stride = {2, 2}, .groups = 9}},
    {{1, 2, 2, 8}, {8, 5, 5, 1}, {.padding = {3, 3}, .groups = 8}},
    {{1, 3, 2, 5}, {5, 2, 3, 1}, {.padding = {4, 5}, .groups = 5}},
    {{2, 9, 8, 3}, {6, 3, 3, 1}, {.padding = {1, 1}, .groups = 3}},
    {{2, 5, 5, 3}, {4, 5, 5, 3}},
    {{1, 3, 3, 2}, {3, 5, 5, 2}, {.padding = {3, 3}}},
    {{0, 8, 8, 3}, {4, 3, 3, 3}, {.padding = {1, 1}}},
    {{0, 8, 8, 4}, {4, 3, 3, 1}, {.groups = 4}},
    {{0, 8, 8, 4}, {5, 1, 1, 4}},
    {{1, 6, 6, 300}, {260, 1, 1, 300}},
    {{3, 8, 9, 12}, {7, 1, 1, 12}, {.stride = {2, 3}}},
    {{9, 24, 23, 3}, {18, 3, 3, 3}, {.padding = {1, 1}}},
    {{2, 9, 11, 3}, {70, 3, 3, 3}, {.padding = {1, 1}}},
    {{3, 9, 11, 1}, {20, 5, 5, 1}, {.padding = {2, 2}}},
    {{2, 10, 13, 2}, {7, 3, 3, 2}, {.stride = {1, 2}, .padding = {1, 2}}},
    {{3, 9, 10, 22}, {37, 3, 3, 22}, {.padding = {1, 1}}},
    {{40, 6, 7, 33}, {12, 3, 3, 33}},
    {{2, 7, 5, 8}, {8, 3, 3, 8}, {.padding = {2, 2}}},
    {{2, 4, 4, 300}, {260, 3, 3, 300}, {.padding = {1, 1}}},
    {{1, 8, 7, 403}, {331, 3, 3, 403}, {.padding = {1, 1}}},
    {{0, 8, 8, 16}, {16, 3, 3, 16}, {.padding = {1, 1}}},
    {{3, 9, 12, 40}, {3, 3, 3, 40}, {.padding = {1, 1}}},
    {{2, 9, 8, 41}, {1, 5, 5, 41}, {.padding = {2, 2}}},
    {{2, 9, 11, 22}, {37, 5, 5, 22}, {.padding = {2, 2}}},
    {{2, 6, 5, 30}, {31, 5, 5, 30}, {.padding = {4, 4}}},
    {{2, 5, 7, 130}, {140, 5, 5, 130}, {.padding = {2, 2}}},
    {{0, 8, 8, 16}, {16, 5, 5, 16}, {.padding = {2, 2}}},
    {{19, 2, 2, 37}, {150, 3, 3, 37}, {.padding = {1, 1}}},
    {{9, 3, 2, 270}, {21, 3, 3, 270}, {.padding = {1, 1}}},
    // So few channels that those of two images fit a vector of AVX-512 or AVX2: of the input, the output,
    // both.
    {{6, 13, 14, 16}, {7, 3, 3, 16}, {.padding = {1, 1}}},
    {{4, 10, 9, 7}, {19, 3, 3, 7}, {.padding = {1, 1}}},
    {{6, 9, 11, 8}, {8, 3, 3, 8}, {.padding = {1, 1}}},
    {{5, 9, 11, 8}, {8, 3, 3, 8}, {.padding = {1, 1}}},
    {{4, 9, 10, 4}, {3, 3, 3, 4}, {.padding = {2, 1}}},
    {{130, 5, 6, 6}, {12, 3, 3, 6}, {.padding = {1, 1}}},
    {{4, 9, 8, 41}, {2, 5, 5, 41}, {.padding = {2, 2}}},
    {{2, 14, 13, 8}, {240, 3, 3, 8}, {.padding = {1, 1}}},
    {{4, 9, 10, 250}, {7, 3, 3, 250}, {.padding = {1, 1}}},
    {{8, 7, 8, 5}, {6, 3, 2, 5}, {.stride = {2, 2}, .padding = {1, 0}}},
    {{8, 1, 2, 3}, {4, 1, 1, 3}, {.stride = {1, 1}, .padding = {1, 1}}},
    {{8, 4, 4, 3}, {4, 2, 2, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const Problem& problem : kProblems) {
    const Shape out = output_of(problem);
    const auto& [x_shape, weight_shape, options] = problem;
    const auto add = [&](const std::string& what, auto run) {
      result.push_back({what + " of " + x_shape.to_string() + " with " + weight_shape.to_string(), run});
    };
    add("conv2d", [=, problem = problem](Device device, DType dtype) {
      Tensor y(out, dtype, device);
      backend(device).conv2d(random_tensor(problem.x, 1, dtype, device),
                             random_tensor(problem.weight, 2, dtype, device), y, problem.options);
      return std::vector{y};
    });
    add("conv2d with an epilogue", [=, problem = problem](Device device, DType dtype) {
      Tensor y(out, dtype, device);
      const Shape channels{out[3]};
      const Epilogue epilogue{random_tensor(channels, 4, dtype, device),
                              random_tensor(channels, 5, dtype, device), random_tensor(out, 6, dtype, device),
                              UnaryOp::relu};
      backend(device).conv2d(random_tensor(problem.x, 1, dtype, device),
                             random_tensor(problem.weight, 2, dtype, device), y, problem.options, epilogue);
      return std::vector{y};
    });
    add("conv2d before a batch norm", [=, problem = problem](Device device, DType dtype) {
      const Shape channels{out[3]};
      const Tensor ones = Tensor::full(channels, 1.0, dtype, device);
      Tensor z(out, dtype, device), y(out, dtype, device), mean = ones.clone(), variance = ones.clone();
      Tensor batch_mean(channels, dtype, device), inverse_std(channels, dtype, device);
      backend(device).conv2d(random_tensor(problem.x, 1, dtype, device),
                             random_tensor(problem.weight, 2, dtype, device), z, problem.options,
                             {.precedes_batch_norm = true});
      backend(device).batch_norm(z, ones, ones, {}, mean, variance, batch_mean, inverse_std, y,
                                 {.epsilon = 1e-2});
      return std::vector{z, y, batch_mean, inverse_std, variance};
    });
    add("conv2d_backward_data and a sum", [=, problem = problem](Device device, DType dtype) {
      Tensor dx(problem.x, dtype, device);
      backend(device).conv2d_backward_data(random_tensor(out, 3, dtype, device),
                                           random_tensor(problem.weight, 2, dtype, device), dx,
                                           problem.options, random_tensor(problem.x, 7, dtype, device));
      return std::vector{dx};
    });
    add("conv2d_backward_data", [=, problem = problem](Device device, DType dtype) {
      Tensor dx(problem.x, dtype, device);
      backend(device).conv2d_backward_data(random_tensor(out, 3, dtype, device),
                                           random_tensor(problem.weight, 2, dtype, device), dx,
                                           problem.options);
      return std::vector{dx};
    });
    add("conv2d_backward_weight", [=, problem = problem](Device device, DType dtype) {
      Tensor dweight(problem.weight, dtype, device);
      backend(device).conv2d_backward_weight(random_tensor(problem.x, 1, dtype, device),
                                             random_tensor(out, 3, dtype, device), dweight, problem.options);
      return std::vector{dweight};
    });
  }
  return result;
}

TEST_CASE("convolutions and their gradients agree with the reference") {
  check_agreement(cases(), 1e-4);  // what Winograd's transforms lose
}
TEST_CASE("convolutions give the same bits in every run and for any number of threads") {
  check_same_bits(cases());
}

TEST_CASE("an image's outputs and input gradients do not depend on the other images of its batch") {
  const Device device = tested_device();
  const auto same_but_for_one = [&](const Tensor& of_numbers, const Tensor& of_nans) {
    const auto expected = of_numbers.to_vector<float>(), actual = of_nans.to_vector<float>();
    const size_t size = expected.size() / static_cast<size_t>(of_numbers.shape()[0]);
    for (size_t i = 0; i < expected.size(); ++i)
      if (i / size != 1 && actual[i] != expected[i]) return false;
    return true;
  };
  const auto second_image_of_nans = [](const Tensor& images) {
    auto values = images.to_vector<float>();
    const size_t size = values.size() / static_cast<size_t>(images.shape()[0]);
    std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(size), size, std::nanf(""));
    return Tensor::from(values, images.shape(), images.device());
  };
  for (const Problem& problem : kProblems) {
    if (problem.x[0] < 2) continue;
    CAPTURE(problem.x.to_string(), problem.weight.to_string());
    const Tensor x = random_tensor(problem.x, 1, DType::float32, device);
    const Tensor weight = random_tensor(problem.weight, 2, DType::float32, device);
    const Tensor dy = random_tensor(output_of(problem), 3, DType::float32, device);
    const auto outputs = [&](const Tensor& images) {
      Tensor y(dy.shape(), DType::float32, device);
      backend(device).conv2d(images, weight, y, problem.options);
      return y;
    };
    const auto input_gradients = [&](const Tensor& gradients) {
      Tensor dx(x.shape(), DType::float32, device);
      backend(device).conv2d_backward_data(gradients, weight, dx, problem.options);
      return dx;
    };
    CHECK(same_but_for_one(outputs(x), outputs(second_image_of_nans(x))));
    CHECK(same_but_for_one(input_gradients(dy), input_gradients(second_image_of_nans(dy))));
  }
}

TEST_CASE("the reference convolution of a hand-worked image is right") {
  // 1 2 3      1 0
  // 4 5 6  and 0 2, without padding: 1 + 2 * 5, 2 + 2 * 6.
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 2, 3, 1}, Device::reference);
  const Tensor weight = Tensor::from(std::vector<float>{1, 0, 0, 2}, {1, 2, 2, 1}, Device::reference);
  Tensor y({1, 1, 2, 1}, DType::float32, Device::reference);
  backend(Device::reference).conv2d(x, weight, y, {});
  CHECK(y.to_vector<float>() == std::vector<float>{11, 14});
}

}  // namespace
}  // namespace espalier::test
