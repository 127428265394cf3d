#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "tests/support/catch.h"

namespace espalier::test {

struct Outcome {
  int code = 0;
  std::string text;  // standard output and error together
};

// Runs the program as a shell does, `before` in front of it.
inline Outcome espalier_command(const std::string& arguments, const std::string& before = "") {
  const std::string line = before + " '" ESPALIER_PROGRAM "' " + arguments + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("(" + line + "); echo \"exit $?\"").c_str(), "r"),
                                                   pclose);
  REQUIRE(pipe != nullptr);
  Outcome outcome;
  char buffer[4096];
  while (const size_t count = std::fread(buffer, 1, sizeof buffer, pipe.get()))
    outcome.text.append(buffer, count);
  const size_t at = outcome.text.rfind("exit ");
  outcome.code = std::stoi(outcome.text.substr(at + 5));
  outcome.text.resize(at);
  return outcome;
}

}  // namespace espalier::test
