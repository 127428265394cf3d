#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "apps/page.h"
#include "core/dtype.h"
#include "core/named_rows.h"

namespace espalier::apps {

// Options that several commands share.
struct CommonOptions {
  std::string device = "cpu";
  std::string precision;
  std::string data_dir;
  int threads = 0;

  void add_to(CLI::App& app);
  void add_data_dir(CLI::App& app);
  void apply() const;
};

// What a seed may be, on the command line as in a recipe.
inline const CLI::Range kSeeds(int64_t{0}, std::numeric_limits<int64_t>::max());

// How a command that makes a page is told where it goes.
struct PageOptions {
  std::string format = "text", out;

  void add_to(CLI::App& app);
  void publish(const Page& page) const;
};

// From now on the first Ctrl-C sets the flag returned, which asks a stage to save and stop; a second one ends
// the program at once. A file past the size limit is an error of the write, as a full disk is.
const std::atomic<bool>& stop_on_signals();

template <typename Rows>
CLI::IsMember one_of(const Rows& rows) {
  return CLI::IsMember(names_of(rows));
}

}  // namespace espalier::apps
