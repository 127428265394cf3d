#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

int main(int argc, char** argv) {
  try {
    espalier::backend(espalier::test::tested_device());
  } catch (const espalier::Error& error) {
    std::cout << "[skipped] " << error.what() << std::endl;
    return 0;
  }
  return Catch::Session().run(argc, argv);
}
