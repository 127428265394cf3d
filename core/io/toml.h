#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

namespace espalier {

// Parses a TOML document of at most 1 MiB, nested at most 32 levels by dotted keys and 32 by brackets.
// Untrusted input. Throws Error "<origin>:<line>: what is wrong".
toml::table parse_toml(std::string_view text, const std::string& origin);

}  // namespace espalier
