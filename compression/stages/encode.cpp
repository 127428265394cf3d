#include "compression/model.h"
#include "compression/stages.h"
#include "core/error.h"
#include "core/io/file.h"
#include "training/paths.h"

namespace espalier::compression {

using nlohmann::json;

namespace {

class EncodeStage final : public Stage {
 public:
  explicit EncodeStage(const Config& config)
      : convolution_(static_cast<int>(config.get_integer("index_bits_convolution", 0, 0, 16))),
        linear_(static_cast<int>(config.get_integer("index_bits_linear", 0, 0, 16))) {}

  void run(StageContext& context) override {
    const EspEncoded encoded = encode_esp(to_esp(context.model, convolution_, linear_));
    const auto path = paths::compressed(context.folder);
    write_file(path, encoded.bytes);

    // What counts is what the file says: the stages after this one, and the accuracy in the report, use the
    // decoded model.
    Model decoded = load_esp(path, context.model.device());
    decoded.masks = context.model.masks;
    decoded.codebooks = context.model.codebooks;
    context.model = std::move(decoded);
    json tensors = json::array();
    for (const EspTensorSize& size : encoded.sizes) tensors.push_back(to_json(size));
    const auto dense = 4 * context.model.network.parameter_count();
    context.metrics["compressed"] = {
        {"bytes", encoded.bytes.size()},
        {"dense_bytes", dense},
        {"ratio", static_cast<double>(dense) / static_cast<double>(encoded.bytes.size())},
        {"tensors", tensors}};
    context.reporter.line(fmt::format(
        "{} bytes in {}; {:.1f} times smaller than {} bytes of float32 weights", encoded.bytes.size(),
        path.string(), static_cast<double>(dense) / static_cast<double>(encoded.bytes.size()), dense));
  }

 private:
  int convolution_, linear_;
};

}  // namespace

const StageRow kEncodeStage = {
    "encode",
    "write model.esp with Huffman codes and go on with what it decodes to: index_bits_convolution, "
    "index_bits_linear (0: the smallest)",
    make_stage<EncodeStage>};

}  // namespace espalier::compression
