#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier {

constexpr uint64_t kMaxRecipeBytes = uint64_t{1} << 20;

// Parses a TOML document of at most kMaxRecipeBytes, nested at most 32 levels by dotted keys and 32 by
// brackets. Untrusted input. Throws Error "<origin>:<line>: what is wrong".
toml::table parse_toml(std::string_view text, const std::string& origin);

}  // namespace espalier
