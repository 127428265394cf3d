#pragma once

#include <vector>

#include "training/model.h"

namespace espalier {

// While this lives, each weight with a codebook is a function of its centroids: bind() before a forward pass
// makes it gather(centroids, codes), so that backward() sums the gradients of the weights that share a value.
// The destructor leaves plain weights and the trained centroids in the model.
class SharedWeights {
 public:
  explicit SharedWeights(Model& model);
  ~SharedWeights();
  SharedWeights(const SharedWeights&) = delete;
  SharedWeights& operator=(const SharedWeights&) = delete;

  static std::string centroids_of(const std::string& weight) { return weight + ".centroids"; }
  // What to train: the network's parameters, with centroids_of(weight) in the place of each shared weight.
  std::vector<Parameter> parameters() const;
  void bind();
  // Plain weights that equal centroids[codes], as outside of training; bind() again to go on.
  void materialise();
  // Lets go of the model, whose network is about to be, or was, replaced.
  void release() { shared_.clear(); }

 private:
  struct Shared {
    Parameter* weight;
    Codebook* codebook;
    Variable centroids;
  };
  Model& model_;
  std::vector<Shared> shared_;
};

}  // namespace espalier
