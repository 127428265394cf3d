#include <algorithm>
#include <set>

#include "apps/inspect.h"
#include "apps/tables/table.h"
#include "apps/text_table.h"
#include "core/error.h"

namespace espalier::apps {

using nlohmann::json;

namespace {

constexpr const char* kBits[] = {"weight_bits", "index_bits", "huffman_weight_bits", "huffman_index_bits"};

// Han, Mao & Dally, ICLR 2016, tables 1 to 3. Layers by our names, and all of them together.
struct PublishedLayer {
  std::string_view name, density, weight_bits, index_bits, quantized, huffman;
};
struct Published {
  std::string_view model, title, reference_error, compressed_error, ratio;
  std::vector<PublishedLayer> layers;
  PublishedLayer total;
};

const std::vector<Published>& published() {
  static const std::vector<Published> kPublished = {
      {"lenet_300_100",
       "LeNet-300-100",
       "1.64 %",
       "1.58 %",
       "40x",
       {{"fc1.weight", "8 %", "6 / 4.4", "5 / 3.7", "3.1 %", "2.32 %"},
        {"fc2.weight", "9 %", "6 / 4.4", "5 / 4.3", "3.8 %", "3.04 %"},
        {"fc3.weight", "26 %", "6 / 4.3", "5 / 3.2", "15.7 %", "12.70 %"}},
       {"total", "8 %", "6 / 5.1", "5 / 3.7", "3.1 %", "2.49 %"}},
      {"lenet5",
       "LeNet-5",
       "0.80 %",
       "0.74 %",
       "39x",
       {{"conv1.weight", "66 %", "8 / 7.2", "5 / 1.5", "78.5 %", "67.45 %"},
        {"conv2.weight", "12 %", "8 / 7.2", "5 / 3.9", "6.0 %", "5.28 %"},
        {"fc1.weight", "8 %", "5 / 4.5", "5 / 4.5", "2.7 %", "2.45 %"},
        {"fc2.weight", "19 %", "5 / 5.2", "5 / 3.7", "6.9 %", "6.13 %"}},
       {"total", "8 %", "5.3 / 4.1", "5 / 4.4", "3.05 %", "2.55 %"}},
  };
  return kPublished;
}

const json& compressed_stage(const json& summary) {
  for (const json& stage : summary.at("stages"))
    if (stage.contains("compressed")) return stage;
  fail("[table] the run '{}' with seed {} has no encode stage", summary.at("recipe").get<std::string>(),
       summary.at("seed").get<int64_t>());
}

const json& tensor_of(const json& run, std::string_view name) {
  const json& tensors = compressed_stage(run).at("compressed").at("tensors");
  const auto tensor =
      std::ranges::find_if(tensors, [&](const json& each) { return each.at("name") == name; });
  check(tensor != tensors.end(), "[table] the run '{}' with seed {} has no tensor '{}'",
        run.at("recipe").get<std::string>(), run.at("seed").get<int64_t>(), name);
  return *tensor;
}

// The paper's layers as if they were one tensor: counts and bytes add up, bits are means over the entries.
json total_of(const json& run, const Published& paper) {
  json total = json::object();
  const auto add = [&](const char* key, double value) { total[key] = total.value(key, 0.0) + value; };
  for (const PublishedLayer& layer : paper.layers) {
    const json& tensor = tensor_of(run, layer.name);
    for (const char* key : {"nonzeros", "weights", "entries", "codebook_bytes", "section_bytes"})
      add(key, tensor.at(key));
    for (const char* key : kBits) add(key, tensor.at(key).get<double>() * tensor.at("entries").get<double>());
  }
  for (const char* key : kBits)
    total[key] = total.at(key).get<double>() / std::max(1.0, total.at("entries").get<double>());
  return total;
}

double error_of(const json& stage) {
  return 1 - stage.at("accuracy").get<double>();
}

void render(const Published& paper, const std::vector<json>& runs, Page& page) {
  TextTable totals({"seed", "reference error", "compressed error", "dense bytes", "file bytes", "ratio"});
  totals.add({"paper", std::string(paper.reference_error), std::string(paper.compressed_error), "", "",
              std::string(paper.ratio)});
  double dense_error = 0, error = 0, bytes = 0, dense_bytes = 0;
  for (const json& run : runs) {
    const json& stage = compressed_stage(run);
    const json& size = stage.at("compressed");
    const double first = error_of(run.at("stages").front()), last = error_of(stage);
    totals.add({std::to_string(run.at("seed").get<int64_t>()), percent(first), percent(last),
                grouped(size.at("dense_bytes")), grouped(size.at("bytes")),
                fmt::format("{:.1f}x", size.at("ratio").get<double>())});
    dense_error += first;
    error += last;
    bytes += size.at("bytes").get<double>();
    dense_bytes += size.at("dense_bytes").get<double>();
  }
  const auto count = static_cast<double>(runs.size());
  totals.add({"mean", percent(dense_error / count), percent(error / count),
              grouped(std::llround(dense_bytes / count)), grouped(std::llround(bytes / count)),
              fmt::format("{:.1f}x", dense_bytes / bytes)});

  TextTable layers({"weight", "density", "paper", "weight bits P+Q / +H", "paper", "index bits P+Q / +H",
                    "paper", "P+Q", "paper", "P+Q+H", "paper"});
  const auto add = [&](const PublishedLayer& layer, const auto& tensor_in) {
    double density = 0, weight_bits = 0, weight_huffman = 0, index_bits = 0, index_huffman = 0, quantized = 0,
           huffman = 0;
    for (const json& run : runs) {
      const json tensor = tensor_in(run);
      density += tensor.at("nonzeros").get<double>() / tensor.at("weights").get<double>() / count;
      weight_bits += tensor.at("weight_bits").get<double>() / count;
      weight_huffman += tensor.at("huffman_weight_bits").get<double>() / count;
      index_bits += tensor.at("index_bits").get<double>() / count;
      index_huffman += tensor.at("huffman_index_bits").get<double>() / count;
      const CompressionRates rates = compression_rates(tensor);
      quantized += rates.quantized / count;
      huffman += rates.huffman / count;
    }
    const auto cell = [](std::string_view text) { return std::string(text); };
    layers.add({cell(layer.name), percent(density, 1), cell(layer.density),
                fmt::format("{:.1f} / {:.1f}", weight_bits, weight_huffman), cell(layer.weight_bits),
                fmt::format("{:.1f} / {:.1f}", index_bits, index_huffman), cell(layer.index_bits),
                percent(quantized, 2), cell(layer.quantized), percent(huffman, 2), cell(layer.huffman)});
  };
  for (const PublishedLayer& layer : paper.layers)
    add(layer, [&](const json& run) { return tensor_of(run, layer.name); });
  add(paper.total, [&](const json& run) { return total_of(run, paper); });
  const json& machine = runs.front().at("machine");
  std::vector<std::string> commits;
  for (const json& run : runs)
    if (std::ranges::find(commits, run.at("commit").get<std::string>()) == commits.end())
      commits.push_back(run.at("commit"));
  page.heading(fmt::format("{} on {}", paper.title, runs.front().at("data").get<std::string>()))
      .table(std::move(totals))
      .paragraph("Mean over the seeds, layer by layer and of these layers together:")
      .table(std::move(layers))
      .paragraph(fmt::format("Recipe `{}`, commit {}, {}, {} threads.",
                             runs.front().at("recipe").get<std::string>(), fmt::join(commits, ", "),
                             machine.at("processor").get<std::string>(), machine.at("threads").get<int>()));
}

}  // namespace

std::vector<TableRun> deep_compression_runs() {
  return {{"deep-compression/lenet-300-100", "", "deep-compression/lenet-300-100"},
          {"deep-compression/lenet-5", "", "deep-compression/lenet-5"}};
}

Page deep_compression_table(const std::vector<json>& summaries) {
  Page page;
  page.title("Deep Compression")
      .paragraph(
          "Written by `espalier table deep-compression` from the `summary.json` of each run. \"Paper\" is "
          "Han, Mao & Dally, ICLR 2016, tables 1 to 3. A ratio is 4 bytes for each of the dense network's "
          "parameters over the bytes of the whole `.esp` file: headers, network description, codebooks, "
          "Huffman tables, biases and checksums included. P+Q counts codes, gaps and codebook before Huffman "
          "coding; P+Q+H is the layer's whole section of the file. The columns \"P+Q / +H\" are bits per "
          "stored entry before and after Huffman coding. The width of a gap is the one whose Huffman-coded "
          "section is smallest; P+Q charges it in full, so it is above what a width chosen for P+Q would "
          "give.");
  for (const Published& paper : published()) {
    std::vector<json> runs;
    for (const json& summary : summaries)
      if (summary.at("model") == paper.model) runs.push_back(summary);
    check_alike(runs);
    sort_by_seed(runs);
    if (!runs.empty()) render(paper, runs, page);
  }
  return page;
}

}  // namespace espalier::apps
