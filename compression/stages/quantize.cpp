#include <cmath>

#include "compression/quantize/kmeans.h"
#include "compression/stages.h"
#include "core/error.h"
#include "training/layer_values.h"
#include "training/shared_weights.h"
#include "training/trainer.h"

namespace espalier::compression {
namespace {

class QuantizeStage final : public Stage {
 public:
  explicit QuantizeStage(const Config& config)
      : bits_(static_cast<int>(config.get_integer("bits", 5, 1, 16))),
        initialisation_(centroid_initialisation_from_name(
            config.get_choice("initialisation", {"linear", "density", "random"}, "linear"))),
        train_(read_train_options(config, 0)) {
    const Config layers = config.table("layers", false);
    for (const std::string& layer : layers.keys())
      layer_bits_[layer] = static_cast<int>(layers.get_integer(layer, {}, 1, 16));
  }

  void check(const layers::Network& network, const datasets::Split& data) const override {
    static_cast<void>(weight_values(network, layer_bits_, bits_, "quantize"));
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    Model& model = context.model;
    for (const auto& [weight, bits] : weight_values(model.network, layer_bits_, bits_, "quantize"))
      share(context, *weight, bits);
    { SharedWeights materialise(model); }
    if (train_.epochs > 0) train(context, train_);
  }

 private:
  // Clusters the weights that the mask keeps; a pruned weight has code -1 and stays zero.
  void share(StageContext& context, const Parameter& weight, int bits) const {
    const std::vector<float> values = weight.variable.value().to_vector<float>();
    std::vector<uint8_t> keep(values.size(), 1);
    if (const auto mask = context.model.masks.find(weight.name); mask != context.model.masks.end())
      keep = mask->second.to_vector<uint8_t>();
    std::vector<float> survivors;
    for (size_t i = 0; i < values.size(); ++i)
      if (keep[i] != 0) survivors.push_back(values[i]);
    espalier::check(!survivors.empty(), "[quantize] '{}' has no weights left to share", weight.name);

    const KMeansResult clusters = kmeans(
        survivors, {.clusters = 1 << bits, .initialisation = initialisation_, .seed = context.stage_seed()});
    std::vector<int32_t> codes(values.size(), -1);
    auto next = clusters.codes.begin();
    for (size_t i = 0; i < codes.size(); ++i)
      if (keep[i] != 0) codes[i] = *next++;
    const Device device = weight.variable.value().device();
    context.model.codebooks[weight.name] = {
        .centroids =
            Tensor::from(clusters.centroids, {static_cast<int64_t>(clusters.centroids.size())}, device),
        .codes = Tensor::from(codes, weight.shape, device)};
    context.metrics["quantized"][weight.name] = {
        {"bits", bits},
        {"centroids", clusters.centroids.size()},
        {"rms_error",
         std::sqrt(clusters.within_cluster_sum_of_squares / static_cast<double>(survivors.size()))}};
    context.reporter.line(fmt::format("{}: {} weights share {} values ({} iterations)", weight.name,
                                      survivors.size(), clusters.centroids.size(), clusters.iterations));
  }

  int bits_;
  CentroidInitialisation initialisation_;
  TrainOptions train_;
  std::map<std::string, int> layer_bits_;
};

}  // namespace

const StageRow kQuantizeStage = {
    "quantize",
    "share weights by k-means and train the centroids: bits, layers {name = bits}, initialisation (linear, "
    "density, random), and the keys of train",
    make_stage<QuantizeStage>};

}  // namespace espalier::compression
