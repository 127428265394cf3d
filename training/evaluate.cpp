#include "training/evaluate.h"

#include "core/ops.h"
#include "core/profile.h"
#include "datasets/loader.h"
#include "training/stage.h"

namespace espalier {

namespace {

// Rows in which fewer than five logits are larger than the label's, as large and before it, or not to be
// compared (NaN).
int64_t count_top5(const Tensor& logits, const Tensor& labels) {
  const std::vector<float> values = logits.to_vector<float>();
  const std::vector<int32_t> targets = labels.to_vector<int32_t>();
  const auto classes = static_cast<size_t>(logits.shape()[1]);
  int64_t count = 0;
  for (size_t row = 0; row < targets.size(); ++row) {
    const float* logit = values.data() + row * classes;
    const auto label = static_cast<size_t>(targets[row]);
    int larger = 0;
    for (size_t i = 0; i < classes; ++i)
      larger += i != label && !(logit[i] < logit[label] || (logit[i] == logit[label] && i > label));
    count += larger < 5;
  }
  return count;
}

}  // namespace

Evaluation evaluate(layers::Network& network, const std::shared_ptr<const datasets::Dataset>& data,
                    Device device, int64_t batch_size) {
  check(data->classes() == network.classes(),
        "[evaluate] network '{}' tells {} classes apart; the data has {}", network.name(), network.classes(),
        data->classes());
  const profile::Scope scope("evaluation", "evaluate");
  const NoGradient no_gradient;
  datasets::Loader loader(data, {.batch_size = batch_size, .device = device});
  loader.start(0);
  Evaluation result;
  double loss = 0;
  for (datasets::Batch batch; loader.next(batch);) {
    const Variable logits = network.forward(Variable(batch.images), {});
    const auto [batch_loss, correct] = ops::cross_entropy(logits, batch.labels);
    const int64_t images = batch.labels.numel();
    loss += batch_loss.value().item() * static_cast<double>(images);
    result.correct += static_cast<int64_t>(correct.item());
    result.correct_top5 += count_top5(logits.value(), batch.labels);
    result.images += images;
  }
  if (result.images > 0) result.loss = loss / static_cast<double>(result.images);
  return result;
}

namespace {

// Adds nothing of its own: the report evaluates the model after every stage.
class EvaluateStage final : public Stage {
 public:
  void run(StageContext&) override {}
};

}  // namespace

const StageRow kEvaluateStage = {
    "evaluate", "change nothing; the report evaluates the model after every stage",
    [](const Config&) -> std::unique_ptr<Stage> { return std::make_unique<EvaluateStage>(); }};

}  // namespace espalier
