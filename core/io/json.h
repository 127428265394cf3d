#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

// Compiled once, in json.cpp, and not in every file that uses it.
extern template class nlohmann::basic_json<>;

namespace espalier {

// JSON text from an untrusted file. Throws nlohmann::json::exception for what is not JSON and Error for text
// nested deeper than 16 levels: json copies and prints by recursion, so that nesting without end would
// overflow the stack.
nlohmann::json parse_json(std::string_view text);

}  // namespace espalier
