#include "core/config.h"

#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier {
namespace {

constexpr std::string_view kRecipe = R"(name = "quick"   # line 1
seed = 7
fast = true
rate = 0.1
whole = 2

[model]
name = "lenet"
widths = [6, 16, 0.5]
tags = ["a", "b"]

[[stage]]
type = "train"
epochs = 2

[[stage]]
type = "prune"
epochs = "five"
schedule = { kind = "cosine", final = 0.0 }
)";

Config recipe() {
  return Config::from_text(kRecipe, "r.toml");
}
Config text(const std::string& toml) {
  return Config::from_text(toml, "r.toml");
}

TEST_CASE("every getter returns what the recipe says") {
  const Config root = recipe();
  CHECK(root.get_string("name") == "quick");
  CHECK(root.get_choice("name", {"slow", "quick"}) == "quick");
  CHECK(root.get_integer("seed", {}, 7, 7) == 7);
  CHECK(root.get_bool("fast"));
  CHECK(root.get_number("rate") == 0.1);
  CHECK(root.get_number("whole") == 2.0);
  CHECK(root.table("model").get_numbers("widths") == std::vector<double>{6, 16, 0.5});
  CHECK(root.table("model").get_strings("tags") == std::vector<std::string>{"a", "b"});
  const auto stages = root.tables("stage");
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].get_integer("epochs") == 2);
  CHECK(stages[1].table("schedule").get_string("kind") == "cosine");
  CHECK(root.keys() == std::vector<std::string>{"fast", "model", "name", "rate", "seed", "stage", "whole"});
  CHECK(root.has("seed"));
  CHECK_FALSE(root.has("absent"));
  CHECK(root.is_table("model"));
  CHECK_FALSE(root.is_table("seed"));
  CHECK_FALSE(root.is_table("absent"));
}

TEST_CASE("an absent key takes its fallback, and without one is an error") {
  const Config model = recipe().table("model");
  CHECK(model.get_string("x", "word") == "word");
  CHECK(model.get_choice("x", {"a", "b"}, "b") == "b");
  CHECK(model.get_bool("x", false) == false);
  CHECK(model.get_integer("x", 5) == 5);
  CHECK(model.get_number("x", 0.5) == 0.5);
  CHECK(model.get_numbers("x", std::vector<double>{1}) == std::vector<double>{1});
  CHECK(model.get_strings("x", std::vector<std::string>{}).empty());
  CHECK(model.tables("x").empty());
  CHECK(model.table("x", false).get_integer("y", 3) == 3);
  CHECK(model.table("x", false).keys().empty());
  CHECK_ERROR(model.get_string("x"), "r.toml:7: model.x is missing; expected a string");
  CHECK_ERROR(model.get_integer("x", {}, 1), "r.toml:7: model.x is missing; expected an integer >= 1");
  CHECK_ERROR(model.table("x"), "r.toml:7: model.x is missing; expected a table");
  CHECK_ERROR(model.table("x", false).get_bool("y"), "r.toml: model.x.y is missing; expected true or false");
}

TEST_CASE("a wrong type or an impossible value names the file, the line, the key and what was expected") {
  const Config root = recipe();
  const Config prune = root.tables("stage")[1];
  CHECK_ERROR(prune.get_integer("epochs", {}, 1),
              "r.toml:18: stage.2.epochs is \"five\"; expected an integer >= 1");
  CHECK_ERROR(prune.get_integer("epochs"), "expected an integer");
  CHECK_ERROR(root.get_integer("seed", {}, 8, 9), "r.toml:2: seed is 7; expected an integer in [8, 9]");
  CHECK_ERROR(root.get_integer("seed", {}, INT64_MIN, 6), "expected an integer <= 6");
  CHECK_ERROR(root.get_integer("rate"), "r.toml:4: rate is 0.1; expected an integer");
  CHECK_ERROR(root.get_string("seed"), "r.toml:2: seed is 7; expected a string");
  CHECK_ERROR(root.get_choice("name", {"slow", "fast"}),
              "r.toml:1: name is \"quick\"; expected one of slow, fast");
  CHECK_ERROR(root.get_bool("seed"), "r.toml:2: seed is 7; expected true or false");
  CHECK_ERROR(root.get_number("fast"), "r.toml:3: fast is true; expected a number");
  CHECK_ERROR(root.get_number("rate", {}, 0.2, 1), "r.toml:4: rate is 0.1; expected a number in [0.2, 1]");
  CHECK_ERROR(root.get_string("model"), "r.toml:7: model is a table; expected a string");
  CHECK_ERROR(root.get_string("stage"), "stage is an array of tables; expected a string");
  CHECK_ERROR(root.table("model").get_strings("widths"),
              "r.toml:9: model.widths is an array; expected an array of strings");
  CHECK_ERROR(root.table("model").get_numbers("tags"), "expected an array of numbers");
  CHECK_ERROR(root.get_numbers("seed"), "seed is 7; expected an array of numbers");
  CHECK_ERROR(root.table("seed"), "r.toml:2: seed is 7; expected a table");
  CHECK_ERROR(root.tables("model"), "r.toml:7: model is a table; expected an array of tables ([[model]])");
  CHECK_ERROR(root.table("model").tables("tags"), "model.tags is an array; expected an array of tables");
}

