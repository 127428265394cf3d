#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// body(row) for all rows; an exponential costs about as much as ten simple operations.
template <typename Body>
void for_each_row(const Shape& shape, Body body) {
  const int64_t chunk = std::max<int64_t>(1, kChunk / 8 / std::max<int64_t>(shape.columns(), 1));
  for_each_chunk(shape.rows(), chunk, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

// The logarithm of a row's softmax is (x - largest) - log_total: in this order large logits keep their
// digits.
struct Normaliser {
  Normaliser(const float* x, int64_t columns) : largest(*std::max_element(x, x + columns)) {
    float total = 0;
    for (int64_t c = 0; c < columns; ++c) total += std::exp(x[c] - largest);
    log_total = std::log(total);
  }
  float log_softmax(float x) const { return (x - largest) - log_total; }

  float largest, log_total;
};

}  // namespace

void CpuBackend::softmax(const Tensor& x, Tensor& y) {
  const int64_t columns = x.shape().columns();
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for_each_row(x.shape(), [=](int64_t r) {
    const float *in = from + r * columns, largest = *std::max_element(in, in + columns);
    float *out = to + r * columns, total = 0;
    for (int64_t c = 0; c < columns; ++c) total += out[c] = std::exp(in[c] - largest);
    for (int64_t c = 0; c < columns; ++c) out[c] /= total;
  });
}

void CpuBackend::softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  const int64_t columns = y.shape().columns();
  const float *output = y.data<float>(), *gradient = dy.data<float>();
  float* to = dx.data<float>();
  for_each_row(y.shape(), [=](int64_t r) {
    const float *out = output + r * columns, *g = gradient + r * columns;
    float dot = 0;
    for (int64_t c = 0; c < columns; ++c) dot += out[c] * g[c];
    for (int64_t c = 0; c < columns; ++c) to[r * columns + c] = out[c] * (g[c] - dot);
  });
}

void CpuBackend::log_softmax(const Tensor& x, Tensor& y) {
  const int64_t columns = x.shape().columns();
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for_each_row(x.shape(), [=](int64_t r) {
    const float* in = from + r * columns;
    const Normaliser normaliser(in, columns);
    for (int64_t c = 0; c < columns; ++c) to[r * columns + c] = normaliser.log_softmax(in[c]);
  });
}

void CpuBackend::log_softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  const int64_t columns = y.shape().columns();
  const float *output = y.data<float>(), *gradient = dy.data<float>();
  float* to = dx.data<float>();
  for_each_row(y.shape(), [=](int64_t r) {
    const float *out = output + r * columns, *g = gradient + r * columns;
    float total = 0;
    for (int64_t c = 0; c < columns; ++c) total += g[c];
    for (int64_t c = 0; c < columns; ++c) to[r * columns + c] = g[c] - std::exp(out[c]) * total;
  });
}

void CpuBackend::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& loss,
                               Tensor& probabilities, Tensor& correct) {
  const int64_t rows = logits.shape().rows(), columns = logits.shape().columns();
  const float* from = logits.data<float>();
  const int32_t* label = labels.data<int32_t>();
  float* to = probabilities.data<float>();
  for (int64_t r = 0; r < rows; ++r)
    check(label[r] >= 0 && label[r] < columns, "[cross_entropy] row {} has label {}, which is not in [0, {})",
          r, label[r], columns);
  Workspace<double> row_losses(rows);
  Workspace<uint8_t> row_hits(rows);
  double* losses = row_losses.data();
  uint8_t* hits = row_hits.data();
  for_each_row(logits.shape(), [=](int64_t r) {
    const float* in = from + r * columns;
    const Normaliser normaliser(in, columns);
    const auto log_probability = [&](int64_t c) {
      return static_cast<double>(normaliser.log_softmax(in[c]));
    };
    double all = 0;
    for (int64_t c = 0; c < columns; ++c) to[r * columns + c] = std::exp(normaliser.log_softmax(in[c]));
    if (smoothing != 0.0)
      for (int64_t c = 0; c < columns; ++c) all += log_probability(c);
    losses[r] =
        -(1.0 - smoothing) * log_probability(label[r]) - smoothing / static_cast<double>(columns) * all;
    hits[r] = std::max_element(in, in + columns) - in == label[r];
  });
  double total = 0;
  int64_t count = 0;
  for (int64_t r = 0; r < rows; ++r) {
    total += losses[r];
    count += hits[r];
  }
  loss.data<float>()[0] = rows > 0 ? static_cast<float>(total / static_cast<double>(rows)) : 0.0f;
  correct.data<int64_t>()[0] = count;
}

void CpuBackend::cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, double smoothing,
                                        const Tensor& dloss, Tensor& dlogits) {
  const int64_t rows = probabilities.shape().rows(), columns = probabilities.shape().columns();
  if (probabilities.numel() == 0) return;
  const float *from = probabilities.data<float>(), factor = dloss.data<float>()[0] / static_cast<float>(rows);
  const auto everywhere = static_cast<float>(smoothing / static_cast<double>(columns));
  const auto own = static_cast<float>(1.0 - smoothing);
  const int32_t* label = labels.data<int32_t>();
  float* to = dlogits.data<float>();
  for_each_row(probabilities.shape(), [=](int64_t r) {
    float* out = to + r * columns;
    for (int64_t c = 0; c < columns; ++c) out[c] = factor * (from[r * columns + c] - everywhere);
    out[label[r]] = factor * (from[r * columns + label[r]] - (own + everywhere));
  });
}

void CpuBackend::add_to_totals(const Tensor& loss, const Tensor& correct, int64_t images, int64_t batch,
                               Tensor& totals) {
  const auto value = static_cast<double>(loss.data<float>()[0]);
  double* to = totals.data<double>();
  to[0] += value * static_cast<double>(images);
  to[1] += static_cast<double>(correct.data<int64_t>()[0]);
  if (std::isfinite(value) || to[2] != 0) return;
  to[2] = static_cast<double>(batch);
  to[3] = value;
}

}  // namespace espalier::cpu
