#include "apps/report.h"

#include "apps/text_table.h"

namespace espalier::apps {

using nlohmann::json;

json measure(Model& model, const Evaluation& evaluation, uint64_t bytes) {
  return {{"accuracy", evaluation.accuracy()},
          {"top5_accuracy", evaluation.top5_accuracy()},
          {"loss", evaluation.loss},
          {"images", evaluation.images},
          {"parameters", model.network.parameter_count()},
          {"nonzeros", model.nonzeros()},
          {"flops", model.network.flops()},
          {"bytes", bytes}};
}

std::string report(const json& rows) {
  TextTable table(
      {"stage", "accuracy", "change", "parameters", "nonzeros", "share", "FLOPs", "bytes", "smaller"});
  const json& dense = rows.front();
  const auto number = [](const json& row, const char* key) { return row.at(key).get<int64_t>(); };
  for (const json& row : rows) {
    const double accuracy = row.at("accuracy");
    table.add(
        {row.at("stage"), percent(accuracy),
         &row == &dense ? "" : fmt::format("{:+.2f}", 100 * (accuracy - dense.at("accuracy").get<double>())),
         grouped(number(row, "parameters")), grouped(number(row, "nonzeros")),
         percent(
             static_cast<double>(number(row, "nonzeros")) / static_cast<double>(number(dense, "parameters")),
             1),
         grouped(number(row, "flops")), grouped(number(row, "bytes")),
         fmt::format("{:.1f}x", static_cast<double>(number(dense, "bytes")) /
                                    static_cast<double>(number(row, "bytes")))});
  }
  return table.text();
}

}  // namespace espalier::apps
