#pragma once

#include "apps/page.h"
#include "pruning/sensitivity.h"

namespace CLI {
class App;
}

namespace espalier::apps {

struct CommonOptions;

// `espalier sensitivity`: accuracy against the share of channels that goes, group by group.
void add_sensitivity(CLI::App& program, CommonOptions& common);

Page sensitivity_page(const pruning::Sensitivity& sensitivity, double loss, const std::string& what);
// A line for each group, as an SVG document.
std::string draw_sensitivity(const pruning::Sensitivity& sensitivity, const std::string& title);
// A recipe that prunes each group by the share suggested and trains what is left.
std::string sensitivity_recipe(const pruning::Sensitivity& sensitivity, double loss, const std::string& model,
                               const std::string& data, const std::string& criterion);

}  // namespace espalier::apps
