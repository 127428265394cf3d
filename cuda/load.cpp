#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "core/backend.h"
#include "core/error.h"
#include "cuda/library.h"

// Device::cuda is a library of its own, loaded when first asked for, so that one program serves machines with
// and without CUDA.
namespace espalier {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libespalier_cuda.so";

[[noreturn]] void unusable(std::string_view reason) {
  constexpr std::string_view kPrefix = "[backend] ";
  if (reason.starts_with(kPrefix)) reason.remove_prefix(kPrefix.size());
  fail("[backend] no usable CUDA device: {}; run with --device cpu", reason);
}

// Beside the program, in the lib/ beside its folder, or where the system's loader looks.
void* open_library() {
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& path :
       {folder / kLibrary, folder.parent_path() / "lib" / kLibrary, fs::path(kLibrary)}) {
    if (path.has_parent_path() && !fs::exists(path, ignored)) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    if (path.has_parent_path()) unusable(dlerror());
  }
  const std::string reason = dlerror();
  unusable(
      reason.find(kLibrary) == std::string::npos || reason.find("No such file") == std::string::npos
          ? reason
          : fmt::format("{} is neither beside the program nor in ../lib nor on the loader's path", kLibrary));
}

template <typename Function>
Function* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) unusable(dlerror());
  return reinterpret_cast<Function*>(found);
}

Backend& load() {
  void* library = open_library();  // never closed: the backend lives until the process ends
  const std::string version = symbol<decltype(espalier_cuda_version)>(library, "espalier_cuda_version")();
  if (version != ESPALIER_VERSION)
    unusable(
        fmt::format("{} is of version {}, this program of version {}", kLibrary, version, ESPALIER_VERSION));
  try {
    return *symbol<decltype(espalier_make_cuda_backend)>(library, "espalier_make_cuda_backend")();
  } catch (const Error& error) {
    unusable(error.what());
  }
}

}  // namespace

Backend& cuda_backend() {
  static Backend& instance = load();
  return instance;
}

}  // namespace espalier
