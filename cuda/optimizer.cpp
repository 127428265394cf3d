#include "cuda/kernels/optimizer.h"

#include <cmath>
#include <vector>

#include "cuda/cuda_backend.h"

namespace espalier::cuda {
namespace {

const uint8_t* mask_data(const Tensor* mask) {
  return mask == nullptr ? nullptr : mask->data<uint8_t>();
}

template <typename Row>
kernels::Pieces<Row> send(Table<Row>& table, const std::vector<Row>& rows) {
  const int64_t total = rows.empty() ? 0 : rows.back().end;
  return {.rows = table.send(rows), .count = static_cast<int>(rows.size()), .total = total};
}

}  // namespace

void CudaBackend::sgd_step(std::span<const SgdUpdate> updates, const SgdOptions& options) {
  std::vector<kernels::SgdRow> rows;
  int64_t end = 0;
  for (const SgdUpdate& update : updates)
    rows.push_back({.weight = update.weight->data<float>(),
                    .momentum = update.momentum == nullptr ? nullptr : update.momentum->data<float>(),
                    .gradient = update.gradient->data<float>(),
                    .mask = mask_data(update.mask),
                    .decay = static_cast<float>(update.weight_decay),
                    .end = end += update.weight->numel()});
  check_cuda(kernels::sgd_step(send(sgd_table_, rows),
                               {.rate = static_cast<float>(options.learning_rate),
                                .factor = static_cast<float>(options.gradient_factor),
                                .inertia = static_cast<float>(options.momentum),
                                .nesterov = options.nesterov},
                               stream_),
             "sgd_step");
}

void CudaBackend::adam_step(std::span<const AdamUpdate> updates, const AdamOptions& options) {
  std::vector<kernels::AdamRow> rows;
  int64_t end = 0;
  for (const AdamUpdate& update : updates)
    rows.push_back({.weight = update.weight->data<float>(),
                    .first = update.first_moment->data<float>(),
                    .second = update.second_moment->data<float>(),
                    .gradient = update.gradient->data<float>(),
                    .mask = mask_data(update.mask),
                    .decay = static_cast<float>(options.decoupled ? 0.0 : update.weight_decay),
                    .keep = static_cast<float>(
                        options.decoupled ? 1.0 - options.learning_rate * update.weight_decay : 1.0),
                    .end = end += update.weight->numel()});
  const auto step = static_cast<double>(options.step);
  check_cuda(kernels::adam_step(
                 send(adam_table_, rows),
                 {.rate = static_cast<float>(options.learning_rate / (1.0 - std::pow(options.beta1, step))),
                  .factor = static_cast<float>(options.gradient_factor),
                  .beta1 = static_cast<float>(options.beta1),
                  .beta2 = static_cast<float>(options.beta2),
                  .epsilon = static_cast<float>(options.epsilon),
                  .correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step)))},
                 stream_),
             "adam_step");
}

void CudaBackend::sum_of_squares(std::span<const MaskedGradient> gradients, Tensor& y) {
  std::vector<kernels::SquaresRow> rows;
  int64_t end = 0;
  for (const auto& [gradient, mask] : gradients)
    rows.push_back({.x = gradient->data<float>(), .mask = mask_data(mask), .end = end += gradient->numel()});
  const kernels::Pieces<kernels::SquaresRow> pieces = send(squares_table_, rows);
  const auto parts = workspace(kernels::sum_of_squares_workspace(pieces));
  check_cuda(kernels::sum_of_squares(pieces, y.data<float>(), parts.data(), stream_), "sum_of_squares");
}

void CudaBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  check_cuda(kernels::apply_mask(weight.data<float>(), mask.data<uint8_t>(), weight.numel(), stream_),
             "apply_mask");
}

}  // namespace espalier::cuda
