#pragma once

namespace CLI {
class App;
}

namespace espalier::apps {

// espalier predict: the likeliest classes of image files.
void add_predict(CLI::App& program);

}  // namespace espalier::apps
