#pragma once

#include "layers/layer.h"

// The makers behind the rows of layers/registry.cpp, each defined in the file of its name.
namespace espalier::layers {

using Made = std::unique_ptr<Layer>;
using Shapes = std::span<const Shape>;

Made make_conv2d(Attributes&, Shapes);
Made make_linear(Attributes&, Shapes);
Made make_batch_norm(Attributes&, Shapes);
Made make_relu(Attributes&, Shapes);
Made make_relu6(Attributes&, Shapes);
Made make_sigmoid(Attributes&, Shapes);
Made make_tanh(Attributes&, Shapes);
Made make_max_pool2d(Attributes&, Shapes);
Made make_average_pool2d(Attributes&, Shapes);
Made make_global_average_pool2d(Attributes&, Shapes);
Made make_flatten(Attributes&, Shapes);
Made make_dropout(Attributes&, Shapes);
Made make_add(Attributes&, Shapes);
Made make_multiply(Attributes&, Shapes);
Made make_concat(Attributes&, Shapes);
Made make_pad_channels(Attributes&, Shapes);
Made make_select_channels(Attributes&, Shapes);
Made make_softmax(Attributes&, Shapes);

// Limits on what a description may ask for, so that a hostile file cannot exhaust memory or overflow a count.
inline constexpr int kMaxChannels = 1 << 16;
inline constexpr int kMaxWindow = 1 << 12;

}  // namespace espalier::layers
