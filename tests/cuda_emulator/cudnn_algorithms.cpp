#include <algorithm>
#include <cstring>

#include "tests/cuda_emulator/cudnn_convolution.h"

namespace espalier::cuda_emulator {

std::vector<Algorithm> algorithms(Direction direction, const Geometry& g) {
  const size_t filter = static_cast<size_t>(g.w.extent()) * sizeof(float);
  const size_t pixels = static_cast<size_t>(g.y.h) * static_cast<size_t>(g.y.w);
  const size_t columns = static_cast<size_t>(g.w.c * g.w.h * g.w.w) * pixels * sizeof(float);
  const bool planes = g.w.format == CUDNN_TENSOR_NCHW && g.convolution.groups == 1;
  std::vector<Algorithm> rows;
  int count = 0;
  switch (direction) {
    case Direction::forward:
      rows = {{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, true, true, pixels * sizeof(int), 1.0f},
              {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, true, true, 0, 2.0f},
              {CUDNN_CONVOLUTION_FWD_ALGO_GEMM, planes, true, columns, 3.0f}};
      count = CUDNN_CONVOLUTION_FWD_ALGO_COUNT;
      break;
    case Direction::backward_data:
      rows = {{CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, true, false, 0, 1.0f},
              {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, true, true, filter, 2.0f}};
      count = CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT;
      break;
    case Direction::backward_filter:
      rows = {{CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, true, false, 2 * filter, 1.0f},
              {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, true, true, filter, 2.0f},
              {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, true, false, 0, 3.0f}};
      count = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT;
      break;
  }
  for (int number = 0; number < count; ++number)
    if (std::none_of(rows.begin(), rows.end(), [&](const Algorithm& row) { return row.number == number; }))
      rows.push_back({number, false, true, 0, -1.0f});
  std::stable_partition(rows.begin(), rows.end(), [](const Algorithm& row) { return row.supported; });
  return rows;
}

Algorithm algorithm(Direction direction, const Geometry& g, int number) {
  for (const Algorithm& row : algorithms(direction, g))
    if (row.number == number && row.supported) return row;
  throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
}

namespace {

// Fills in cuDNN's table. An algorithm that needs more than `workspace` bytes has no time to show.
template <typename Row>
void write_table(Direction direction, const Geometry& g, size_t workspace, int requested, int* returned,
                 Row* table) {
  require(requested > 0, CUDNN_STATUS_BAD_PARAM, "{} algorithms were asked for", requested);
  std::vector<Algorithm> rows = algorithms(direction, g);
  const auto fits = [&](const Algorithm& row) { return row.supported && row.workspace <= workspace; };
  std::stable_partition(rows.begin(), rows.end(), fits);
  *returned = std::min(requested, static_cast<int>(rows.size()));
  for (int i = 0; i < *returned; ++i) {
    const Algorithm& row = rows[static_cast<size_t>(i)];
    table[i] = {};
    table[i].algo = static_cast<decltype(table[i].algo)>(row.number);
    table[i].status = fits(row)       ? CUDNN_STATUS_SUCCESS
                      : row.supported ? CUDNN_STATUS_ALLOC_FAILED
                                      : CUDNN_STATUS_NOT_SUPPORTED;
    table[i].time = fits(row) ? row.time : -1.0f;
    table[i].memory = row.workspace;
    table[i].determinism = row.deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
    table[i].mathType = g.convolution.math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
                            ? CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
                            : CUDNN_DEFAULT_MATH;
  }
}

// A search runs the algorithms: it waits for the stream, and what it wrote last stays in the output.
void try_out(cudnnHandle_t handle, const char* function, float* written, const Layout& layout,
             void* workspace, size_t bytes) {
  if (bytes > 0) require_device(workspace, bytes, CUDNN_STATUS_BAD_PARAM, "the workspace", 16);
  run_until(enqueue(handle_at(handle).stream, function, [=] {
    for_each_index(layout, [&](int n, int c, int h, int w) {
      std::memset(written + layout.at(n, c, h, w), kFill, sizeof(float));
    });
    if (bytes > 0) std::memset(workspace, kFill, bytes);
  }));
}

constexpr size_t kUnlimited = ~size_t{0};

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

// --- the three heuristics, which take any workspace ------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                     cudnnFilterDescriptor_t w,
                                                     cudnnConvolutionDescriptor_t cv,
                                                     cudnnTensorDescriptor_t y, int requested, int* returned,
                                                     cudnnConvolutionFwdAlgoPerf_t* table) {
  return cudnn_call("cudnnGetConvolutionForwardAlgorithm_v7", [&] {
    handle_at(handle);
    write_table(Direction::forward, geometry(x, w, cv, y), kUnlimited, requested, returned, table);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t handle, cudnnFilterDescriptor_t w,
                                                          cudnnTensorDescriptor_t dy,
                                                          cudnnConvolutionDescriptor_t cv,
                                                          cudnnTensorDescriptor_t dx, int requested,
                                                          int* returned,
                                                          cudnnConvolutionBwdDataAlgoPerf_t* table) {
  return cudnn_call("cudnnGetConvolutionBackwardDataAlgorithm_v7", [&] {
    handle_at(handle);
    write_table(Direction::backward_data, geometry(dx, w, cv, dy), kUnlimited, requested, returned, table);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                            cudnnTensorDescriptor_t dy,
                                                            cudnnConvolutionDescriptor_t cv,
                                                            cudnnFilterDescriptor_t dw, int requested,
                                                            int* returned,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t* table) {
  return cudnn_call("cudnnGetConvolutionBackwardFilterAlgorithm_v7", [&] {
    handle_at(handle);
    write_table(Direction::backward_filter, geometry(x, dw, cv, dy), kUnlimited, requested, returned, table);
  });
}

// --- the three searches ----------------------------------------------------------------------------------

cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_descriptor, const void* x,
    cudnnFilterDescriptor_t w_descriptor, const void* w, cudnnConvolutionDescriptor_t cv,
    cudnnTensorDescriptor_t y_descriptor, void* y, int requested, int* returned,
    cudnnConvolutionFwdAlgoPerf_t* table, void* workspace, size_t bytes) {
  return cudnn_call("cudnnFindConvolutionForwardAlgorithmEx", [&] {
    const Geometry g = geometry(x_descriptor, w_descriptor, cv, y_descriptor);
    input(x, g.x, "x");
    input(w, g.w, "w");
    try_out(handle, "cudnnFindConvolutionForwardAlgorithmEx", output(y, g.y, "y"), g.y, workspace, bytes);
    write_table(Direction::forward, g, bytes, requested, returned, table);
  });
}

cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(
    cudnnHandle_t handle, cudnnFilterDescriptor_t w_descriptor, const void* w,
    cudnnTensorDescriptor_t dy_descriptor, const void* dy, cudnnConvolutionDescriptor_t cv,
    cudnnTensorDescriptor_t dx_descriptor, void* dx, int requested, int* returned,
    cudnnConvolutionBwdDataAlgoPerf_t* table, void* workspace, size_t bytes) {
  return cudnn_call("cudnnFindConvolutionBackwardDataAlgorithmEx", [&] {
    const Geometry g = geometry(dx_descriptor, w_descriptor, cv, dy_descriptor);
    input(w, g.w, "w");
    input(dy, g.y, "dy");
    try_out(handle, "cudnnFindConvolutionBackwardDataAlgorithmEx", output(dx, g.x, "dx"), g.x, workspace,
            bytes);
    write_table(Direction::backward_data, g, bytes, requested, returned, table);
  });
}

cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_descriptor, const void* x,
    cudnnTensorDescriptor_t dy_descriptor, const void* dy, cudnnConvolutionDescriptor_t cv,
    cudnnFilterDescriptor_t dw_descriptor, void* dw, int requested, int* returned,
    cudnnConvolutionBwdFilterAlgoPerf_t* table, void* workspace, size_t bytes) {
  return cudnn_call("cudnnFindConvolutionBackwardFilterAlgorithmEx", [&] {
    const Geometry g = geometry(x_descriptor, dw_descriptor, cv, dy_descriptor);
    input(x, g.x, "x");
    input(dy, g.y, "dy");
    try_out(handle, "cudnnFindConvolutionBackwardFilterAlgorithmEx", output(dw, g.w, "dw"), g.w, workspace,
            bytes);
    write_table(Direction::backward_filter, g, bytes, requested, returned, table);
  });
}

// --- what the algorithms need ----------------------------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                      cudnnFilterDescriptor_t w,
                                                      cudnnConvolutionDescriptor_t cv,
                                                      cudnnTensorDescriptor_t y,
                                                      cudnnConvolutionFwdAlgo_t number, size_t* bytes) {
  return cudnn_call("cudnnGetConvolutionForwardWorkspaceSize", [&] {
    handle_at(handle);
    *bytes = algorithm(Direction::forward, geometry(x, w, cv, y), number).workspace;
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle, cudnnFilterDescriptor_t w,
                                                           cudnnTensorDescriptor_t dy,
                                                           cudnnConvolutionDescriptor_t cv,
                                                           cudnnTensorDescriptor_t dx,
                                                           cudnnConvolutionBwdDataAlgo_t number,
                                                           size_t* bytes) {
  return cudnn_call("cudnnGetConvolutionBackwardDataWorkspaceSize", [&] {
    handle_at(handle);
    *bytes = algorithm(Direction::backward_data, geometry(dx, w, cv, dy), number).workspace;
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                             cudnnTensorDescriptor_t dy,
                                                             cudnnConvolutionDescriptor_t cv,
                                                             cudnnFilterDescriptor_t dw,
                                                             cudnnConvolutionBwdFilterAlgo_t number,
                                                             size_t* bytes) {
  return cudnn_call("cudnnGetConvolutionBackwardFilterWorkspaceSize", [&] {
    handle_at(handle);
    *bytes = algorithm(Direction::backward_filter, geometry(x, dw, cv, dy), number).workspace;
  });
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t, int* count) {
  *count = CUDNN_CONVOLUTION_FWD_ALGO_COUNT;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t, int* count) {
  *count = CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t, int* count) {
  *count = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT;
  return CUDNN_STATUS_SUCCESS;
}