TEST_CASE("infinities and NaN are no numbers") {
  CHECK_ERROR(text("x = inf").get_number("x"), "x is inf; expected a number");
  CHECK_ERROR(text("x = nan").get_number("x"), "x is nan; expected a number");
  CHECK_ERROR(text("x = [1, -inf]").get_numbers("x"), "expected an array of numbers");
}

TEST_CASE("a key that nobody asked for is an error of its own table only") {
  const Config root = recipe();
  for (const char* key : {"name", "seed", "fast", "rate", "whole", "model"}) root.where(key), root.has(key);
  CHECK_ERROR(root.finish(), "r.toml:3: fast is unknown; the keys known here are ");
  root.get_string("name"), root.get_integer("seed"), root.get_bool("fast"), root.get_number("rate");
  CHECK_ERROR(root.finish(), "is unknown; the keys known here are fast, name, rate, seed");
  root.get_number("whole"), root.table("model"), root.tables("stage");
  root.finish();
  CHECK_ERROR(root.table("model").finish(), "r.toml:8: model.name is unknown");
  root.table("model").get_string("name");
  root.table("model").get_numbers("widths");
  root.table("model").get_strings("tags");
  root.table("model").finish();  // another handle of the same table
  CHECK_ERROR(root.tables("stage")[1].finish(), "r.toml:18: stage.2.epochs is unknown");
}

TEST_CASE("what is not TOML, too large or nested too deeply is an error with its line") {
  CHECK_ERROR(text("a = 1\nb = \n"), "r.toml:2: ");
  CHECK_ERROR(text("a = 1\na = 2"), "r.toml:2: ");
  CHECK_ERROR(text("[a]\n[a]"), "r.toml:2: ");
  CHECK_ERROR(text(std::string((1 << 20) + 1, ' ')),
              "r.toml: has 1048577 bytes; a recipe has at most 1048576");
  std::string dotted = "ok = 1\n[a";
  for (int i = 0; i < 500000; ++i) dotted += ".a";
  CHECK_ERROR(text(dotted + "]"), "r.toml:2: nested deeper than 32 levels");
  CHECK_ERROR(text("a = " + std::string(500000, '[')), "r.toml:1: nested deeper than 32 levels");
  std::string hidden = "a = '''it''''\nb = \"\\\"\"\nc = \"\"\"\\\"\"\"\"\"\"\nd";
  for (int i = 0; i < 40; ++i) hidden += ".a";
  CHECK_ERROR(text(hidden + " = 1"), "r.toml:4: nested deeper than 32 levels");
}

TEST_CASE("dots and brackets in numbers, strings and comments nest nothing") {
  const std::string dots(100, '.'), brackets(100, '[');
  const std::string many = "# " + dots + brackets + "\na = '" + dots + brackets + "'\nb = \"\\\"" + dots +
                           brackets + "\"\nc = '''\n" + dots + brackets + "'''\nd = \"\"\"" + dots +
                           brackets + "\"\"\"\ne = [";
  std::string numbers;
  for (int i = 0; i < 100; ++i) numbers += "0.5, ";
  CHECK(text(many + numbers + "]").get_numbers("e").size() == 100);
}

