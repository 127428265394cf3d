#include "interchange/checkpoint.h"

#include "core/io/safetensors.h"
#include "interchange/mapping.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"

namespace espalier::interchange {
namespace {

using test::golden_network;
using test::golden_path;

// What the golden images give: PyTorch's logits.
void check_logits(layers::Network& network, double tolerance) {
  const NoGradient no_gradient;
  const nlohmann::json golden = test::read_golden("interchange.json");
  const Variable images(Tensor::from(golden["images"].get<std::vector<float>>(), {5, 6, 6, 2}));
  const Tensor logits = network.forward(images, {}).value();
  test::check_close(logits, Tensor::from(golden["logits"].get<std::vector<float>>(), {5, 4}), tolerance);
}

std::vector<std::byte> pickled(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
constexpr std::string_view kLegacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

TEST_CASE("PyTorch's zip and legacy checkpoints and .npz compute PyTorch's logits") {
  for (const std::string file : {"interchange-zip.pt", "interchange-legacy.pt", "interchange.npz"}) {
    INFO(file);
    auto network = golden_network();
    const Filled filled = fill_network(read_checkpoint(golden_path(file)), network, file);
    CHECK(filled.prefix == (file == "interchange-legacy.pt" ? "module." : ""));
    CHECK(filled.ignored == std::vector<std::string>{filled.prefix + "bn1.num_batches_tracked"});
    check_logits(network, 1e-5);
  }
}

TEST_CASE("what stands beside a checkpoint's tensors is listed") {
  CHECK(read_checkpoint(golden_path("interchange-legacy.pt")).ignored ==
        std::vector<std::string>{"best_prec1"});
}

TEST_CASE("halves, doubles, parameters and transposed views are read as float32 in row-major order") {
  const Checkpoint plain = read_checkpoint(golden_path("interchange-zip.pt"));
  const Checkpoint strange = read_checkpoint(golden_path("interchange-legacy.pt"));
  for (const std::string name : {"fc.weight", "fc.bias", "conv1.weight"}) {
    INFO(name);
    CHECK(test::identical(plain.tensors.at(name), strange.tensors.at("module." + name)));
  }
}

TEST_CASE("a network exported under PyTorch's layouts comes back to the same bits") {
  auto network = golden_network();
  fill_network(read_checkpoint(golden_path("interchange-zip.pt")), network, "zip");
  const test::TemporaryFolder folder;
  write_safetensors(folder / "torch.safetensors", {torch_state(network), {}});

  const Checkpoint exported = read_checkpoint(folder / "torch.safetensors");
  const Checkpoint original = read_checkpoint(golden_path("interchange-zip.pt"));
  CHECK(exported.tensors.size() == original.tensors.size() - 1);  // but for the counter
  for (const auto& [name, tensor] : exported.tensors)
    CHECK(test::identical(tensor, original.tensors.at(name)));

  auto again = golden_network();
  fill_network(exported, again, "torch.safetensors");
  for (const auto& [name, tensor] : again.state()) CHECK(test::identical(tensor, network.state().at(name)));
}

TEST_CASE("every tensor unused, missing or misshapen is in the error") {
  Checkpoint checkpoint = read_checkpoint(golden_path("interchange-zip.pt"));
  checkpoint.tensors.erase("bn1.running_var");
  checkpoint.tensors["extra"] = Tensor::zeros({3});
  checkpoint.tensors["fc.bias"] = Tensor::zeros({5});
  auto network = golden_network();
  const auto fill = [&] { return fill_network(checkpoint, network, "x.pt"); };
  CHECK_ERROR(fill(), "x.pt: the tensors do not fit 'golden'");
  CHECK_ERROR(fill(), "'bn1.running_var' (3) is missing");
  CHECK_ERROR(fill(), "'extra' (3) is unused");
  CHECK_ERROR(fill(), "'fc.bias' is float32 (5), expected float32 (4)");
}

TEST_CASE("rules rename and leave out tensors, a name standing for what continues it") {
  const Checkpoint original = read_checkpoint(golden_path("interchange-zip.pt"));
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : original.tensors) {
    if (name.starts_with("conv1."))
      checkpoint.tensors["stem.conv." + name.substr(6)] = tensor;
    else if (name.starts_with("bn1."))
      checkpoint.tensors["stem.norm." + name.substr(4)] = tensor;
    else
      checkpoint.tensors[name] = tensor;
  }
  checkpoint.tensors["head.extra.weight"] = Tensor::zeros({3});
  const test::TemporaryFolder folder;
  write_file(folder / "rules.toml", R"(
ignore = ["head.extra"]
[rename]
"stem" = "bn1"
"stem.norm" = "bn1"
"stem.conv" = "conv1"
)");
  const NameRules rules = read_name_rules(folder / "rules.toml");
  auto network = golden_network();
  const Filled filled = fill_network(checkpoint, network, "x.pt", rules);
  CHECK(filled.ignored == std::vector<std::string>{"head.extra.weight", "stem.norm.num_batches_tracked"});
  check_logits(network, 1e-5);

  CHECK_ERROR(fill_network(checkpoint, network, "x.pt", {.rename = rules.rename, .ignore = {"head.ext"}}),
              "'head.extra.weight' (3) is unused");
  NameRules twice = rules;
  twice.rename["head.extra"] = "fc";
  twice.ignore.clear();
  CHECK_ERROR(fill_network(checkpoint, network, "x.pt", twice),
              "'head.extra.weight' is 'fc.weight', which came already");
  write_file(folder / "rules.toml", "[rename]\nconv1 = 3\n");
  CHECK_ERROR(read_name_rules(folder / "rules.toml"), "rename.conv1 is 3; expected a string");
}

TEST_CASE("a class that is not a tensor's is named and refused") {
  CHECK_ERROR(read_checkpoint(golden_path("interchange-class.pt")), "class 'collections.Counter'");
}

TEST_CASE("code in a pickle is refused before it is reached") {
  const auto decode = [](const std::string& pickle) {
    return decode_checkpoint(pickled(std::string(kLegacyMagic) + pickle), "evil.pt");
  };
  CHECK_ERROR(decode("\x80\x02"
                     "cposix\nsystem\nX\x02\x00\x00\x00id\x85R."),
              "evil.pt: [pickle] class 'posix.system'");
  CHECK_ERROR(decode("\x80\x02i"), "opcode 0x69");
  CHECK_ERROR(decode("\x80\x04"), "protocol 4");
}

TEST_CASE("tensors as PyTorch 0.3 wrote them are read") {
  // What pickle.dumps gives for {"w": _rebuild_tensor(storage of 2, 0, (2,), (1,))}, protocol 2, without its
  // memo.
  using namespace std::string_literals;
  const std::string checkpoint =
      "\x80\x02}U\x01wctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x01"
      "0U\x03"
      "cpuK\x02Nt"
      "QK\x00K\x02\x85K\x01\x85tRs."s;
  const std::string protocol = "\x80\x02M\xe9\x03."s, system = "\x80\x02}."s,
                    keys =
                        "\x80\x02]U\x01"
                        "0a."s;
  const std::string storage = "\x02\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\xc0"s;  // 2 elements: 1 and -2
  const auto bytes = pickled(std::string(kLegacyMagic) + protocol + system + checkpoint + keys + storage);
  CHECK(decode_checkpoint(bytes, "old.th").tensors.at("w").to_vector<float>() == std::vector<float>{1, -2});
}

TEST_CASE("a pickle nested a million deep is an Error, not a crash") {
  CHECK_ERROR(
      decode_checkpoint(pickled(std::string(kLegacyMagic) + ")" + std::string(1 << 21, '\x85')), "deep.pt"),
      "more than 1048576 values");
}

}  // namespace
}  // namespace espalier::interchange
