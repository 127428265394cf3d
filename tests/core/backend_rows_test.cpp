#include <algorithm>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

const std::vector<Shape> kShapes = {{0, 5},   {1, 1},     {3, 1},     {1, 130},      {7, 3},    {1000, 11},
                                    {40, 16}, {70000, 1}, {300, 257}, {5, 7, 9, 13}, {2, 5000}, {4, 0}};

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (const Shape& shape : kShapes) {
    const auto add = [&](const std::string& what, auto run) {
      result.push_back({what + " of " + shape.to_string(), run});
    };
    const Shape row{shape.columns()};
    // Every combination of an epilogue's parts, in place too.
    for (int parts = 0; parts < 24; ++parts)
      add("epilogue " + std::to_string(parts), [=](Device device, DType dtype) {
        const std::optional<UnaryOp> activations[] = {std::nullopt, UnaryOp::relu, UnaryOp::relu6};
        const Tensor z = random_tensor(shape, 1, dtype, device, 1.0, 3.0);
        Epilogue epilogue{.activation = activations[parts / 8]};
        if (parts & 1) epilogue.factor = random_tensor(row, 2, dtype, device);
        if (parts & 2) epilogue.offset = random_tensor(row, 3, dtype, device);
        if (parts & 4) epilogue.residual = random_tensor(shape, 4, dtype, device);
        Tensor y(shape, dtype, device), in_place = z.clone();
        backend(device).epilogue(z, epilogue, y);
        backend(device).epilogue(in_place, epilogue, in_place);
        std::vector<Tensor> written{y, in_place};
        if (!epilogue.residual.defined()) return written;
        Tensor over_residual = epilogue.residual.clone();
        epilogue.residual = over_residual;
        backend(device).epilogue(z, epilogue, over_residual);
        written.push_back(over_residual);
        return written;
      });
    add("sum_rows", [=](Device device, DType dtype) {
      Tensor y(row, dtype, device);
      backend(device).sum_rows(random_tensor(shape, 3, dtype, device, 1.0), y);
      return std::vector{y};
    });
    add("sum", [=](Device device, DType dtype) {
      Tensor y({}, dtype, device);
      backend(device).sum(random_tensor(shape, 4, dtype, device, 1.0), y);
      return std::vector{y};
    });
    add("copy_columns", [=](Device device, DType dtype) {
      const Shape wide{shape.rows(), shape.columns() + 4};
      const Tensor x = random_tensor(shape, 6, dtype, device);
      Tensor y = random_tensor(wide, 5, dtype, device), whole = y.clone();
      const int64_t inner = std::max<int64_t>(0, shape.columns() - 2);
      backend(device).copy_columns(x, (shape.columns() - inner) / 2, y, 3, inner);
      backend(device).copy_columns(x, 0, whole, 4, shape.columns());
      return std::vector{y, whole};
    });
  }
  return result;
}

TEST_CASE("row and column kernels agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("row and column kernels give the same bits in every run and for any number of threads",
          "[backend]") {
  check_same_bits(cases());
}

TEST_CASE("the sum of a million equal numbers is exact to float32") {
  for (Device device : tested_devices()) {
    Tensor total({}, DType::float32, device);
    backend(device).sum(Tensor::full({1000003}, 0.1, DType::float32, device), total);
    CHECK(total.item() == Approx(100000.3).epsilon(1e-7));
  }
}

}  // namespace
}  // namespace espalier::test
