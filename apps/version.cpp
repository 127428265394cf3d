#include "apps/version.h"

#include <commit.h>  // made by apps/commit.cmake
#include <omp.h>

#include <fstream>
#include <thread>

#include "core/cpu/instruction_set.h"

namespace espalier::apps {

std::string version() {
  return ESPALIER_VERSION;
}
std::string commit() {
  return ESPALIER_COMMIT;
}

nlohmann::json machine() {
  std::string processor = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    processor = line.substr(line.find(':') + 2);
    break;
  }
  return {{"processor", processor},
          {"cores", std::thread::hardware_concurrency()},
          {"threads", omp_get_max_threads()},
          {"instruction_set", cpu::instruction_set()}};
}

}  // namespace espalier::apps
