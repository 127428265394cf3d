#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

int main(int argc, char** argv) {
  try {
    // Results are compared with the reference's to float32 rounding.
    espalier::backend(espalier::test::tested_device()).set_precision(espalier::Precision::float32);
  } catch (const espalier::Error& error) {
    std::cout << "[skipped] " << error.what() << std::endl;
    return 0;
  }
  return Catch::Session().run(argc, argv);
}