TEST_CASE("a file is read by its path, and its errors name it") {
  const test::TemporaryFolder folder;
  const auto path = folder / "recipe.toml";
  write_file(path, "\nseed = 1.5\n");
  CHECK_ERROR(Config::from_file(path).get_integer("seed"),
              path.string() + ":2: seed is 1.5; expected an integer");
  CHECK_ERROR(Config::from_file(folder / "absent"), (folder / "absent").string() + ": No such file");
  write_file(path, std::string((1 << 20) + 1, ' '));
  CHECK_ERROR(Config::from_file(path), "more than the limit of 1048576");
}

TEST_CASE("an assignment sets a value by its dotted key, array elements counting from 1") {
  Config root = recipe();
  root.set("stage.2.epochs=5");
  root.set("model.widths = [1, 2]");
  root.set("name=slow_and-steady");
  root.set("note=\"5\"");
  root.set("stage.1.optimizer.momentum=0.9");
  root.set("stage.1.optimizer.kind=sgd");
  root.set("model.tags.2=c");
  root.set("model.options={x = 1}");
  CHECK(root.get_string("name") == "slow_and-steady");
  CHECK(root.get_string("note") == "5");
  CHECK(root.tables("stage")[1].get_integer("epochs") == 5);
  CHECK(root.tables("stage")[0].table("optimizer").get_number("momentum") == 0.9);
  CHECK(root.tables("stage")[0].table("optimizer").get_string("kind") == "sgd");
  CHECK(root.table("model").get_numbers("widths") == std::vector<double>{1, 2});
  CHECK(root.table("model").get_strings("tags") == std::vector<std::string>{"a", "c"});
  CHECK(root.table("model").table("options").get_integer("x") == 1);
  CHECK(root.get_integer("seed") == 7);
}

TEST_CASE("an assigned value that is wrong names its assignment") {
  Config root = recipe();
  root.set("seed=five");
  CHECK_ERROR(root.get_integer("seed"), "set 'seed=five': seed is \"five\"; expected an integer");
  root.set("seed=1.5");
  CHECK_ERROR(root.get_integer("seed"), "set 'seed=1.5': seed is 1.5; expected an integer");
}

TEST_CASE("a malformed assignment is refused and changes nothing") {
  Config root = recipe();
  const std::string before = root.to_text();
  CHECK_ERROR(root.set("seed"), "'seed' is no assignment; expected key=value");
  CHECK_ERROR(root.set("=5"), "set '=5': '' is no key");
  CHECK_ERROR(root.set("a..b=5"), "'a..b' is no key");
  CHECK_ERROR(root.set("seed="), "no value; an empty string is \"\"");
  CHECK_ERROR(root.set("seed=[1"), "set 'seed=[1'");
  CHECK_ERROR(root.set("seed=1\nother=2"), "more than one line");
  CHECK_ERROR(root.set("stage.3.epochs=5"), "'3' is no element; expected a number in [1, 2]");
  CHECK_ERROR(root.set("stage.0.epochs=5"), "'0' is no element");
  CHECK_ERROR(root.set("stage.x.epochs=5"), "'x' is no element");
  CHECK_ERROR(root.set("stage.1x.epochs=5"), "'1x' is no element");
  CHECK_ERROR(root.set("absent.table.key=5"), "there is no table 'absent'");
  CHECK_ERROR(root.set("seed.key=5"), "'seed' is 7, not a table");
  CHECK(root.to_text() == before);
  root.table("model");
  CHECK_ERROR(root.set("seed=1"), "'seed=1' is set after a table was read");
}

TEST_CASE("a recipe printed with its overrides reads back the same") {
  Config root = recipe();
  root.set("stage.2.epochs=5");
  root.set("rate=0.30000000000000004");
  const Config again = text(root.to_text());
  CHECK(again.to_text() == root.to_text());
  CHECK(again.get_number("rate") == 0.30000000000000004);
  CHECK(again.tables("stage")[1].get_integer("epochs") == 5);
  CHECK(again.tables("stage")[1].table("schedule").get_number("final") == 0.0);
  CHECK(text(root.tables("stage")[1].to_text()).get_string("type") == "prune");
}

}  // namespace
}  // namespace espalier
