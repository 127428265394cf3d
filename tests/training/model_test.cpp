#include "training/model.h"

#include "core/io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"
#include "tests/support/stage_run.h"

namespace espalier::test {
namespace {

constexpr const char* kPruned = "fc1.weight";
constexpr const char* kShared = "fc2.weight";

Model constrained() {
  Model model = small_model();
  Tensor& pruned = model.network.parameter(kPruned).variable.value();
  model.masks[kPruned] = random_mask(pruned.shape(), 1, 0.3, Device::cpu);
  pruned.backend().apply_mask(pruned, model.masks[kPruned]);
  Tensor& shared = model.network.parameter(kShared).variable.value();
  model.codebooks[kShared] = {.centroids = random_tensor({4}, 2, DType::float32, Device::cpu),
                              .codes = random_integers(shared.shape(), 3, -1, 4, Device::cpu)};
  shared.backend().gather(model.codebooks[kShared].centroids, model.codebooks[kShared].codes, shared);
  return model;
}

TEST_CASE("a model comes back from its folder bit by bit") {
  const TemporaryFolder folder;
  Model model = constrained();
  save_model(folder.path(), model);
  Model loaded = load_model(folder.path(), Device::cpu);
  CHECK(loaded.network.description() == model.network.description());
  check_identical(loaded.network.state(), model.network.state());
  check_identical(pack_constraints(loaded), pack_constraints(model));
  CHECK(loaded.nonzeros() == model.nonzeros());
  CHECK(loaded.device() == Device::cpu);
}

TEST_CASE("nonzeros count every parameter that is not exactly zero") {
  Model model = small_model();
  const int64_t biases_at_zero = 4 + 4 + 24 + 10;
  CHECK(model.nonzeros() == model.network.parameter_count() - biases_at_zero);
  Tensor& weight = model.network.parameter(kShared).variable.value();
  weight.fill(0.0);
  CHECK(model.nonzeros() == model.network.parameter_count() - biases_at_zero - 240);
}

TEST_CASE("a model without constraints leaves its network alone") {
  const TemporaryFolder folder;
  Model model = small_model();
  save_model(folder.path(), model);
  CHECK_FALSE(std::filesystem::exists(paths::masks(folder.path())));
  CHECK_FALSE(std::filesystem::exists(paths::codebooks(folder.path())));
  CHECK(load_model(folder.path(), Device::cpu).masks.empty());
}

TEST_CASE("a model that was saved again without its constraints has none") {
  const TemporaryFolder folder;
  Model model = constrained();
  save_model(folder.path(), model);
  model.masks.clear();
  model.codebooks.clear();
  model.network.parameter(kPruned).variable.value().fill(1.0);
  save_model(folder.path(), model);
  const Model loaded = load_model(folder.path(), Device::cpu);
  CHECK(loaded.masks.empty());
  CHECK(loaded.codebooks.empty());
}

TEST_CASE("constraints that do not fit the network or its weights are errors") {
  const TemporaryFolder folder;
  const auto broken = [&](const std::function<void(Model&)>& damage) {
    Model model = constrained();
    damage(model);
    save_model(folder.path(), model);
    load_model(folder.path(), Device::cpu);
  };
  const auto fill = [](Tensor& tensor, double value) { tensor.fill(value); };
  broken([](Model&) {});
  CHECK_ERROR(broken([](Model& m) { m.masks["fc9.weight"] = Tensor::zeros({2}, DType::uint8); }),
              "fc9.weight");
  CHECK_ERROR(broken([](Model& m) { m.masks[kPruned] = Tensor::full({2}, 1, DType::uint8); }),
              "does not fit its parameter");
  CHECK_ERROR(broken([&](Model& m) { fill(m.masks[kPruned], 2); }), "under a mask of 2");
  CHECK_ERROR(broken([&](Model& m) { fill(m.network.parameter(kPruned).variable.value(), 1); }),
              "is 1 under a mask of 0");
  CHECK_ERROR(broken([&](Model& m) { fill(m.codebooks[kShared].codes, 4); }),
              "code 4 of 'fc2.weight'; expected -1 to 3");
  CHECK_ERROR(broken([&](Model& m) { fill(m.codebooks[kShared].codes, -2); }), "code -2 of");
  CHECK_ERROR(broken([&](Model& m) { fill(m.codebooks[kShared].centroids, 9); }), "its code stands for 9");
  CHECK_ERROR(broken([](Model& m) {
                m.codebooks[kShared].centroids = Tensor::zeros({2, 2});
              }),
              "does not fit");
  CHECK_ERROR(broken([](Model& m) { m.codebooks[kShared].codes = Tensor::zeros({24}, DType::int32); }),
              "does not fit");

  Model model = constrained();
  save_model(folder.path(), model);
  auto codebooks = read_safetensors(paths::codebooks(folder.path()));
  codebooks.tensors["code/fc2.weight"] = Tensor::zeros({1});
  write_safetensors(paths::codebooks(folder.path()), codebooks);
  CHECK_ERROR(load_model(folder.path(), Device::cpu), "other tensors");
  codebooks.tensors.erase("code/fc2.weight");
  codebooks.tensors.erase("centroids/fc2.weight");
  write_safetensors(paths::codebooks(folder.path()), codebooks);
  CHECK_ERROR(load_model(folder.path(), Device::cpu),
              "the codebook of 'fc2.weight' lacks its codes or centroids");
}

TEST_CASE("files that are missing, foreign or of no parameters are errors that name them") {
  const TemporaryFolder folder;
  CHECK_ERROR(load_model(folder.path(), Device::cpu), paths::model(folder.path()).string());
  write_safetensors(paths::model(folder.path()), {{{"w", Tensor::zeros({2})}}, {}});
  CHECK_ERROR(load_model(folder.path(), Device::cpu), "no network description");
  layers::Network bare("bare", {1, 1, 3});
  bare.add("flatten", "flatten");
  write_safetensors(paths::model(folder.path()), {{}, {{"espalier.network", bare.description()}}});
  Model model = load_model(folder.path(), Device::cpu);
  CHECK_ERROR(model.device(), "network 'bare' has no parameters");
}

TEST_CASE("damaged model files end in an error or a model", "[fuzz]") {
  const TemporaryFolder folder;
  Model model = constrained();
  save_model(folder.path(), model);
  int refused = 0;
  for (const auto& path :
       {paths::model(folder.path()), paths::masks(folder.path()), paths::codebooks(folder.path())}) {
    const std::vector<std::byte> whole = read_file(path);
    for (uint64_t seed = 0; seed < 200; ++seed) {
      write_file(path, mutate(whole, seed));
      try {
        load_model(folder.path(), Device::cpu);
      } catch (const Error&) {
        ++refused;
      }
    }
    write_file(path, whole);
  }
  CHECK(refused > 300);
  load_model(folder.path(), Device::cpu);
}

}  // namespace
}  // namespace espalier::test
