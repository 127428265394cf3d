#include "apps/bench/conv.h"

#include <omp.h>

#include <array>

#include "core/backend.h"
#include "core/cpu/conv2d.h"
#include "core/error.h"
#include "core/ops.h"
#include "core/random.h"

namespace espalier::apps {
namespace {

struct Problem {
  int64_t batch, size, in, out;
  int kernel = 3, stride = 1, groups = 1;
};

constexpr Problem kProblems[] = {
    // The stages of ResNet-20 and VGG-16.
    {128, 32, 16, 16},
    {128, 16, 32, 32},
    {128, 8, 64, 64},
    {64, 32, 64, 64},
    {64, 16, 128, 128},
    {64, 8, 256, 256},
    {64, 4, 512, 512},
    {64, 2, 512, 512},
    // Their first layers, and where an image halves.
    {128, 32, 3, 16},
    {64, 32, 3, 64},
    {128, 32, 16, 32, 3, 2},
    {128, 16, 32, 64, 3, 2},
    // Widths that pruning leaves.
    {128, 32, 22, 22},
    {128, 16, 37, 37},
    {64, 16, 22, 37},
    {64, 16, 37, 22, 1},
    // 1x1, LeNet-5's 5x5, depthwise.
    {128, 16, 64, 128, 1},
    {64, 8, 256, 256, 1},
    {128, 16, 64, 128, 1, 2},
    {64, 28, 1, 20, 5},
    {64, 12, 20, 50, 5},
    {128, 32, 32, 32, 3, 1, 32},
    {64, 16, 128, 128, 3, 2, 128},
};

std::string name(const Problem& problem) {
  std::string text = fmt::format("{} x {}², {} -> {}, {}x{}", problem.batch, problem.size, problem.in,
                                 problem.out, problem.kernel, problem.kernel);
  if (problem.stride > 1) text += fmt::format(" stride {}", problem.stride);
  if (problem.groups > 1) text += " depthwise";
  return text;
}

// A convolution, padded by half its kernel, and what its passes need.
class Convolution {
 public:
  explicit Convolution(const Problem& problem)
      : problem_(problem),
        options_{.stride = {problem.stride, problem.stride},
                 .padding = {problem.kernel / 2, problem.kernel / 2},
                 .groups = problem.groups} {
    RandomStream random(1, "bench");
    x_ = random.normal({problem.batch, problem.size, problem.size, problem.in}, 0, 1);
    weight_ = random.normal({problem.out, problem.kernel, problem.kernel, problem.in / problem.groups}, 0, 1);
    dy_ = random.normal(ops::conv2d_shape(x_.shape(), weight_.shape(), options_), 0, 1);
    y_ = Tensor(dy_.shape(), DType::float32);
    dx_ = Tensor(x_.shape(), DType::float32);
    dweight_ = Tensor(weight_.shape(), DType::float32);
  }

  double flops() const {
    const Shape& weight = weight_.shape();
    return 2.0 * static_cast<double>(dy_.numel() * weight[1] * weight[2] * weight[3]);
  }
  void forward() {
    static_cast<void>(weight_.raw());  // whoever asks for this may change them, so nothing is kept of them
    x_.backend().conv2d(x_, weight_, y_, options_);
  }
  void backward_data() {
    static_cast<void>(weight_.raw());
    x_.backend().conv2d_backward_data(dy_, weight_, dx_, options_);
  }
  void backward_weight() { x_.backend().conv2d_backward_weight(x_, dy_, dweight_, options_); }

  // The same through a matrix of patches, what every other algorithm is to be faster than.
  void forward_by_patches() {
    static_cast<void>(weight_.raw());
    cpu::im2col_forward(shape(), x_.data<float>(), weight_, y_.data<float>());
  }
  void backward_data_by_patches() {
    cpu::im2col_backward_data(shape(), dy_.data<float>(), weight_.data<float>(), dx_.data<float>());
  }
  void backward_weight_by_patches() {
    cpu::im2col_backward_weight(shape(), x_.data<float>(), dy_.data<float>(), dweight_.data<float>());
  }

  nlohmann::json request(std::string_view work, double seconds) const {
    return {{"x_shape", {problem_.batch, problem_.in, problem_.size, problem_.size}},
            {"weight_shape", {problem_.out, problem_.in / problem_.groups, problem_.kernel, problem_.kernel}},
            {"stride", problem_.stride},
            {"padding", problem_.kernel / 2},
            {"groups", problem_.groups},
            {"work", work},
            {"seconds", seconds}};
  }

 private:
  cpu::ConvShape shape() const { return {x_.shape(), weight_.shape(), y_.shape(), options_}; }

  Problem problem_;
  Conv2dOptions options_;
  Tensor x_, weight_, dy_, y_, dx_, dweight_;
};

struct Pass {
  std::string_view name;
  void (Convolution::*run)();
  void (Convolution::*by_patches)();
};
constexpr Pass kPasses[] = {
    {"forward", &Convolution::forward, &Convolution::forward_by_patches},
    {"backward data", &Convolution::backward_data, &Convolution::backward_data_by_patches},
    {"backward weight", &Convolution::backward_weight, &Convolution::backward_weight_by_patches}};

// Without decimals, unless a slow build or machine would then show 0.
std::string rounded(double gigaflops) {
  return gigaflops < 10 ? fmt::format("{:.2g}", gigaflops) : fmt::format("{:.0f}", gigaflops);
}

}  // namespace

std::string bench_conv(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const Problem& problem : kProblems) names.push_back(name(problem));
  check_only(options.only, names);
  const int threads = omp_get_max_threads();
  const Opponent opponent = find_opponent(options, "pytorch_conv_peer.py", threads);
  std::vector<std::string> header = {"convolution"};
  for (const Pass& pass : kPasses) {
    header.emplace_back(pass.name);
    header.emplace_back("im2col");
    header.emplace_back("PyTorch");
    header.emplace_back("ratio");
  }
  TextTable table(header);
  for (const Problem& problem : kProblems) {
    if (name(problem).find(options.only) == std::string::npos) continue;
    Convolution convolution(problem);
    const double gigaflops = convolution.flops() / 1e9;
    std::vector<std::string> cells = {name(problem)};
    for (const Pass& pass : kPasses) {
      const auto side = [&](void (Convolution::*run)()) {
        return [&, run] {
          const auto step = [&] { (convolution.*run)(); };
          rate(step, options.seconds / 2);  // leaves caches and threads as it finds them, not as others did
          return gigaflops * rate(step, options.seconds);
        };
      };
      std::vector<std::function<double()>> sides = {side(pass.run), side(pass.by_patches)};
      if (opponent.peer)
        sides.emplace_back([&] {
          const nlohmann::json answer = opponent.peer->ask(convolution.request(pass.name, options.seconds));
          return gigaflops * answer.at("rate").get<double>();
        });
      const std::vector<double> figures = alternate(sides, options.repeats);
      cells.push_back(rounded(figures[0]));
      cells.push_back(rounded(figures[1]));
      cells.push_back(opponent.peer ? rounded(figures[2]) : "");
      cells.push_back(opponent.peer ? fmt::format("{:.2f}x", figures[0] / figures[2]) : "");
    }
    table.add(std::move(cells));
  }
  return publish(
      options, "espalier bench conv", "Speed of convolutions",
      "GFLOP/s of a direct convolution's operations, whatever the algorithm does: batch x size², "
      "channels in -> out, kernel, padded by half of it. Beside them the same through a matrix of patches "
      "(im2col) and our own products, and PyTorch in its faster memory format; the ratio is to PyTorch.",
      table, threads, opponent.note);
}

}  // namespace espalier::apps
