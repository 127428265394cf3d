#pragma once

namespace CLI {
class App;
}

namespace espalier::apps {

// `espalier bench` and its subcommands.
void add_bench(CLI::App& program);

}  // namespace espalier::apps
