#include <algorithm>
#include <set>

#include "apps/groups.h"
#include "apps/svg.h"
#include "pruning/channel_graph.h"

namespace espalier::apps {
namespace {

using layers::Network;
using pruning::ChannelGraph;
using pruning::ChannelGroup;

constexpr double kWidth = 190, kHeight = 38, kColumn = 250, kRow = 62, kMargin = 30, kLegend = 230;

struct Place {
  int row = 0, column = 0;
  double x() const { return kLegend + kMargin + column * kColumn; }
  double y() const { return kMargin + row * kRow; }
};

// By node, the image first: a row below all that is read, in the column of the first of these where it is
// free.
std::vector<Place> places_of(const Network& network) {
  std::vector<Place> places(1);
  std::set<std::pair<int, int>> taken{{0, 0}};
  for (const auto& node : network.nodes()) {
    Place place;
    for (int input : node.inputs)
      place.row = std::max(place.row, places[static_cast<size_t>(input + 1)].row + 1);
    place.column = places[static_cast<size_t>(node.inputs.front() + 1)].column;
    // A branch that came to an end leaves its column free again.
    for (int input : node.inputs)
      place.column = std::min(place.column, places[static_cast<size_t>(input + 1)].column);
    while (taken.contains({place.row, place.column})) ++place.column;
    taken.insert({place.row, place.column});
    places.push_back(place);
  }
  return places;
}

std::string colour_of(const ChannelGraph& graph, int group) {
  const auto index = static_cast<size_t>(group);
  return graph.groups()[index].prunable ? Svg::colour(index) : "#9a9a9a";
}

std::string colour_of_node(const ChannelGraph& graph, int node) {
  const int group = graph.candidate(node, 0).group;
  for (int64_t c = 1; c < graph.channels(node); ++c)
    if (graph.candidate(node, c).group != group) return "#000000";
  return colour_of(graph, group);
}

void draw_line(Svg& svg, const Place& from, const Place& to, const std::string& colour) {
  const double x1 = from.x() + kWidth / 2, y1 = from.y() + kHeight, x2 = to.x() + kWidth / 2, y2 = to.y();
  if (to.row == from.row + 1 || from.column != to.column) {
    svg.path(fmt::format("M{} {}C{} {},{} {},{} {}", x1, y1, x1, y1 + kRow / 2, x2, y2 - kRow / 2, x2, y2),
             colour);
    return;
  }
  // Past the boxes in between, along their right side.
  const double side = from.x() + kWidth + 8 + std::min(24.0, 3.0 * (to.row - from.row));
  svg.path(fmt::format("M{} {}C{} {},{} {},{} {}L{} {}C{} {},{} {},{} {}", x1, y1, x1, y1 + 12, side, y1 + 4,
                       side, y1 + 20, side, y2 - 20, side, y2 - 4, x2, y2 - 12, x2, y2),
           colour);
}

void draw_legend(Svg& svg, const ChannelGraph& graph) {
  double y = kMargin;
  svg.text(kMargin, y, "Groups of channels", 13, true);
  for (int g = 0; g < std::ssize(graph.groups()); ++g) {
    const ChannelGroup& group = graph.groups()[static_cast<size_t>(g)];
    y += 18;
    svg.rectangle(kMargin, y - 10, 12, 12, colour_of(graph, g), colour_of(graph, g));
    svg.text(kMargin + 18, y,
             fmt::format("{}: {}{}", group.name, group.channels, group.prunable ? "" : ", stay"), 11, false);
  }
}

}  // namespace

std::string draw_groups(const Network& network) {
  const ChannelGraph graph(network);
  const std::vector<Place> places = places_of(network);
  double width = 0, height = 2 * kMargin + 18 * static_cast<double>(graph.groups().size() + 1);
  for (const Place& place : places) {
    width = std::max(width, place.x() + kWidth + 2 * kMargin);
    height = std::max(height, place.y() + kHeight + kMargin);
  }
  Svg svg(width, height);
  for (size_t n = 0; n < network.nodes().size(); ++n)
    for (int input : network.nodes()[n].inputs)
      draw_line(svg, places[static_cast<size_t>(input + 1)], places[n + 1], colour_of_node(graph, input));
  for (int n = -1; n < std::ssize(network.nodes()); ++n) {
    const Place& place = places[static_cast<size_t>(n + 1)];
    const bool is_image = n < 0;
    const auto* node = is_image ? nullptr : &network.nodes()[static_cast<size_t>(n)];
    const Shape shape = is_image ? network.image() : node->output;
    const std::vector<int64_t> sizes(shape.begin() + (is_image ? 0 : 1), shape.end());
    svg.rectangle(place.x(), place.y(), kWidth, kHeight, "#ffffff", "#444444");
    svg.rectangle(place.x(), place.y(), 7, kHeight, colour_of_node(graph, n), "none");
    svg.text(place.x() + 14, place.y() + 15, is_image ? "image" : node->layer->name(), 12, true);
    svg.text(place.x() + 14, place.y() + 30,
             fmt::format("{} {}", is_image ? "" : node->type, fmt::join(sizes, " x ")), 11, false);
  }
  draw_legend(svg, graph);
  return svg.document();
}

}  // namespace espalier::apps
