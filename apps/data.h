#pragma once

namespace CLI {
class App;
}

namespace espalier::apps {

// `espalier data`: commands that prepare data sets.
void add_data(CLI::App& program);

}  // namespace espalier::apps
