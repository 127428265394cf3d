#include "core/ops.h"

#include <fstream>
#include <regex>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/gradient.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using Inputs = std::vector<Variable>;

Device device_of(const Inputs& inputs) {
  return inputs[0].value().device();
}
std::string title(const std::string& operation, std::initializer_list<Shape> shapes) {
  std::string text = operation + " of";
  for (const Shape& shape : shapes) text += " " + shape.to_string();
  return text;
}

std::vector<Differentiable> matrix_cases() {
  std::vector<Differentiable> cases;
  for (const auto& [rows, in, out] : {std::array{1, 1, 1}, {3, 5, 2}, {1, 7, 4}, {6, 1, 9}}) {
    const Shape x{rows, in}, weight{out, in}, bias{out}, right{in, out};
    cases.push_back({title("linear", {x, weight, bias}), {x, weight, bias}, [](const Inputs& v) {
                       return ops::linear(v[0], v[1], v[2]);
                     }});
    cases.push_back(
        {title("linear", {x, weight}), {x, weight}, [](const Inputs& v) { return ops::linear(v[0], v[1]); }});
    cases.push_back(
        {title("matmul", {x, right}), {x, right}, [](const Inputs& v) { return ops::matmul(v[0], v[1]); }});
  }
  return cases;
}

std::vector<Differentiable> convolution_cases() {
  struct Row {
    Shape x, weight;
    Conv2dOptions options = {};
  };
  const std::vector<Row> rows = {
      {{1, 1, 1, 1}, {1, 1, 1, 1}},
      {{2, 5, 4, 3}, {4, 3, 3, 3}, {.padding = {1, 1}}},
      {{1, 6, 7, 1}, {2, 3, 2, 1}},
      {{2, 7, 6, 2}, {3, 3, 3, 2}, {.stride = {2, 2}, .padding = {1, 1}}},
      {{1, 6, 5, 2}, {3, 2, 3, 2}, {.stride = {3, 1}, .padding = {0, 2}}},
      {{1, 7, 8, 2}, {2, 3, 3, 2}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {{2, 6, 5, 2}, {1, 2, 3, 2}, {.stride = {1, 2}, .padding = {1, 1}, .dilation = {3, 1}}},
      {{2, 4, 5, 4}, {6, 3, 3, 2}, {.padding = {1, 1}, .groups = 2}},
      {{1, 5, 5, 3}, {3, 3, 3, 1}, {.padding = {1, 1}, .groups = 3}},
      {{2, 6, 5, 2}, {4, 3, 2, 1}, {.stride = {2, 2}, .padding = {1, 0}, .groups = 2}},
      {{2, 5, 4, 3}, {5, 1, 1, 3}, {.stride = {2, 2}}},
      {{2, 3, 4, 2}, {3, 3, 4, 2}},
  };
  std::vector<Differentiable> cases;
  for (const Row& row : rows) {
    const Shape bias{row.weight[0]};
    cases.push_back(
        {title("conv2d", {row.x, row.weight, bias}),
         {row.x, row.weight, bias},
         [options = row.options](const Inputs& v) { return ops::conv2d(v[0], v[1], v[2], options); }});
  }
  cases.push_back({"conv2d without a bias", {{1, 4, 4, 2}, {3, 3, 3, 2}}, [](const Inputs& v) {
                     return ops::conv2d(v[0], v[1]);
                   }});
  cases.push_back(
      {"conv2d of an input that is used before", {{1, 4, 4, 2}, {2, 3, 3, 2}}, [](const Inputs& v) {
         return ops::add(v[0], ops::conv2d(v[0], v[1], {}, {.padding = {1, 1}}));
       }});
  return cases;
}

std::vector<Differentiable> pooling_cases() {
  struct Row {
    Shape x;
    Pool2dOptions options = {};
  };
  const std::vector<Row> rows = {
      {{1, 2, 2, 1}},
      {{2, 5, 7, 3}},
      {{2, 5, 7, 3}, {.ceil_mode = true}},
      {{1, 6, 5, 2}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}},
      {{1, 6, 6, 2}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true}},
      {{2, 6, 5, 1}, {.kernel = {3, 2}, .stride = {1, 3}, .padding = {0, 1}}},
      {{1, 5, 5, 2}, {.kernel = {2, 3}, .stride = {3, 2}}},
  };
  std::vector<Differentiable> cases;
  for (const Row& row : rows) {
    cases.push_back({title("max_pool2d", {row.x}), {row.x}, [options = row.options](const Inputs& v) {
                       return ops::max_pool2d(v[0], options);
                     }});
    for (bool include : {false, true})
      cases.push_back(
          {title("average_pool2d", {row.x}), {row.x}, [options = row.options, include](const Inputs& v) {
             Pool2dOptions counted = options;
             counted.count_include_pad = include;
             return ops::average_pool2d(v[0], counted);
           }});
  }
  for (const Shape& x : {Shape{1, 1, 1, 1}, Shape{2, 3, 5, 4}})
    cases.push_back({title("global_average_pool2d", {x}), {x}, [](const Inputs& v) {
                       return ops::global_average_pool2d(v[0]);
                     }});
  return cases;
}

