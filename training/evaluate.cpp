#include "training/evaluate.h"

#include "core/ops.h"
#include "datasets/loader.h"
#include "training/stage.h"

namespace espalier {

Evaluation evaluate(layers::Network& network, const std::shared_ptr<const datasets::Dataset>& data,
                    Device device, int64_t batch_size) {
  check(data->classes() == network.classes(),
        "[evaluate] network '{}' tells {} classes apart; the data has {}", network.name(), network.classes(),
        data->classes());
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

std::unique_ptr<Stage> make_evaluate_stage(const Config&) {
  return std::make_unique<EvaluateStage>();
}

}  // namespace espalier
