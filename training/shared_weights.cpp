#include "training/shared_weights.h"

#include "core/ops.h"

namespace espalier {

SharedWeights::SharedWeights(Model& model) : model_(model) {
  for (auto& [name, codebook] : model.codebooks)
    shared_.push_back({&model.network.parameter(name), &codebook, Variable(codebook.centroids, true)});
}

SharedWeights::~SharedWeights() {
  try {
    materialise();
  } catch (const std::exception&) {
    // Out of memory: the error that unwinds is the one to tell of, and the model goes with it.
  }
}

std::vector<Parameter> SharedWeights::parameters() const {
  std::vector<Parameter> result;
  for (const Parameter* parameter : model_.network.parameters()) {
    Parameter trained = *parameter;
    for (const Shared& shared : shared_)
      if (shared.weight == parameter)
        trained = {.name = centroids_of(parameter->name),
                   .kind = parameter->kind,
                   .shape = shared.centroids.shape(),
                   .variable = shared.centroids};
    result.push_back(std::move(trained));
  }
  return result;
}

void SharedWeights::bind() {
  for (Shared& shared : shared_)
    shared.weight->variable = ops::gather(shared.centroids, shared.codebook->codes);
}

void SharedWeights::materialise() {
  const NoGradient no_gradient;
  for (Shared& shared : shared_) {
    shared.codebook->centroids =
        shared.centroids.value();  // whoever averages weights puts another tensor there
    shared.weight->variable = Variable(ops::gather(shared.centroids, shared.codebook->codes).value(), true);
  }
}

}  // namespace espalier
