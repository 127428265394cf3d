#pragma once

#include <string>
#include <vector>

namespace espalier::apps {

// The other side of a benchmark: a script in apps/bench/ that prints its figure last.

bool can_import(const std::string& python, const std::string& module);
// Runs `script` with `arguments`, as a shell's words; 0 when it prints no figure.
double peer_figure(const std::string& python, const std::string& script, const std::string& arguments);

// REQUIRES: not empty.
double median(std::vector<double> values);

}  // namespace espalier::apps
