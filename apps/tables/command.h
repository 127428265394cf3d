#pragma once

#include "apps/common_options.h"

namespace espalier::apps {

// `espalier table`.
void add_table(CLI::App& program, CommonOptions& common);

}  // namespace espalier::apps
