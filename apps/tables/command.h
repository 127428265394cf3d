#pragma once

namespace CLI {
class App;
}

namespace espalier::apps {

struct CommonOptions;

// `espalier table`.
void add_table(CLI::App& program, CommonOptions& common);

}  // namespace espalier::apps
