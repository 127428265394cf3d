#include "apps/tables/command.h"

#include "apps/common_options.h"
#include "apps/tables/table.h"
#include "core/error.h"

namespace espalier::apps {

void add_table(CLI::App& program, CommonOptions& common) {
  auto* app = program.add_subcommand(
      "table", "Print a paper's table: its figures, those of the runs made here, and the difference");
  app->footer(
      "Example:\n  espalier table fpgm --run --seeds 1,2,3\n  espalier table deep-compression --format "
      "markdown -o docs/deep-compression.md");
  struct Settings {
    bool make = false;
    std::string name;
    PageOptions page;
    std::vector<std::string> files;
    TableRunOptions run;
  };
  auto settings = std::make_shared<Settings>();
  TableRunOptions& run = settings->run;
  app->add_option("name", settings->name, "see `espalier list tables`")->required()->check(one_of(tables()));
  app->add_option("summaries", settings->files,
                  "summary.json files that runs wrote; all results of the table's runs unless given");
  app->add_flag("--run", settings->make,
                "first make the runs whose results are missing; an interrupted one goes on");
  app->add_option("--seeds", run.seeds, "with --run: the seeds, as in 1,2,3")
      ->delimiter(',')
      ->check(kSeeds)
      ->capture_default_str();
  app->add_option("--only", run.only, "with --run: only the runs whose name contains this");
  app->add_option("--results", run.folders.results, "where results are")->capture_default_str();
  app->add_option("--runs", run.folders.runs, "with --run: where the runs' folders go")
      ->capture_default_str();
  app->add_option("--recipes", run.folders.recipes, "with --run: where recipes are")->capture_default_str();
  app->add_option("--networks", run.folders.networks,
                  "with --run: where the trained networks are that recipes start from, <name>.safetensors")
      ->capture_default_str();
  settings->page.add_to(*app);
  common.add_to(*app);
  common.add_data_dir(*app);
  app->callback([=, &common] {
    const TableRow& table = find_table(settings->name);
    if (settings->make) {
      check(settings->files.empty(), "[table] --run shows the results of its runs; expected no summaries");
      common.apply();
      settings->run.device = device_from_name(common.device);
      settings->run.data_dir = common.data_dir;
      run_missing(table, settings->run, stop_on_signals());
    }
    const std::vector<std::filesystem::path> given(settings->files.begin(), settings->files.end());
    settings->page.publish(
        render_table(table, given.empty() ? results_of(table, settings->run.folders) : given));
  });
}

}  // namespace espalier::apps
