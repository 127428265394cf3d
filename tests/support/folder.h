#pragma once

#include <filesystem>

namespace espalier::test {

// An empty folder of its own, removed with all it holds at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& inner) const { return path_ / inner; }

 private:
  std::filesystem::path path_;
};

}  // namespace espalier::test
