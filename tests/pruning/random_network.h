#pragma once

#include "layers/network.h"
#include "pruning/samples.h"

namespace espalier::test {

// A small random network of every layer type that channels flow through, the same for the same seed: plain,
// grouped and depthwise convolutions, batch norms, activations, pools, additions (of option A's padded
// shortcuts too), products, concatenations, selections, flattening, linear layers. Softmax and sigmoid come
// only where `with_sigmoid`: a silenced channel does not stay zero behind a sigmoid.
layers::Network random_network(uint64_t seed, bool with_sigmoid);

// Weights, biases, norms and running statistics, none of them at their initial values.
void randomise(layers::Network& network, uint64_t seed);

// Gives a parameter these values.
void set(layers::Network& network, const std::string& parameter, const std::vector<float>& values);

// With the same weights, in storage of its own.
layers::Network copy_of(layers::Network& network);

// `count` images of noise that fit the network, with labels, in one batch.
pruning::Samples random_samples(const layers::Network& network, int64_t count);

}  // namespace espalier::test
