#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace espalier {

// A tensor in a computation that may be differentiated. Copies share value and gradient. A leaf is made from
// a tensor; the functions of core/ops make the others and, when an input needs a gradient and recording is
// on, note how to pass the gradient back.
class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool requires_gradient = false);

  // What a node's backward does: given the gradient of the output, accumulate() into the inputs that need
  // one.
  using Backward = std::function<void(const Tensor& output_gradient)>;
  // The result of an operation. `backward` is kept, with `inputs`, only when recording is on and an input
  // requires a gradient; `operation` must outlive the program (a literal).
  static Variable result(std::string_view operation, Tensor value, std::vector<Variable> inputs,
                         Backward backward);

  bool defined() const { return state_ != nullptr; }
  const Tensor& value() const;
  Tensor& value();
  const Shape& shape() const { return value().shape(); }
  bool requires_gradient() const;
  // The gradient that backward() left here; undefined when none came. Non-leaf gradients are freed once
  // passed on, unless retain_gradient() was called.
  const Tensor& gradient() const;
  void retain_gradient() const;
  void clear_gradient();
  // Adds to the gradient; the first comer is kept without a copy. No-op unless requires_gradient().
  void accumulate(Tensor gradient) const;
  // Replaces the gradient, for an operation that has added gradient() itself. No-op unless
  // requires_gradient().
  void replace_gradient(Tensor gradient) const;

  // Reverse-mode differentiation of this scalar: every leaf it was computed from that requires a gradient
  // gets d(this)/d(leaf) added to its gradient(). The graph is freed on the way. Throws Error unless numel()
  // is 1.
  void backward();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Recording is on by default, per thread; while a NoGradient lives, operations record nothing.
class NoGradient {
 public:
  NoGradient();
  ~NoGradient();
  NoGradient(const NoGradient&) = delete;
  NoGradient& operator=(const NoGradient&) = delete;

 private:
  bool before_;
};
bool recording();

}  // namespace espalier
