#include "apps/bench/peer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "core/error.h"

namespace espalier::apps {

bool can_import(const std::string& python, const std::string& module) {
  return std::system(fmt::format("'{}' -c 'import {}' >/dev/null 2>&1", python, module).c_str()) == 0;
}

double peer_figure(const std::string& python, const std::string& script, const std::string& arguments) {
  const std::string line = fmt::format("'{}' '{}/{}' {}", python, ESPALIER_BENCH_DIR, script, arguments);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(line.c_str(), "r"), pclose);
  check(pipe != nullptr, "[bench] cannot start {}", python);
  double result = 0;
  char text[256];
  while (std::fgets(text, sizeof text, pipe.get()) != nullptr) result = std::strtod(text, nullptr);
  return result;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace espalier::apps
