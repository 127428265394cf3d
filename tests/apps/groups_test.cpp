#include "apps/groups.h"

#include "layers/models.h"
#include "pruning/channel_graph.h"
#include "tests/support/catch.h"

using namespace espalier;

namespace {

int64_t count(const std::string& text, const std::string& part) {
  int64_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// Every '<' opens one of the elements that an Svg has, and every element that needs it is closed.
void check_well_formed(const std::string& svg) {
  int64_t elements = 0;
  for (const char* name : {"rect", "path", "circle", "text", "svg"})
    elements += count(svg, fmt::format("<{} ", name));
  CHECK(count(svg, "<") == elements + 1 + count(svg, "</text>") + count(svg, "</svg>"));  // and <?xml
  CHECK(count(svg, "<text ") == count(svg, "</text>"));
  CHECK(svg.ends_with("</svg>\n"));
}

}  // namespace

TEST_CASE("every model of the zoo has its groups printed and drawn") {
  for (const auto& row : layers::models()) {
    INFO(row.name);
    const bool large = row.name == "alexnet" || row.name.find("imagenet") != std::string_view::npos;
    const layers::Network network = layers::make_model(
        std::string(row.name),
        {.image = large ? Shape{224, 224, 3} : Shape{32, 32, 3}, .classes = 10, .width = 0.25});
    const pruning::ChannelGraph graph(network);
    const auto groups = static_cast<int64_t>(graph.groups().size());
    const nlohmann::json page = apps::groups_page(network).json();
    CHECK(page.at("sections")[0].at("tables")[0].at("rows").size() == graph.groups().size());
    const std::string svg = apps::draw_groups(network);
    check_well_formed(svg);
    // The background; two for each box, the image's too; one for each group in the legend.
    CHECK(count(svg, "<rect ") == 1 + 2 * (std::ssize(network.nodes()) + 1) + groups);
    int64_t lines = 0;
    for (const auto& node : network.nodes()) lines += std::ssize(node.inputs);
    CHECK(count(svg, "<path ") == lines);
    for (const auto& group : graph.groups())
      CHECK(svg.find(fmt::format("{}: {}{}<", group.name, group.channels, group.prunable ? "" : ", stay")) !=
            std::string::npos);
  }
}

TEST_CASE("a row says what one channel costs and which layers have it") {
  layers::Network network("hand", {4, 4, 2});
  network.add("conv2d", "conv", {{"channels", 3}, {"kernel", 3}, {"padding", 1}});
  network.add("batch_norm", "norm");
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 5}});
  const auto rows = apps::groups_page(network).json().at("sections")[0].at("tables")[0].at("rows");
  // A filter of 18 weights and a bias, two parameters of the norm, five columns of the linear layer; 18
  // multiply-adds at 16 places and five.
  CHECK(rows[1] == nlohmann::json{"conv", "3", "yes", "26", "293", "conv", "norm", "fc"});
  CHECK(rows[0] == nlohmann::json{"input", "2", "no", "", "", "", "", "conv"});
  CHECK(rows[2] == nlohmann::json{"fc", "5", "no", "", "", "fc", "", ""});
}

TEST_CASE("names that mean something to XML are drawn as they are") {
  layers::Network network("hand", {4, 4, 2});
  network.add("conv2d", "a<b & c>d", {{"channels", 3}, {"kernel", 3}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 5}});
  const std::string svg = apps::draw_groups(network);
  check_well_formed(svg);
  CHECK(svg.find(">a&lt;b &amp; c&gt;d<") != std::string::npos);
}
