#include "apps/report.h"

#include <algorithm>

#include "apps/text_table.h"
#include "training/latency.h"

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

json measure_speed(const layers::Network& network, const layers::Network& first, Device device) {
  constexpr int64_t kBatch = 64;
  const Latency latency = measure_latency(network, first, device, kBatch);
  return {{"batch_size", kBatch},
          {"milliseconds", 1e3 * latency.seconds},
          {"first_milliseconds", 1e3 * latency.beside}};
}

std::string report(const json& rows) {
  const bool with_speed = std::ranges::any_of(rows, [](const json& row) { return row.contains("speed"); });
  std::vector<std::string> header = {"stage", "accuracy", "change", "parameters", "nonzeros",
                                     "share", "FLOPs",    "bytes",  "smaller"};
  if (with_speed) header.emplace_back("faster");
  TextTable table(header);
  const json& dense = rows.front();
  const auto number = [](const json& row, const char* key) { return row.at(key).get<int64_t>(); };
  for (const json& row : rows) {
    const double accuracy = row.at("accuracy");
    std::vector<std::string> cells = {
        row.at("stage"),
        percent(accuracy),
        &row == &dense ? "" : fmt::format("{:+.2f}", 100 * (accuracy - dense.at("accuracy").get<double>())),
        grouped(number(row, "parameters")),
        grouped(number(row, "nonzeros")),
        percent(
            static_cast<double>(number(row, "nonzeros")) / static_cast<double>(number(dense, "parameters")),
            1),
        grouped(number(row, "flops")),
        grouped(number(row, "bytes")),
        fmt::format("{:.1f}x",
                    static_cast<double>(number(dense, "bytes")) / static_cast<double>(number(row, "bytes")))};
    if (with_speed)
      cells.push_back(row.contains("speed")
                          ? fmt::format("{:.2f}x", row.at("speed").at("first_milliseconds").get<double>() /
                                                       row.at("speed").at("milliseconds").get<double>())
                          : "");
    table.add(std::move(cells));
  }
  return table.text();
}

}  // namespace espalier::apps
