#include "apps/common_options.h"

#include <omp.h>

#include <csignal>

#include "apps/console.h"
#include "core/backend.h"
#include "core/io/file.h"

namespace espalier::apps {
namespace {

std::atomic<bool> signalled{false};

extern "C" void on_signal(int signal) {
  signalled = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void CommonOptions::add_to(CLI::App& app) {
  app.add_option("--device", device, "cpu, cuda, or reference (slow, plain kernels); see `espalier devices`")
      ->check(CLI::IsMember({"cpu", "cuda", "reference"}))
      ->capture_default_str();
  app.add_option("--precision", precision,
                 "float32, tf32 or float16: what matrix products and convolutions round their factors to; "
                 "unless given float32, and tf32 on CUDA devices that have it")
      ->check(CLI::IsMember({"float32", "tf32", "float16"}));
  app.add_option("--threads", threads, "how many threads to use; all cores unless given")
      ->check(CLI::Range(1, 1024));
}

void CommonOptions::add_data_dir(CLI::App& app) {
  app.add_option("--data-dir", data_dir,
                 "where the data sets are; else $ESPALIER_DATA, then /usr/share/datasets");
}

void CommonOptions::apply() const {
  if (threads > 0) omp_set_num_threads(threads);
  if (!precision.empty()) backend(device_from_name(device)).set_precision(precision_from_name(precision));
}

void PageOptions::add_to(CLI::App& app) {
  app.add_option("--format", format, "text, markdown or json")
      ->check(CLI::IsMember({"text", "markdown", "json"}))
      ->capture_default_str();
  app.add_option("-o,--output", out, "a file to write; standard output unless given");
}

void PageOptions::publish(const Page& page) const {
  const std::string text = format == "markdown" ? page.markdown()
                           : format == "json"   ? page.json().dump(1) + "\n"
                                                : page.text();
  if (out.empty())
    print(text);
  else
    write_file(out, text);
}

const std::atomic<bool>& stop_on_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGXFSZ, SIG_IGN);
  return signalled;
}

}  // namespace espalier::apps
