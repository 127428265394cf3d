#pragma once

#include <filesystem>
#include <string>

// Where a run keeps its files: the one place that composes their names.
//   <run>/recipe.toml, metrics.jsonl, summary.json, model.safetensors, model.esp, log.txt,
//   profile.json
//   <run>/<k>-<stage>/model.safetensors, masks.safetensors, codebooks.safetensors, metrics.jsonl,
//   checkpoint.safetensors, best.safetensors,
//     done.json
namespace espalier::paths {

using Path = std::filesystem::path;

inline Path recipe(const Path& run) {
  return run / "recipe.toml";
}
inline Path summary(const Path& run) {
  return run / "summary.json";
}
inline Path profile(const Path& run) {
  return run / "profile.json";
}
inline Path log(const Path& run) {
  return run / "log.txt";
}
inline Path stage(const Path& run, size_t number, const std::string& type) {
  return run / (std::to_string(number) + "-" + type);
}

// In a run's folder and in a stage's.
inline Path model(const Path& folder) {
  return folder / "model.safetensors";
}
inline Path compressed(const Path& folder) {
  return folder / "model.esp";
}
inline Path metrics(const Path& folder) {
  return folder / "metrics.jsonl";
}

inline Path masks(const Path& stage) {
  return stage / "masks.safetensors";
}
inline Path codebooks(const Path& stage) {
  return stage / "codebooks.safetensors";
}
inline Path checkpoint(const Path& stage) {
  return stage / "checkpoint.safetensors";
}
inline Path best(const Path& stage) {
  return stage / "best.safetensors";
}
inline Path done(const Path& stage) {
  return stage / "done.json";
}

}  // namespace espalier::paths
