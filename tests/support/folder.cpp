#include "tests/support/folder.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace espalier::test {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "espalier-test-XXXXXX").string();
  check(::mkdtemp(name.data()) != nullptr, "[test] cannot make a temporary folder like {}", name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace espalier::test
