#include <cmath>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

const std::vector<Shape> kShapes = {{0, 10}, {1, 1}, {1, 10}, {64, 10}, {33, 7}, {3, 1000}, {700, 100}};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const Shape& shape : kShapes) {
    const auto add = [&](const std::string& what, auto run) {
      result.push_back({what + " of " + shape.to_string(), run});
    };
    add("softmax", [=](Device device, DType dtype) {
      const Tensor x = random_tensor(shape, 1, dtype, device, 0.0, 3.0);
      Tensor y(shape, dtype, device), dx(shape, dtype, device), in_place = x.clone();
      backend(device).softmax(x, y);
      backend(device).softmax(in_place, in_place);
      backend(device).softmax_backward(y, random_tensor(shape, 2, dtype, device), dx);
      return std::vector{y, in_place, dx};
    });
    add("log_softmax", [=](Device device, DType dtype) {
      const Tensor x = random_tensor(shape, 1, dtype, device, 0.0, 3.0);
      Tensor y(shape, dtype, device), dx(shape, dtype, device), in_place = x.clone();
      backend(device).log_softmax(x, y);
      backend(device).log_softmax(in_place, in_place);
      backend(device).log_softmax_backward(y, random_tensor(shape, 2, dtype, device), dx);
      return std::vector{y, in_place, dx};
    });
    for (double smoothing : {0.0, 0.1})
      add("cross_entropy", [=](Device device, DType dtype) {
        const Tensor logits = random_tensor(shape, 3, dtype, device, 0.0, 2.0);
        const Tensor labels = random_integers({shape[0]}, 4, 0, shape[1], device);
        Tensor loss({}, dtype, device), correct({}, DType::int64, device);
        Tensor probabilities(shape, dtype, device), dlogits(shape, dtype, device);
        backend(device).cross_entropy(logits, labels, smoothing, loss, probabilities, correct);
        backend(device).cross_entropy_backward(probabilities, labels, smoothing,
                                               Tensor::full({}, 0.5, dtype, device), dlogits);
        return std::vector{loss, probabilities, correct, dlogits};
      });
  }
  return result;
}

TEST_CASE("softmax and cross-entropy agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("softmax and cross-entropy give the same bits in every run and for any number of threads",
          "[backend]") {
  check_same_bits(cases());
}

TEST_CASE("totals add up what batches lose and get right, and keep the first loss that is not finite") {
  const double infinite = std::numeric_limits<double>::infinity();
  for (Device device : tested_devices()) {
    Tensor totals = Tensor::zeros({4}, DType::float64, device);
    const auto add = [&](double loss, double correct, int64_t images, int64_t batch) {
      backend(device).add_to_totals(Tensor::full({}, loss, DType::float32, device),
                                    Tensor::full({}, correct, DType::int64, device), images, batch, totals);
      return totals.to_vector<double>();
    };
    CHECK(add(0.5, 3, 64, 1) == std::vector<double>{32, 3, 0, 0});
    CHECK(add(0.25, 4, 10, 2) == std::vector<double>{34.5, 7, 0, 0});
    CHECK(add(infinite, 1, 1, 3) == std::vector<double>{infinite, 8, 3, infinite});
    CHECK(add(1, 0, 1, 4) == std::vector<double>{infinite, 8, 3, infinite});
    CHECK(std::isnan(add(std::nan(""), 2, 1, 5)[0]));
    CHECK(totals.to_vector<double>()[2] == 3);
  }
}

TEST_CASE("softmax of huge logits neither overflows nor becomes NaN") {
  for (Device device : tested_devices()) {
    Tensor y = Tensor::from(std::vector<float>{1e38f, -1e38f, 1e38f}, {1, 3}, device);
    backend(device).softmax(y, y);
    CHECK(y.to_vector<float>() == std::vector<float>{0.5f, 0.0f, 0.5f});
  }
}

TEST_CASE("a label outside the classes is an error that names the row") {
  for (Device device : tested_devices())
    for (int32_t label : {-1, 4}) {
      const Tensor logits = Tensor::zeros({3, 4}, DType::float32, device);
      const Tensor labels = Tensor::from(std::vector<int32_t>{0, label, 1}, {3}, device);
      Tensor loss({}, DType::float32, device), correct({}, DType::int64, device),
          probabilities = logits.clone();
      const auto read_loss = [&] {  // a device that runs ahead of the host says it when a result is read
        backend(device).cross_entropy(logits, labels, 0.0, loss, probabilities, correct);
        return loss.item();
      };
      CHECK_ERROR(read_loss(), "row 1 has label " + std::to_string(label) + ", which is not in [0, 4)");
    }
}

}  // namespace
}  // namespace espalier::test
