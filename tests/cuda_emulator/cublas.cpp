#include "tests/cuda_emulator/cublas.h"

#include <cublas_v2.h>

#include <string>

#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/objects.h"
#include "tests/cuda_emulator/rounding.h"
#include "tests/cuda_emulator/stream.h"

namespace espalier::cuda_emulator {
namespace {

struct Cublas {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

Objects<Cublas, cublasHandle_t> handles("cuBLAS handle", CUBLAS_STATUS_NOT_INITIALIZED);

template <typename Body>
cublasStatus_t cublas_call(const char* function, Body&& body) {
  return call(function, CUBLAS_STATUS_INTERNAL_ERROR, std::forward<Body>(body));
}

// C = alpha op(A) op(B) + beta C, column-major, `count` times with a stride.
struct Gemm {
  bool transpose_a, transpose_b;
  int m, n, k;
  float alpha;
  const float* a;
  int lda;
  const float* b;
  int ldb;
  float beta;
  float* c;
  int ldc;
  long long stride_a = 0, stride_b = 0, stride_c = 0;
  int count = 1;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
};

void check_matrix(const char* name, const float* data, int rows, int columns, int ld, long long stride,
                  int count) {
  require(ld >= std::max(1, rows), CUBLAS_STATUS_INVALID_VALUE,
          "{} has {} rows and leading dimension {}; at least {} was due", name, rows, ld, std::max(1, rows));
  require(stride >= 0, CUBLAS_STATUS_INVALID_VALUE, "{} has stride {}; none below 0 is emulated", name,
          stride);
  if (rows == 0 || columns == 0 || count == 0) return;
  const size_t elements = static_cast<size_t>(stride) * static_cast<size_t>(count - 1) +
                          static_cast<size_t>(ld) * static_cast<size_t>(columns - 1) +
                          static_cast<size_t>(rows);
  require_device(data, elements * sizeof(float), CUBLAS_STATUS_INVALID_VALUE, name);
}

void multiply(const Gemm& g) {
  const auto factor = [&g](float x) -> double {
    if (g.compute == CUBLAS_COMPUTE_32F_FAST_16F) return to_float16(x);
    return g.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? to_tf32(x) : x;
  };
  for (int batch = 0; batch < g.count; ++batch) {
    const float* const a = g.a + batch * g.stride_a;
    const float* const b = g.b + batch * g.stride_b;
    float* const c = g.c + batch * g.stride_c;
    for (int64_t column = 0; column < g.n; ++column)
      for (int64_t row = 0; row < g.m; ++row) {
        double sum = 0;
        for (int64_t i = 0; i < g.k; ++i)
          sum += factor(g.transpose_a ? a[i + row * g.lda] : a[row + i * g.lda]) *
                 factor(g.transpose_b ? b[column + i * g.ldb] : b[i + column * g.ldb]);
        float& y = c[row + column * g.ldc];
        y = static_cast<float>(g.alpha * sum + (g.beta == 0.0f ? 0.0 : static_cast<double>(g.beta) * y));
      }
  }
}

bool transposed(cublasOperation_t operation) {
  return operation != CUBLAS_OP_N;
}

void queue(const char* function, cublasHandle_t handle, const Gemm& g) {
  const Cublas& cublas = *handles.at(handle);
  require(g.m >= 0 && g.n >= 0 && g.k >= 0 && g.count >= 0, CUBLAS_STATUS_INVALID_VALUE,
          "m {}, n {}, k {}, {} times; none below 0 was due", g.m, g.n, g.k, g.count);
  check_matrix("A", g.a, g.transpose_a ? g.k : g.m, g.transpose_a ? g.m : g.k, g.lda, g.stride_a, g.count);
  check_matrix("B", g.b, g.transpose_b ? g.n : g.k, g.transpose_b ? g.k : g.n, g.ldb, g.stride_b, g.count);
  check_matrix("C", g.c, g.m, g.n, g.ldc, g.stride_c, g.count);
  require(g.count <= 1 || g.stride_c >= static_cast<long long>(g.ldc) * (g.n - 1) + g.m,
          CUBLAS_STATUS_INVALID_VALUE, "the C of one product overlaps the next: stride {}", g.stride_c);
  if (cublas.workspace)
    require_device(cublas.workspace, cublas.workspace_bytes, CUBLAS_STATUS_INVALID_VALUE, "the workspace");
  enqueue(cublas.stream, function, [g] { multiply(g); });
}

}  // namespace

size_t live_cublas_handles() {
  return handles.size();
}
void forget_cublas() {
  handles.clear();
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return cublas_call("cublasCreate", [&] { *handle = handles.create(); });
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return cublas_call("cublasDestroy", [&] { handles.destroy(handle); });
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return cublas_call("cublasSetStream", [&] {
    stream_at(stream, CUBLAS_STATUS_INVALID_VALUE);
    Cublas& cublas = *handles.at(handle);
    cublas.stream = stream;
    cublas.workspace = nullptr;  // as documented: back to the library's own
  });
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return cublas_call("cublasGetStream", [&] { *stream = handles.at(handle)->stream; });
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  return cublas_call("cublasSetWorkspace", [&] {
    require_device(workspace, bytes, CUBLAS_STATUS_INVALID_VALUE, "the workspace", 256);
    Cublas& cublas = *handles.at(handle);
    cublas.workspace = workspace;
    cublas.workspace_bytes = bytes;
  });
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                              int n, int k, const float* alpha, const float* a, int lda, const float* b,
                              int ldb, const float* beta, float* c, int ldc) {
  return cublas_call("cublasSgemm", [&] {
    queue("cublasSgemm", handle,
          {transposed(op_a), transposed(op_b), m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc});
  });
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k, const float* alpha,
                                         const float* a, int lda, long long stride_a, const float* b, int ldb,
                                         long long stride_b, const float* beta, float* c, int ldc,
                                         long long stride_c, int count) {
  return cublas_call("cublasSgemmStridedBatched", [&] {
    queue("cublasSgemmStridedBatched", handle,
          {transposed(op_a), transposed(op_b), m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc, stride_a,
           stride_b, stride_c, count});
  });
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType type_a, int lda,
                            const void* b, cudaDataType type_b, int ldb, const void* beta, void* c,
                            cudaDataType type_c, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  return cublas_call("cublasGemmEx", [&] {
    const bool float32 = type_a == CUDA_R_32F && type_b == CUDA_R_32F && type_c == CUDA_R_32F &&
                         (compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                          compute == CUBLAS_COMPUTE_32F_FAST_16F || compute == CUBLAS_COMPUTE_32F_PEDANTIC);
    if (!float32) throw Refusal{CUBLAS_STATUS_NOT_SUPPORTED};
    queue("cublasGemmEx", handle,
          {transposed(op_a), transposed(op_b), m, n, k, *static_cast<const float*>(alpha),
           static_cast<const float*>(a), lda, static_cast<const float*>(b), ldb,
           *static_cast<const float*>(beta), static_cast<float*>(c), ldc, 0, 0, 0, 1, compute});
  });
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "a status that the emulator has no name for";
  }
}

const char* cublasGetStatusString(cublasStatus_t status) {
  return cublasGetStatusName(status);
}