std::vector<Differentiable> elementwise_cases() {
  std::vector<Differentiable> cases;
  for (const Shape& x : {Shape{}, Shape{1}, Shape{3, 5}, Shape{2, 3, 1, 4}}) {
    const auto unary = [&](const std::string& operation, Variable (*function)(const Variable&)) {
      cases.push_back(
          {title(operation, {x}), {x}, [function](const Inputs& v) { return function(v[0]); }, 4.0});
    };
    unary("relu", ops::relu);
    unary("relu6", ops::relu6);
    unary("sigmoid", ops::sigmoid);
    unary("tanh", ops::tanh);
    unary("sum", ops::sum);
    unary("mean", ops::mean);
    cases.push_back({title("activation", {x}), {x}, [](const Inputs& v) {
                       return ops::activation(UnaryOp::tanh, v[0]);
                     }});
    cases.push_back({title("add", {x, x}), {x, x}, [](const Inputs& v) { return ops::add(v[0], v[1]); }});
    cases.push_back(
        {title("multiply", {x, x}), {x, x}, [](const Inputs& v) { return ops::multiply(v[0], v[1]); }});
    cases.push_back({title("scale", {x}), {x}, [](const Inputs& v) { return ops::scale(v[0], -1.5); }});
    cases.push_back({title("dropout", {x}), {x}, [](const Inputs& v) {
                       return ops::dropout(v[0], 0.3, {.seed = 5, .stream = 6});
                     }});
  }
  return cases;
}

std::vector<Differentiable> shape_cases() {
  std::vector<Differentiable> cases;
  cases.push_back({"concat of one", {{2, 3}}, [](const Inputs& v) { return ops::concat(v); }});
  cases.push_back({"concat of three", {{2, 3, 1, 2}, {2, 3, 1, 1}, {2, 3, 1, 4}}, [](const Inputs& v) {
                     return ops::concat(v);
                   }});
  cases.push_back({"concat of one variable with itself", {{3, 2}}, [](const Inputs& v) {
                     return ops::concat({v[0], v[0]});
                   }});
  for (const Shape& x : {Shape{4}, Shape{2, 3, 1, 5}}) {
    cases.push_back(
        {title("pad_channels", {x}), {x}, [](const Inputs& v) { return ops::pad_channels(v[0], 2, 1); }});
    cases.push_back({title("select_channels", {x}), {x}, [](const Inputs& v) {
                       return ops::select_channels(v[0], {0, 2, 3});
                     }});
  }
  cases.push_back({"reshape", {{2, 6}}, [](const Inputs& v) { return ops::reshape(v[0], {3, 1, 4}); }});
  for (const Shape& x : {Shape{4}, Shape{2, 3, 4, 5}})
    cases.push_back({title("flatten", {x}), {x}, [](const Inputs& v) { return ops::flatten(v[0]); }});
  return cases;
}

Variable batch_norm_by_running(const Inputs& v, const ops::Tail& tail) {
  const Shape& channels = v[1].shape();
  const DType dtype = v[0].value().dtype();
  ops::BatchNormState state{random_tensor(channels, 7, dtype, device_of(v)),
                            Tensor::full(channels, 0.5, dtype, device_of(v))};
  return ops::batch_norm(v[0], v[1], v[2], state, false, {.epsilon = 1e-3}, tail);
}

