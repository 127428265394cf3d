#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/autograd/variable.h"

namespace espalier::test {

// A function of Variables. It is called with normal draws of the given shapes, all on one device and of one
// dtype, and makes what else it needs (labels, codes, statistics) there.
struct Differentiable {
  std::string name;
  std::vector<Shape> inputs;
  std::function<Variable(const std::vector<Variable>& inputs)> function;
  double deviation = 1.0;  // of the draws
};

// With L = sum(c · y) for the output y and fixed random c: dL/d(each input) by backward(), in float64 on
// Device::reference, agrees with central differences; the same in float32 on every tested device, and y
// there, agree with float64.
void check_gradients(const std::vector<Differentiable>& functions);

}  // namespace espalier::test
