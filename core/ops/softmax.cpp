#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {

Variable softmax(const Variable& x) {
  Tensor y = like(x);
  y.backend().softmax(x.value(), y);
  return Variable::result("softmax", y, {x}, [x, y](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().softmax_backward(y, dy, dx);
    x.accumulate(dx);
  });
}

Variable log_softmax(const Variable& x) {
  Tensor y = like(x);
  y.backend().log_softmax(x.value(), y);
  return Variable::result("log_softmax", y, {x}, [x, y](const Tensor& dy) {
    Tensor dx = like(x);
    dy.backend().log_softmax_backward(y, dy, dx);
    x.accumulate(dx);
  });
}

CrossEntropy cross_entropy(const Variable& logits, const Tensor& labels, double label_smoothing) {
  const Shape& shape = logits.shape();
  check(shape.rank() == 2 && labels.dtype() == DType::int32 && labels.shape() == Shape{shape[0]},
        "[cross_entropy] logits {} and labels {} of {}; expected (N, C) and (N) of int32", shape,
        labels.shape(), name(labels.dtype()));
  check(shape.numel() > 0, "[cross_entropy] logits {} hold nothing", shape);
  check(label_smoothing >= 0 && label_smoothing < 1,
        "[cross_entropy] label smoothing {}; expected one in [0, 1)", label_smoothing);
  Tensor loss = like(logits, Shape{}), probabilities = like(logits);
  Tensor correct(Shape{}, DType::int64, loss.device());
  loss.backend().cross_entropy(logits.value(), labels, label_smoothing, loss, probabilities, correct);
  Variable result = Variable::result(
      "cross_entropy", loss, {logits}, [logits, labels, probabilities, label_smoothing](const Tensor& dloss) {
        Tensor dlogits = like(logits);
        dloss.backend().cross_entropy_backward(probabilities, labels, label_smoothing, dloss, dlogits);
        logits.accumulate(dlogits);
      });
  return {result, correct};
}

Variable gather(const Variable& table, const Tensor& codes) {
  check(table.shape().rank() == 1 && codes.dtype() == DType::int32,
        "[gather] table of shape {} and codes of {}; expected (K) and int32", table.shape(),
        name(codes.dtype()));
  Tensor y = like(table, codes.shape());
  y.backend().gather(table.value(), codes, y);
  return Variable::result("gather", y, {table}, [table, codes](const Tensor& dy) {
    Tensor dtable = like(table);
    dy.backend().scatter_add(dy, codes, dtable);
    table.accumulate(dtable);
  });
}

}  // namespace espalier::ops