std::vector<Differentiable> row_cases() {
  std::vector<Differentiable> cases;
  for (const Shape& x : {Shape{1, 1}, Shape{1, 5}, Shape{4, 3}, Shape{2, 3, 4}}) {
    cases.push_back({title("softmax", {x}), {x}, [](const Inputs& v) { return ops::softmax(v[0]); }});
    cases.push_back({title("log_softmax", {x}), {x}, [](const Inputs& v) { return ops::log_softmax(v[0]); }});
  }
  for (const Shape& x : {Shape{1, 3}, Shape{5, 2}, Shape{3, 10}})
    for (double smoothing : {0.0, 0.1})
      cases.push_back({title("cross_entropy", {x}), {x}, [smoothing](const Inputs& v) {
                         const Shape& shape = v[0].shape();
                         const Tensor labels = random_integers({shape[0]}, 3, 0, shape[1], device_of(v));
                         return ops::cross_entropy(v[0], labels, smoothing).loss;
                       }});
  for (const Shape& x : {Shape{3, 1}, Shape{5, 3}, Shape{2, 3, 2, 4}})
    cases.push_back({title("batch_norm", {x}), {x, {x.columns()}, {x.columns()}}, [](const Inputs& v) {
                       const DType dtype = v[0].value().dtype();
                       ops::BatchNormState state{Tensor::zeros(v[1].shape(), dtype, device_of(v)),
                                                 Tensor::full(v[1].shape(), 1.0, dtype, device_of(v))};
                       return ops::batch_norm(v[0], v[1], v[2], state, true, {.epsilon = 1e-3});
                     }});
  for (const Shape& x : {Shape{1, 3}, Shape{2, 3, 2, 4}})
    cases.push_back({title("batch_norm with running statistics", {x}),
                     {x, {x.columns()}, {x.columns()}},
                     [](const Inputs& v) { return batch_norm_by_running(v, {}); }});
  cases.push_back({"gather", {{5}}, [](const Inputs& v) {
                     return ops::gather(v[0], random_integers({4, 3, 2}, 3, -1, 5, device_of(v)));
                   }});
  cases.push_back({"gather of one centroid", {{1}}, [](const Inputs& v) {
                     return ops::gather(v[0], random_integers({9}, 3, -1, 1, device_of(v)));
                   }});
  return cases;
}

