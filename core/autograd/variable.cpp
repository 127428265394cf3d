#include "core/autograd/variable.h"

#include <unordered_set>
#include <utility>

#include "core/backend.h"
#include "core/profile.h"

namespace espalier {

struct Variable::State {
  Tensor value;
  Tensor gradient;
  bool requires_gradient = false;
  bool retains_gradient = false;
  std::string_view operation;          // empty for a leaf
  const std::string* layer = nullptr;  // that recorded it, while profiling
  std::vector<Variable> inputs;
  Backward backward;

  // A long chain of operations must not be destroyed recursively, or a deep network overflows the stack. Its
  // backward holds the inputs too, so it goes while `pending` keeps them alive.
  ~State() {
    std::vector<Variable> pending = std::move(inputs);
    backward = nullptr;
    while (!pending.empty()) {
      const Variable last = std::move(pending.back());
      pending.pop_back();
      if (last.state_ == nullptr || last.state_.use_count() > 1) continue;
      State& state = *last.state_;
      for (Variable& input : state.inputs) pending.push_back(std::move(input));
      state.inputs.clear();
      state.backward = nullptr;
    }
  }
};

namespace {
thread_local bool recording_now = true;
}  // namespace

bool recording() {
  return recording_now;
}
NoGradient::NoGradient() : before_(std::exchange(recording_now, false)) {}
NoGradient::~NoGradient() {
  recording_now = before_;
}

Variable::Variable(Tensor value, bool requires_gradient) : state_(std::make_shared<State>()) {
  state_->value = std::move(value);
  state_->requires_gradient = requires_gradient;
}

Variable Variable::result(std::string_view operation, Tensor value, std::vector<Variable> inputs,
                          Backward backward) {
  Variable output(std::move(value));
  if (!recording()) return output;
  for (const Variable& input : inputs) {
    if (!input.requires_gradient()) continue;
    output.state_->requires_gradient = true;
    output.state_->operation = operation;
    output.state_->layer = profile::current_layer();
    output.state_->inputs = std::move(inputs);
    output.state_->backward = std::move(backward);
    break;
  }
  return output;
}

const Tensor& Variable::value() const {
  check(defined(), "[autograd] the value of an undefined variable was asked for");
  return state_->value;
}

Tensor& Variable::value() {
  check(defined(), "[autograd] the value of an undefined variable was asked for");
  return state_->value;
}

bool Variable::requires_gradient() const {
  return defined() && state_->requires_gradient;
}

const Tensor& Variable::gradient() const {
  check(defined(), "[autograd] the gradient of an undefined variable was asked for");
  return state_->gradient;
}

void Variable::retain_gradient() const {
  check(defined(), "[autograd] an undefined variable was asked to retain its gradient");
  state_->retains_gradient = true;
}

void Variable::clear_gradient() {
  if (defined()) state_->gradient = Tensor();
}

void Variable::replace_gradient(Tensor gradient) const {
  if (!requires_gradient()) return;
  check(gradient.shape() == shape(), "[autograd] a gradient of shape {} for a value of shape {}",
        gradient.shape(), shape());
  state_->gradient = std::move(gradient);
}

void Variable::accumulate(Tensor gradient) const {
  if (!requires_gradient()) return;
  if (!state_->gradient.defined()) {
    replace_gradient(std::move(gradient));
    return;
  }
  check(gradient.shape() == shape(), "[autograd] a gradient of shape {} for a value of shape {}",
        gradient.shape(), shape());
  // Out of place: the first comer may share its storage with another variable's gradient (y = a + b).
  Tensor total(shape(), value().dtype(), value().device());
  total.backend().binary(BinaryOp::add, state_->gradient, gradient, total);
  state_->gradient = std::move(total);
}

void Variable::backward() {
  check(defined() && requires_gradient(),
        "[backward] the variable does not depend on anything that requires a gradient");
  check(value().numel() == 1, "[backward] starts from a scalar; this variable has shape {}", shape());
  const profile::Scope whole("backward", "tape");

  // Depth first, without recursion: `order` ends with this variable and has every input before its users.
  std::vector<Variable> order;
  std::unordered_set<State*> seen{state_.get()};
  std::vector<std::pair<Variable, size_t>> path{{*this, 0}};
  while (!path.empty()) {
    auto& [variable, next] = path.back();
    const std::vector<Variable>& inputs = variable.state_->inputs;
    if (next == inputs.size()) {
      order.push_back(std::move(variable));
      path.pop_back();
      continue;
    }
    const Variable& input = inputs[next++];
    if (input.requires_gradient() && seen.insert(input.state_.get()).second) path.emplace_back(input, 0);
  }

  accumulate(Tensor::full(shape(), 1.0, value().dtype(), value().device()));
  while (!order.empty()) {
    Variable variable = std::move(order.back());
    order.pop_back();
    State& state = *variable.state_;
    if (state.operation.empty()) continue;
    const Tensor gradient = state.retains_gradient ? state.gradient : std::exchange(state.gradient, Tensor());
    const Backward pass = std::exchange(state.backward, nullptr);
    check(pass != nullptr, "[backward] the graph behind [{}] was already freed by an earlier backward()",
          state.operation);
    if (gradient.defined()) {
      const profile::Scope scope("backward", state.operation, state.layer);
      pass(gradient);
    }
    const std::vector<Variable> inputs = std::exchange(state.inputs, {});
  }
}

}  // namespace espalier
