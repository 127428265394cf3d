#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "datasets/dataset.h"

namespace espalier::datasets {

// How far get() is: `bytes` of file `name`'s `total` are there.
using GetProgress = std::function<void(std::string_view name, uint64_t bytes, uint64_t total)>;

// Brings the data set's published files to where load() looks for them below `data_dir`: downloads, checks
// and unpacks what is missing there; what is there is not touched, nor asked for. Files come from `mirror`
// instead of the publisher's address unless it is empty. Returns whether anything was missing. May be stopped
// at any point; the next call goes on from there. Throws Error as download() and unpack() do, and for a data
// set without published files.
bool get(const Source& source, const std::filesystem::path& data_dir, const std::string& mirror = {},
         const GetProgress& progress = {});

}  // namespace espalier::datasets
