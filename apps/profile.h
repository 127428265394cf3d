#pragma once

#include <filesystem>
#include <string>

#include "core/profile.h"

namespace espalier::apps {

// A row per operation, or per operation of a layer, the costliest first: calls, milliseconds, share of the
// time from the first scope's beginning to the last one's end, mean microseconds. A scope's time is its own:
// what passed in scopes within it is theirs. The last rows are what no scope of the busiest thread covers
// ("elsewhere") and the total.
std::string profile_table(const profile::Recording& recording, bool by_layer);

// Writes the recording in Chrome's trace format (complete events, in microseconds), whole or not at all.
void write_trace(const std::filesystem::path& file, const profile::Recording& recording);

}  // namespace espalier::apps
