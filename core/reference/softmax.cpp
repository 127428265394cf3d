#include <algorithm>
#include <cmath>

#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {
namespace {

// The logarithm of a row's softmax is (x - largest) - log_total: in this order large logits keep their
// digits.
template <typename T>
struct Normaliser {
  Normaliser(const T* x, int64_t columns) : largest(*std::max_element(x, x + columns)) {
    T total = 0;
    for (int64_t c = 0; c < columns; ++c) total += std::exp(x[c] - largest);
    log_total = std::log(total);
  }
  T log_softmax(T x) const { return (x - largest) - log_total; }

  T largest, log_total;
};

}  // namespace

void ReferenceBackend::softmax(const Tensor& x, Tensor& y) {
  log_softmax(x, y);
  dispatch(y, [&]<typename T>(T) {
    for (T& element : y.host<T>()) element = std::exp(element);
  });
}

void ReferenceBackend::softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  dispatch(y, [&]<typename T>(T) {
    const int64_t columns = y.shape().columns();
    for (int64_t r = 0; r < y.shape().rows(); ++r) {
      const T *output = y.data<T>() + r * columns, *gradient = dy.data<T>() + r * columns;
      T dot = 0;
      for (int64_t c = 0; c < columns; ++c) dot += output[c] * gradient[c];
      for (int64_t c = 0; c < columns; ++c) dx.data<T>()[r * columns + c] = output[c] * (gradient[c] - dot);
    }
  });
}

void ReferenceBackend::log_softmax(const Tensor& x, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const int64_t columns = x.shape().columns();
    for (int64_t r = 0; r < x.shape().rows(); ++r) {
      const T* from = x.data<T>() + r * columns;
      const Normaliser<T> normaliser(from, columns);
      for (int64_t c = 0; c < columns; ++c) y.data<T>()[r * columns + c] = normaliser.log_softmax(from[c]);
    }
  });
}

void ReferenceBackend::log_softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  dispatch(y, [&]<typename T>(T) {
    const int64_t columns = y.shape().columns();
    for (int64_t r = 0; r < y.shape().rows(); ++r) {
      const T *output = y.data<T>() + r * columns, *gradient = dy.data<T>() + r * columns;
      T total = 0;
      for (int64_t c = 0; c < columns; ++c) total += gradient[c];
      for (int64_t c = 0; c < columns; ++c)
        dx.data<T>()[r * columns + c] = gradient[c] - std::exp(output[c]) * total;
    }
  });
}

void ReferenceBackend::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing,
                                     Tensor& loss, Tensor& probabilities, Tensor& correct) {
  dispatch(logits, [&]<typename T>(T) {
    const int64_t rows = logits.shape().rows(), columns = logits.shape().columns();
    double total = 0;
    int64_t hits = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t label = labels.data<int32_t>()[r];
      check(label >= 0 && label < columns, "[cross_entropy] row {} has label {}, which is not in [0, {})", r,
            label, columns);
      const T* from = logits.data<T>() + r * columns;
      const Normaliser<T> normaliser(from, columns);
      for (int64_t c = 0; c < columns; ++c) {
        const double target = (c == label ? 1.0 - smoothing : 0.0) + smoothing / static_cast<double>(columns);
        if (target != 0.0) total -= target * static_cast<double>(normaliser.log_softmax(from[c]));
        probabilities.data<T>()[r * columns + c] = std::exp(normaliser.log_softmax(from[c]));
      }
      hits += std::max_element(from, from + columns) - from == label;
    }
    loss.data<T>()[0] = rows > 0 ? static_cast<T>(total / static_cast<double>(rows)) : T{0};
    correct.data<int64_t>()[0] = hits;
  });
}

void ReferenceBackend::cross_entropy_backward(const Tensor& probabilities, const Tensor& labels,
                                              double smoothing, const Tensor& dloss, Tensor& dlogits) {
  dispatch(probabilities, [&]<typename T>(T) {
    const int64_t rows = probabilities.shape().rows(), columns = probabilities.shape().columns();
    for (int64_t i = 0; i < probabilities.numel(); ++i) {
      const bool own = labels.data<int32_t>()[i / columns] == i % columns;
      const double target = (own ? 1.0 - smoothing : 0.0) + smoothing / static_cast<double>(columns);
      dlogits.data<T>()[i] =
          dloss.data<T>()[0] * (probabilities.data<T>()[i] - static_cast<T>(target)) / static_cast<T>(rows);
    }
  });
}

void ReferenceBackend::add_to_totals(const Tensor& loss, const Tensor& correct, int64_t images, int64_t batch,
                                     Tensor& totals) {
  const double value = loss.item();
  double* to = totals.data<double>();
  to[0] += value * static_cast<double>(images);
  to[1] += correct.item();
  if (std::isfinite(value) || to[2] != 0) return;
  to[2] = static_cast<double>(batch);
  to[3] = value;
}

}  // namespace espalier::reference