std::vector<Differentiable> all_cases() {
  std::vector<Differentiable> all;
  for (const auto& cases : {matrix_cases(), convolution_cases(), pooling_cases(), elementwise_cases(),
                            shape_cases(), row_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

// An operation with everything that may follow it.
std::vector<Differentiable> tail_cases() {
  std::vector<Differentiable> cases;
  for (const auto& [name, activation] : {std::pair{"", std::optional<UnaryOp>()},
                                         {" and relu", UnaryOp::relu},
                                         {" and relu6", UnaryOp::relu6}})
    for (bool residual : {false, true}) {
      const std::string with = std::string(residual ? " with a sum" : " with no sum") + name;
      const auto tail = [=, activation = activation](const Inputs& v) {
        return ops::Tail{.residual = residual ? v[3] : Variable(), .activation = activation};
      };
      const auto inputs = [residual](std::vector<Shape> shapes, const Shape& output) {
        if (residual) shapes.push_back(output);
        return shapes;
      };
      cases.push_back({"linear" + with, inputs({{3, 5}, {4, 5}, {4}}, {3, 4}),
                       [=](const Inputs& v) { return ops::linear(v[0], v[1], v[2], tail(v)); }});
      cases.push_back({"conv2d" + with, inputs({{2, 5, 4, 3}, {4, 3, 3, 3}, {4}}, {2, 3, 2, 4}),
                       [=](const Inputs& v) { return ops::conv2d(v[0], v[1], v[2], {}, tail(v)); }});
      cases.push_back({"batch_norm with running statistics" + with, inputs({{6, 3}, {3}, {3}}, {6, 3}),
                       [=](const Inputs& v) { return batch_norm_by_running(v, tail(v)); }});
      cases.push_back({"batch_norm" + with, inputs({{6, 3}, {3}, {3}}, {6, 3}), [=](const Inputs& v) {
                         ops::BatchNormState state{Tensor::zeros({3}, v[0].value().dtype(), device_of(v)),
                                                   Tensor::full({3}, 1, v[0].value().dtype(), device_of(v))};
                         return ops::batch_norm(v[0], v[1], v[2], state, true, {}, tail(v));
                       }});
    }
  return cases;
}

TEST_CASE("what follows an operation within it passes the gradients that separate operations would") {
  check_gradients(tail_cases());
}

TEST_CASE("a tail that does not fit, or asks for a gradient it has not, is an error") {
  const Variable x(Tensor::full({2, 3}, 1.0), true), weight(Tensor::full({4, 3}, 1.0), true);
  const Tensor four = Tensor::full({4}, 1.0), three = Tensor::full({3}, 1.0);
  CHECK_ERROR(ops::linear(x, weight, {}, {.residual = x}),
              "[linear] residual of shape (2, 3); expected (2, 4)");
  CHECK_ERROR(ops::linear(x, weight, {}, {.activation = UnaryOp::tanh}),
              "[linear] a tail's activation can only be relu or relu6");
  CHECK_ERROR(ops::linear(x, weight, {}, {.factor = three, .offset = four}),
              "[linear] a tail's factor and offset go together and need shape (4)");
  Variable y = ops::sum(ops::linear(x, weight, {}, {.factor = four, .offset = four}));
  CHECK_ERROR(y.backward(), "folded into a layer has no gradient");
}

TEST_CASE("every operation's gradient agrees with central differences") {
  check_gradients(all_cases());
}

TEST_CASE("no operation of core/ops.h goes without a gradient check") {
  std::ifstream header(ESPALIER_SOURCE_DIR "/core/ops.h");
  std::set<std::string> checked;
  for (const Differentiable& each : all_cases()) checked.insert(each.name.substr(0, each.name.find(' ')));
  const std::regex declaration(R"(^(Variable|CrossEntropy) (\w+)\()");
  int declared = 0;
  for (std::string line; std::getline(header, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, declaration)) continue;
    INFO(match[2]);
    CHECK(checked.contains(match[2]));
    ++declared;
  }
  CHECK(declared > 20);
}

TEST_CASE("a variable that is used twice collects both gradients") {
  check_gradients({
      {"y = a + a", {{2, 3}}, [](const Inputs& v) { return ops::add(v[0], v[0]); }},
      {"y = a * a", {{2, 3}}, [](const Inputs& v) { return ops::multiply(v[0], v[0]); }},
      {"y = a + a * a + tanh(a)",
       {{7}},
       [](const Inputs& v) { return ops::add(v[0], ops::add(ops::multiply(v[0], v[0]), ops::tanh(v[0]))); }},
      {"a convolution that convolves twice with one weight",
       {{1, 5, 5, 2}, {2, 3, 3, 2}},
       [](const Inputs& v) {
         const Conv2dOptions same{.padding = {1, 1}};
         return ops::conv2d(ops::tanh(ops::conv2d(v[0], v[1], {}, same)), v[1], {}, same);
       }},
  });
}

TEST_CASE("a shared subgraph passes on the sum of what its users send back") {
  check_gradients({
      {"a residual block with two branches",
       {{2, 4, 4, 3}, {3, 3, 3, 3}, {3, 1, 1, 3}},
       [](const Inputs& v) {
         const Variable shared = ops::tanh(ops::conv2d(v[0], v[1], {}, {.padding = {1, 1}}));
         const Variable branch = ops::sigmoid(ops::conv2d(shared, v[2]));
         return ops::add(ops::multiply(shared, branch), shared);
       }},
      {"a diamond of diamonds",
       {{3}},
       [](const Inputs& v) {
         Variable x = v[0];
         for (int i = 0; i < 6; ++i) x = ops::add(ops::tanh(x), ops::sigmoid(x));
         return x;
       }},
  });
}

TEST_CASE("batch normalisation with running statistics follows its formula and leaves them") {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4}, {2, 2});
  ops::BatchNormState state{Tensor::from(std::vector<float>{1, 1}, {2}),
                            Tensor::from(std::vector<float>{4, 0.25}, {2})};
  const Variable scale(Tensor::from(std::vector<float>{2, 3}, {2})),
      shift(Tensor::from(std::vector<float>{0, 1}, {2}));
  const Variable y = ops::batch_norm(Variable(x), scale, shift, state, false, {.epsilon = 0.0});
  CHECK(y.value().to_vector<float>() == std::vector<float>{0, 7, 2, 19});
  CHECK(state.running_mean.to_vector<float>() == std::vector<float>{1, 1});
}

