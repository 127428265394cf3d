#include "tests/cuda/emulated.h"

#include <cstdlib>
#include <iostream>
#include <memory>

namespace espalier {
namespace test {
namespace {

std::unique_ptr<cuda::CudaBackend> instance;

// Runs when the tests are done: Catch2 has no place for it that could still fail one.
void check_nothing_left() {
  end_emulated_backend();
  const std::vector<std::string> faults = cuda_emulator::take_faults();
  for (const std::string& fault : faults) std::cerr << fault << "\n";
  const bool left = !(cuda_emulator::live() == cuda_emulator::Live{});
  if (left) std::cerr << "left behind: " << cuda_emulator::to_string(cuda_emulator::live()) << "\n";
  if (!left && faults.empty()) return;
  std::cout.flush();
  std::_Exit(1);
}

}  // namespace

cuda::CudaBackend& emulated_backend() {
  [[maybe_unused]] static const int registered = std::atexit(check_nothing_left);
  if (instance == nullptr) {
    instance = std::make_unique<cuda::CudaBackend>();
    instance->set_precision(Precision::float32);  // as in main.cpp
  }
  return *instance;
}

void end_emulated_backend() {
  instance.reset();
}

void restart_emulation(const cuda_emulator::Options& options) {
  end_emulated_backend();
  cuda_emulator::reset(options);
}

}  // namespace test

Backend& cuda_backend() {
  return test::emulated_backend();
}

}  // namespace espalier
