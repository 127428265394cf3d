#include "pruning/reconstruction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "layers/attributes.h"
#include "layers/fusion.h"
#include "pruning/lasso.h"
#include "pruning/least_squares.h"

namespace espalier::pruning {
namespace {

using layers::Network;

const Network::Node& node_of(const Network& network, int n) {
  return network.nodes()[static_cast<size_t>(n)];
}

// A layer that reads the group, and what follows it up to the sum that its branch ends in.
struct Branch {
  int layer;
  int norm = -1;   // a batch norm that alone reads the layer
  int sum = -1;    // of two branches, which alone reads that
  int other = -1;  // the node of the other branch
};

Branch branch_of(const Network& network, int layer) {
  const auto readers = layers::only_readers(network.nodes());
  const auto next_is = [&](int n, const char* type) {
    const auto reader = readers[static_cast<size_t>(n)];
    return reader && network.nodes()[*reader].type == type ? static_cast<int>(*reader) : -1;
  };
  Branch branch{.layer = layer, .norm = next_is(layer, "batch_norm")};
  const int end = branch.norm >= 0 ? branch.norm : layer;
  const int sum = next_is(end, "add");
  if (sum < 0 || node_of(network, sum).inputs.size() != 2) return branch;
  const auto& inputs = node_of(network, sum).inputs;
  const int other = inputs[0] == end ? inputs[1] : inputs[0];
  if (other >= 0) branch.sum = sum, branch.other = other;
  return branch;
}

// What a layer that reads the group sees of an image, place by place of its output.
class Patches {
 public:
  explicit Patches(const Network& network, const Network::Node& node) : output_(node.output) {
    const Shape& weight = node.layer->parameters().front().shape;
    columns_ = weight.numel() / weight[0];
    if (node.type != "conv2d") return;
    layers::Attributes attributes(node.layer->name(), node.attributes);
    input_ = network.input_shapes(node)[0];
    kernel_ = {static_cast<int>(weight[1]), static_cast<int>(weight[2])};
    stride_ = attributes.pair("stride", 1, 1 << 20, {1, 1});
    padding_ = attributes.pair("padding", 0, 1 << 20, {0, 0});
    dilation_ = attributes.pair("dilation", 1, 1 << 20, {1, 1});
  }
  int64_t columns() const { return columns_; }
  int64_t places() const { return output_.rank() == 4 ? output_[1] * output_[2] : 1; }
  int64_t channels() const { return output_.columns(); }

  // In the order of the weight's (R, S, C).
  void take(std::span<const float> image, int64_t place, float* row) const {
    if (output_.rank() != 4) {
      std::ranges::copy(image, row);
      return;
    }
    const int64_t channels = input_[3];
    for (int r = 0; r < kernel_[0]; ++r)
      for (int s = 0; s < kernel_[1]; ++s, row += channels) {
        const int64_t y = place / output_[2] * stride_[0] - padding_[0] + r * dilation_[0];
        const int64_t x = place % output_[2] * stride_[1] - padding_[1] + s * dilation_[1];
        if (y < 0 || y >= input_[1] || x < 0 || x >= input_[2])
          std::fill_n(row, channels, 0.0f);
        else
          std::copy_n(image.data() + (y * input_[2] + x) * channels, channels, row);
      }
  }

 private:
  Shape output_, input_;
  int64_t columns_ = 0;
  std::array<int, 2> kernel_{}, stride_{}, padding_{}, dilation_{};
};

// One layer's part of the problem.
struct Reader {
  Branch branch;
  Patches patches;
  const ChannelSlices* slices;        // of its weight's columns
  Parameter *weight, *bias;           // the bias may be null
  std::vector<float> factor, offset;  // of the batch norm behind it; else 1 and 0
  LeastSquares squares;

