#include "apps/inspect.h"

#include <algorithm>

#include "apps/report.h"
#include "apps/text_table.h"
#include "compression/model.h"

namespace espalier::apps {

using nlohmann::json;

CompressionRates compression_rates(const json& tensor) {
  const double entries = tensor.at("entries"), dense = 32.0 * tensor.at("weights").get<double>();
  const double index = tensor.at("index_bits"), weight = tensor.at("weight_bits");
  return {.pruned = entries * (32 + index) / dense,
          .quantized = (entries * (weight + index) + 8 * tensor.at("codebook_bytes").get<double>()) / dense,
          .huffman = 8 * tensor.at("section_bytes").get<double>() / dense};
}

json inspect(LoadedModel& loaded) {
  layers::Network& network = loaded.model.network;
  json layers = json::array();
  for (const auto& node : network.nodes()) {
    json layer = {{"name", node.layer->name()},
                  {"type", node.type},
                  {"output", std::vector<int64_t>(node.output.begin() + 1, node.output.end())},
                  {"flops", network.flops(node)},
                  {"tensors", json::array()}};
    for (const Parameter& parameter : node.layer->parameters()) {
      const std::vector<float> values = parameter.variable.value().to_vector<float>();
      const auto nonzeros = std::ranges::count_if(values, [](float value) { return value != 0; });
      json tensor = {
          {"name", parameter.name},
          {"shape", std::vector<int64_t>(parameter.shape.begin(), parameter.shape.end())},
          {"parameters", parameter.shape.numel()},
          {"nonzeros", nonzeros},
          {"density", static_cast<double>(nonzeros) / static_cast<double>(parameter.shape.numel())}};
      const auto size = std::ranges::find(loaded.sizes, parameter.name, &compression::EspTensorSize::name);
      if (size != loaded.sizes.end()) {
        tensor.update(compression::to_json(*size));
        const CompressionRates rates = compression_rates(tensor);
        tensor["rates"] = {{"P", rates.pruned}, {"P+Q", rates.quantized}, {"P+Q+H", rates.huffman}};
      }
      layer["tensors"].push_back(std::move(tensor));
    }
    layers.push_back(std::move(layer));
  }
  return {{"network", network.name()},
          {"compressed", loaded.compressed},
          {"bytes", loaded.bytes},
          {"parameters", network.parameter_count()},
          {"nonzeros", loaded.model.nonzeros()},
          {"flops", network.flops()},
          {"ratio", 4.0 * static_cast<double>(network.parameter_count()) / static_cast<double>(loaded.bytes)},
          {"layers", layers}};
}

std::string inspect_text(const json& inspected) {
  const bool compressed = inspected.at("compressed");
  std::vector<std::string> header = {"tensor", "shape", "parameters", "nonzeros", "density", "FLOPs"};
  for (const char* name : {"weight bits", "index bits", "bytes", "P", "P+Q", "P+Q+H"})
    if (compressed) header.emplace_back(name);
  if (!compressed) header.emplace_back("bytes");
  TextTable table(header);
  for (const json& layer : inspected.at("layers")) {
    bool first = true;
    for (const json& tensor : layer.at("tensors")) {
      const int64_t parameters = tensor.at("parameters");
      std::vector<std::string> row = {
          tensor.at("name"),
          fmt::format("{}", fmt::join(tensor.at("shape").get<std::vector<int64_t>>(), "x")),
          grouped(parameters),
          grouped(tensor.at("nonzeros")),
          percent(tensor.at("density"), 1),
          first ? grouped(layer.at("flops")) : ""};
      if (!compressed) {
        row.push_back(grouped(4 * parameters));
      } else {
        const auto bits = [&](const char* plain, const char* huffman) {
          const double coded = tensor.at(huffman);
          return coded > 0 ? fmt::format("{}/{:.1f}", tensor.at(plain).get<int>(), coded)
                           : fmt::format("{}", tensor.at(plain).get<int>());
        };
        row.push_back(bits("weight_bits", "huffman_weight_bits"));
        row.push_back(bits("index_bits", "huffman_index_bits"));
        row.push_back(grouped(tensor.at("section_bytes")));
        for (const char* stage : {"P", "P+Q", "P+Q+H"})
          row.push_back(percent(tensor.at("rates").at(stage), 1));
      }
      table.add(std::move(row));
      first = false;
    }
  }
  return fmt::format(
      "{}\n{}: {} parameters, {} nonzeros, {} FLOPs per image, {} bytes on disk ({:.1f}x smaller than "
      "float32)\n",
      table.text(), inspected.at("network").get<std::string>(), grouped(inspected.at("parameters")),
      grouped(inspected.at("nonzeros")), grouped(inspected.at("flops")), grouped(inspected.at("bytes")),
      inspected.at("ratio").get<double>());
}

json savings(const LoadedModel& before, const LoadedModel& after, Device device) {
  const json speed = measure_speed(after.model.network, before.model.network, device);
  const auto side = [](const LoadedModel& loaded, const json& milliseconds) {
    return json{{"parameters", loaded.model.network.parameter_count()},
                {"flops", loaded.model.network.flops()},
                {"bytes", loaded.bytes},
                {"milliseconds", milliseconds}};
  };
  return {{"batch_size", speed.at("batch_size")},
          {"before", side(before, speed.at("first_milliseconds"))},
          {"after", side(after, speed.at("milliseconds"))}};
}

std::string savings_text(const json& savings) {
  TextTable table({"", "parameters", "FLOPs", "bytes", "milliseconds"});
  const auto row = [&](const std::string& name, const json& side) {
    table.add({name, grouped(side.at("parameters")), grouped(side.at("flops")), grouped(side.at("bytes")),
               fmt::format("{:.2f}", side.at("milliseconds").get<double>())});
  };
  const json &before = savings.at("before"), &after = savings.at("after");
  row("before", before);
  row("after", after);
  std::vector<std::string> saved = {"saved"};
  for (const char* key : {"parameters", "flops", "bytes", "milliseconds"})
    saved.push_back(percent(1 - after.at(key).get<double>() / before.at(key).get<double>(), 1));
  table.add(std::move(saved));
  return fmt::format("{}\nMilliseconds: a batch of {} images in inference, both networks in turn.\n",
                     table.text(), savings.at("batch_size").get<int64_t>());
}

}  // namespace espalier::apps
