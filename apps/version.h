#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace espalier::apps {

std::string version();  // "0.1.0"
std::string commit();   // of the source tree when it was configured; "unknown" outside of git
// {"processor", "cores", "threads", "instruction_set"}: where a result was made.
nlohmann::json machine();

}  // namespace espalier::apps