  std::vector<int> columns(int candidate) const {
    // The slices count along the weight's last axis; a convolution has that once for each tap.
    const int64_t channels = weight->shape[weight->shape.rank() - 1];
    std::vector<int> result;
    for (int64_t tap = 0; tap < patches.columns() / channels; ++tap)
      for (int index : slices->of(candidate)) result.push_back(static_cast<int>(tap * channels) + index);
    return result;
  }
};

Reader make_reader(Network& network, const ChannelGroup& group, int layer) {
  const Network::Node& node = node_of(network, layer);
  const Branch branch = branch_of(network, layer);
  std::vector<Parameter>& parameters = node.layer->parameters();
  Parameter* weight = parameters.data();
  Parameter* bias = parameters.size() > 1 ? parameters.data() + 1 : nullptr;
  const auto slices = std::ranges::find_if(group.slices, [&](const ChannelSlices& s) {
    return s.tensor == weight->name && s.side == layers::ChannelFlow::Side::input;
  });
  Patches patches(network, node);
  const auto outputs = static_cast<size_t>(patches.channels());
  std::vector<float> factor(outputs, 1.0f), offset(outputs, 0.0f);
  if (branch.norm >= 0) {
    ops::Tail tail;
    node_of(network, branch.norm).layer->extend(tail);
    factor = tail.factor.to_vector<float>();
    offset = tail.offset.to_vector<float>();
  }
  const int64_t inputs = patches.columns() + (bias != nullptr ? 1 : 0);
  return {branch, std::move(patches), &*slices,          weight,
          bias,   std::move(factor),  std::move(offset), LeastSquares(inputs, static_cast<int64_t>(outputs))};
}

// The outputs of the layers that are asked for.
std::map<int, std::vector<float>> run(Network& network, const Tensor& images, const std::vector<int>& nodes) {
  std::map<int, Variable> outputs;
  for (int n : nodes) outputs[n] = {};
  network.forward(Variable(images), {.outputs = &outputs});
  std::map<int, std::vector<float>> result;
  for (const auto& [n, output] : outputs) result[n] = output.value().to_vector<float>();
  return result;
}

// Adds the rows of one batch.
void observe(Reader& reader, const std::vector<float>& inputs,
             const std::map<int, std::vector<float>>& before, const std::map<int, std::vector<float>>& now,
             int64_t images, int64_t positions, RandomStream& random) {
  const Branch& branch = reader.branch;
  const int64_t places = reader.patches.places(), width = reader.squares.inputs();
  const auto channels = static_cast<size_t>(reader.patches.channels());
  const int64_t rows = images * std::min(positions, places);
  std::vector<float> x(static_cast<size_t>(rows * width), 1.0f);  // a bias's input is 1
  std::vector<float> y(static_cast<size_t>(rows) * channels);
  const size_t of_image = inputs.size() / static_cast<size_t>(images);
  const float largest = std::abs(std::ranges::max(reader.factor, {}, [](float f) { return std::abs(f); }));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t image = row / (rows / images);
    const int64_t place = positions >= places
                              ? row % places
                              : static_cast<int64_t>(random.next() % static_cast<uint64_t>(places));
    reader.patches.take(std::span(inputs).subspan(static_cast<size_t>(image) * of_image, of_image), place,
                        x.data() + row * width);
    const size_t at = static_cast<size_t>(image * places + place) * channels;
    for (size_t o = 0; o < channels; ++o) {
      float& target = y[static_cast<size_t>(row) * channels + o];
      target = before.at(branch.layer)[at + o];
      // Through a batch norm that almost closes, no output of the layer's own could make the sum's
      // difference.
      if (branch.sum >= 0 && std::abs(reader.factor[o]) > 1e-3f * largest)
        target = (before.at(branch.sum)[at + o] - now.at(branch.other)[at + o] - reader.offset[o]) /
                 reader.factor[o];
    }
  }
  reader.squares.add(x, y);
}

// Adds the reader's inner products of the terms X_c W_cᵀ, weighted by the batch norm's factors, to the
// problem. What it reads of other groups and its bias stay as they are: they are taken off Y.
void add_terms(const Reader& reader, const std::vector<std::vector<int>>& columns,
               const std::vector<int64_t>& others, InnerProducts& problem) {
  const LeastSquares& squares = reader.squares;
  const int64_t width = reader.patches.columns(), outputs = squares.outputs();
  const std::vector<float> weight = reader.weight->variable.value().to_vector<float>();
  const std::vector<float> bias =
      reader.bias != nullptr ? reader.bias->variable.value().to_vector<float>() : std::vector<float>();
  const auto w = [&](int64_t o, int64_t i) {
    return static_cast<double>(i < width ? weight[static_cast<size_t>(o * width + i)]
                                         : bias[static_cast<size_t>(o)]);
  };
  const auto importance = [&](int64_t o) {
    const double factor = reader.factor[static_cast<size_t>(o)];
    return factor * factor;
  };
  const size_t terms = columns.size();
  for (size_t a = 0; a < terms; ++a) {
    for (int i : columns[a]) {
      for (int64_t o = 0; o < outputs; ++o) {
        double left = squares.product(i, o);
        for (int64_t j : others) left -= squares.gram(i, j) * w(o, j);
        problem.product[a] += importance(o) * w(o, i) * left;
      }
      // Σ_o w_oi w_oj of the columns of the other terms.
      for (size_t b = 0; b <= a; ++b)
        for (int j : columns[b]) {
          double both = 0;
          for (int64_t o = 0; o < outputs; ++o) both += importance(o) * w(o, i) * w(o, j);
          problem.gram[a * terms + b] += both * squares.gram(i, j);
        }
    }
  }
}

void normalise(InnerProducts& problem, const std::vector<double>& norms) {
  const size_t terms = problem.terms();
  for (size_t a = 0; a < terms; ++a) {
    const double scale = norms[a] > 0 ? 1 / norms[a] : 0;
    problem.product[a] *= scale;
    for (size_t b = 0; b < terms; ++b) {
      problem.gram[a * terms + b] *= scale;
      problem.gram[b * terms + a] *= scale;
    }
  }
}

}  // namespace