TEST_CASE("cross entropy counts the rows whose largest logit is the label's") {
  const Variable logits(Tensor::from(std::vector<float>{1, 2, 3, 4, 0, 4, 9, 1, 1}, {3, 3}));
  const Tensor labels = Tensor::from(std::vector<int32_t>{2, 2, 0}, {3});
  CHECK(ops::cross_entropy(logits, labels).correct.item() == 2);  // row 1 ties: the first largest counts
}

TEST_CASE("an operation names what came and what was due") {
  const auto of = [](Shape shape) { return Variable(Tensor::zeros(shape)); };
  CHECK_ERROR(ops::linear(of({2, 3}), of({4, 5})),
              "[linear] input of shape (2, 3) and weight of shape (4, 5)");
  CHECK_ERROR(ops::linear(of({2, 3}), of({4, 3}), of({3})), "[linear] bias of shape (3); expected (4)");
  CHECK_ERROR(ops::matmul(of({2, 3}), of({2, 3})),
              "[matmul] (2, 3) times (2, 3); expected (M, K) times (K, N)");
  CHECK_ERROR(ops::conv2d(of({1, 5, 5, 3}), of({8, 3, 3, 4})), "[conv2d] input has 3 channels");
  CHECK_ERROR(ops::conv2d(of({1, 5, 5, 4}), of({3, 3, 3, 2}), {}, {.groups = 2}), "(3, 3, 3, 2) in 2 groups");
  CHECK_ERROR(ops::conv2d(of({5, 5, 3}), of({8, 3, 3, 3})), "expected (N, H, W, C)");
  CHECK_ERROR(ops::conv2d(of({1, 5, 5, 3}), of({8, 7, 3, 3})),
              "[conv2d] a window of 7 does not fit an axis of 5");
  CHECK_ERROR(ops::conv2d(of({1, 5, 5, 3}), of({8, 3, 3, 3}), of({7})),
              "[conv2d] bias of shape (7); expected (8)");
  CHECK_ERROR(ops::conv2d(of({1, 5, 5, 3}), of({8, 3, 3, 3}), {}, {.stride = {0, 1}}), "stride 0");
  CHECK_ERROR(ops::max_pool2d(of({1, 5, 5, 3}), {.padding = {2, 0}}), "[pool2d] padding 2 is more than half");
  CHECK_ERROR(ops::average_pool2d(of({5, 5})), "[pool2d] input of shape (5, 5)");
  CHECK_ERROR(ops::global_average_pool2d(of({5, 5})), "[global_average_pool2d] input of shape (5, 5)");
  CHECK_ERROR(ops::add(of({2, 3}), of({3, 2})), "[add] shapes (2, 3) and (3, 2) differ");
  CHECK_ERROR(ops::multiply(of({2}), of({3})), "[multiply] shapes (2) and (3) differ");
  CHECK_ERROR(ops::concat({}), "[concat] no inputs");
  CHECK_ERROR(ops::concat({of({2, 3}), of({3, 3})}), "[concat] shapes (2, 3) and (3, 3) differ");
  CHECK_ERROR(ops::reshape(of({2, 3}), {4, 2}), "(4, 2)");
  CHECK_ERROR(ops::flatten(of({})), "[flatten] of a scalar");
  CHECK_ERROR(ops::dropout(of({2}), 1.0, {}), "[dropout] probability 1; expected one in [0, 1)");
  CHECK_ERROR(ops::mean(of({0, 3})), "[mean] of no elements; shape (0, 3)");
  CHECK_ERROR(ops::cross_entropy(of({2, 3}), Tensor::zeros({3}, DType::int32)),
              "[cross_entropy] logits (2, 3)");
  CHECK_ERROR(ops::cross_entropy(of({2, 3}), Tensor::zeros({2})),
              "of float32; expected (N, C) and (N) of int32");
  CHECK_ERROR(ops::cross_entropy(of({2, 3}), Tensor::zeros({2}, DType::int32), 1.0), "label smoothing 1");
  CHECK_ERROR(ops::gather(of({2}), Tensor::zeros({2})), "[gather] table of shape (2) and codes of float32");
  ops::BatchNormState state{Tensor::zeros({3}), Tensor::zeros({3})};
  CHECK_ERROR(ops::batch_norm(of({2, 3}), of({3}), of({2}), state, true),
              "[batch_norm] scale, shift and running");
  CHECK_ERROR(ops::batch_norm(of({1, 3}), of({3}), of({3}), state, true),
              "[batch_norm] needs more than one value");
}

}  // namespace
}  // namespace espalier::test
