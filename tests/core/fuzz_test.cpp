#include "tests/support/fuzz.h"

#include "core/config.h"
#include "core/io/safetensors.h"
#include "tests/support/catch.h"

namespace espalier {
namespace {

// A node of toml++ takes 70 to 200 bytes, a short inline table in an array about 95 bytes for each of its
// characters.
constexpr size_t kRecipeFactor = 128;

TEST_CASE("a damaged safetensors file is read or is an Error, in bounded memory", "[fuzz]") {
  TensorFile file;
  file.tensors["layer1.weight"] = Tensor::from<float>(std::vector<float>(36, 0.5f), {2, 3, 3, 2});
  file.tensors["layer1.bias"] = Tensor::from<float>(std::vector<float>{1, 2}, {2});
  file.tensors["mask"] = Tensor::from<uint8_t>(std::vector<uint8_t>(36, 1), {36});
  file.tensors["steps"] = Tensor::from<int64_t>(std::vector<int64_t>{123}, {});
  file.metadata = {{"network", "lenet"}, {"step", "17"}};
  const std::string bytes = encode_safetensors(file);
  test::fuzz(std::as_bytes(std::span(bytes)), 16, [](auto damaged) {
    const TensorFile read = decode_safetensors(damaged, "fuzz");
    for (const auto& [name, tensor] : read.tensors) static_cast<void>(tensor.bytes());
  });
}

TEST_CASE("a damaged recipe is read or is an Error, in bounded memory", "[fuzz]") {
  const std::string recipe = R"(name = "fuzz"
seed = 7

[data]
name = "fashion-mnist"
mean = [0.2860, 0.5]

[[stage]]
type = "train"
epochs = 2
optimizer = { kind = "sgd", momentum = 0.9 }

[[stage]]
type = "prune"
schedule.final = 0.8
)";
  test::fuzz(std::as_bytes(std::span(recipe)), kRecipeFactor, [](auto damaged) {
    const std::string_view text(reinterpret_cast<const char*>(damaged.data()), damaged.size());
    const Config root = Config::from_text(text, "fuzz");
    root.get_string("name");
    root.get_integer("seed", {}, 0);
    root.table("data").get_numbers("mean");
    for (const Config& stage : root.tables("stage")) {
      stage.get_choice("type", {"train", "prune"});
      stage.get_integer("epochs", 1, 1);
      stage.table("optimizer", false).get_number("momentum", 0.0, 0.0, 1.0);
      stage.table("schedule", false).get_number("final", 0.0, 0.0, 1.0);
      stage.finish();
    }
    root.to_text();
  });
}

TEST_CASE("the densest recipes of the greatest size are read in bounded memory") {
  for (const std::string unit : {"1,", "[],", "{},", "'',", "{a.a.a.a.a.a.a.a.a.a=1},"}) {
    std::string text = "a=[";
    while (text.size() + unit.size() < (1 << 20)) text += unit;
    text += "]";
    const test::AllocationMeter meter;
    CHECK(Config::from_text(text, "dense").keys().size() == 1);
    CHECK(meter.peak() <= kRecipeFactor * text.size());
  }
}

}  // namespace
}  // namespace espalier
