#include "apps/groups.h"

#include <filesystem>

#include "apps/common_options.h"
#include "apps/load.h"
#include "core/error.h"
#include "core/io/file.h"
#include "layers/models.h"
#include "pruning/group_cost.h"

namespace espalier::apps {
namespace {

using layers::Network;
using pruning::ChannelGraph;
using pruning::ChannelGroup;

// All, where they are few.
std::string names(const Network& network, const std::vector<int>& nodes) {
  const auto name = [&](int n) { return network.nodes()[static_cast<size_t>(n)].layer->name(); };
  std::vector<std::string> result;
  for (int n : nodes) result.push_back(name(n));
  return nodes.size() <= 3
             ? fmt::format("{}", fmt::join(result, " "))
             : fmt::format("{} … {} ({} layers)", name(nodes.front()), name(nodes.back()), nodes.size());
}

struct GroupsOptions {
  std::string model, svg;
  std::vector<int64_t> image{32, 32, 3};
  int classes = 10;
  double width = 1;
  PageOptions page;
};

Network network_of(const GroupsOptions& options) {
  if (std::filesystem::exists(options.model)) return load(options.model, Device::cpu).model.network;
  return layers::make_model(
      options.model, {.image = Shape(options.image), .classes = options.classes, .width = options.width});
}

}  // namespace

Page groups_page(const Network& network) {
  const ChannelGraph graph(network);
  TextTable table(
      {"group", "channels", "prunable", "parameters", "FLOPs", "made by", "scaled by", "read by"});
  int prunable = 0, channels = 0;
  for (int g = 0; g < std::ssize(graph.groups()); ++g) {
    const ChannelGroup& group = graph.groups()[static_cast<size_t>(g)];
    const pruning::ChannelCost cost =
        group.prunable ? cost_of_channel(network, graph, g) : pruning::ChannelCost();
    table.add({group.name, grouped(group.channels), group.prunable ? "yes" : "no",
               group.prunable ? grouped(cost.parameters) : "", group.prunable ? grouped(cost.flops) : "",
               names(network, group.producers), names(network, group.norms),
               names(network, group.consumers)});
    prunable += group.prunable ? 1 : 0;
    channels += group.prunable ? group.channels : 0;
  }
  return Page()
      .title(fmt::format("Channel groups of {}", network.name()))
      .paragraph(fmt::format("{} groups, {} of which can be pruned, with {} channels. A channel goes from "
                             "all layers of its group at once; parameters and FLOPs are what the network "
                             "saves with one. {} parameters and {} FLOPs per image in all.",
                             graph.groups().size(), prunable, grouped(channels),
                             grouped(network.parameter_count()), grouped(network.flops())))
      .table(std::move(table));
}

void add_groups(CLI::App& program) {
  auto* app = program.add_subcommand("groups", "Show which channels of a network live and die together");
  app->footer("Example:\n  espalier groups resnet20 --svg resnet20.svg");
  auto options = std::make_shared<GroupsOptions>();
  app->add_option("model", options->model,
                  "a .safetensors or .esp file, or a name, see `espalier list models`")
      ->required();
  app->add_option("--svg", options->svg, "a file for a drawing of the network, coloured by group");
  app->add_option("--image", options->image, "of a model by name: height,width,channels")
      ->delimiter(',')
      ->expected(3)
      ->capture_default_str();
  app->add_option("--classes", options->classes, "likewise")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app->add_option("--width", options->width, "likewise: multiplies the channels of hidden layers")
      ->check(CLI::Range(1e-3, 64.0))
      ->capture_default_str();
  options->page.add_to(*app);
  app->callback([options] {
    const Network network = network_of(*options);
    if (!options->svg.empty()) write_file(options->svg, draw_groups(network));
    options->page.publish(groups_page(network));
  });
}

}  // namespace espalier::apps