bool can_be_reconstructed(const Network& network, const ChannelGroup& group) {
  return group.prunable && !group.producers.empty() && !group.consumers.empty() &&
         !is_residual(network, group) && std::ranges::all_of(group.consumers, [&](int n) {
           const Network::Node& node = node_of(network, n);
           return node.type == "linear" || (node.type == "conv2d" && node.attributes.value("groups", 1) == 1);
         });
}

Reconstruction reconstruct(Network& original, Network& network, const ChannelGraph& graph, int index,
                           int keep, const Samples& samples, int64_t positions, uint64_t seed) {
  const NoGradient no_gradient;
  const ChannelGroup& group = graph.groups()[static_cast<size_t>(index)];
  std::vector<Reader> readers;
  std::vector<int> wanted_before, wanted_now;
  for (int layer : group.consumers) {
    readers.push_back(make_reader(network, group, layer));
    const Branch& branch = readers.back().branch;
    wanted_before.push_back(layer);
    wanted_now.push_back(node_of(network, layer).inputs[0]);
    if (branch.sum < 0) continue;
    wanted_before.push_back(branch.sum);
    wanted_now.push_back(branch.other);
  }

  RandomStream random(seed, "positions/" + group.name);
  for (const datasets::Batch& batch : samples) {
    const auto before = run(original, batch.images, wanted_before);
    const auto now = run(network, batch.images, wanted_now);
    for (Reader& reader : readers)
      observe(reader, now.at(node_of(network, reader.branch.layer).inputs[0]), before, now,
              batch.labels.numel(), positions, random);
  }

  const auto terms = static_cast<size_t>(group.channels);
  InnerProducts problem{std::vector<double>(terms * terms), std::vector<double>(terms)};
  std::vector<double> squares(terms);
  std::vector<std::vector<std::vector<int>>> columns(readers.size());
  for (size_t r = 0; r < readers.size(); ++r) {
    const Reader& reader = readers[r];
    std::vector<char> other(static_cast<size_t>(reader.squares.inputs()), 1);
    const std::vector<float> weight = reader.weight->variable.value().to_vector<float>();
    for (size_t c = 0; c < terms; ++c) {
      columns[r].push_back(reader.columns(static_cast<int>(c)));
      for (int i : columns[r].back()) {
        other[static_cast<size_t>(i)] = 0;
        for (size_t w = static_cast<size_t>(i); w < weight.size();
             w += static_cast<size_t>(reader.patches.columns()))
          squares[c] += static_cast<double>(weight[w]) * static_cast<double>(weight[w]);
      }
    }
    std::vector<int64_t> others;
    for (int64_t i = 0; i < reader.squares.inputs(); ++i)
      if (other[static_cast<size_t>(i)]) others.push_back(i);
    add_terms(reader, columns[r], others, problem);
  }
  for (size_t a = 0; a < terms; ++a)
    for (size_t b = 0; b < a; ++b) problem.gram[b * terms + a] = problem.gram[a * terms + b];
  for (double& square : squares) square = std::sqrt(square);
  normalise(problem, squares);
  const std::vector<int> kept = lasso_select(problem, static_cast<size_t>(keep));

  Reconstruction result;
  for (int c = 0; c < group.channels; ++c)
    if (!std::ranges::binary_search(kept, c)) result.removal.push_back({index, c});
  for (size_t r = 0; r < readers.size(); ++r) {
    Reader& reader = readers[r];
    const int64_t inputs = reader.squares.inputs(), width = reader.patches.columns();
    std::vector<char> goes(static_cast<size_t>(inputs), 0);
    for (const Candidate& candidate : result.removal)
      for (int i : columns[r][static_cast<size_t>(candidate.channel)]) goes[static_cast<size_t>(i)] = 1;
    std::vector<int64_t> stays;
    for (int64_t i = 0; i < inputs; ++i)
      if (!goes[static_cast<size_t>(i)]) stays.push_back(i);
    const std::vector<double> solution = reader.squares.solve(stays);
    result.error = std::max(result.error, reader.squares.error(solution));
    std::vector<float> weight, bias;
    for (int64_t o = 0; o < reader.squares.outputs(); ++o)
      for (int64_t i = 0; i < inputs; ++i)
        (i < width ? weight : bias)
            .push_back(static_cast<float>(solution[static_cast<size_t>(o * inputs + i)]));
    const Device device = reader.weight->variable.value().device();
    result.parameters[reader.weight->name] = Tensor::from(weight, reader.weight->shape, device);
    if (reader.bias != nullptr)
      result.parameters[reader.bias->name] = Tensor::from(bias, reader.bias->shape, device);
  }
  return result;
}

}  // namespace espalier::pruning
