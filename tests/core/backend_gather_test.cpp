#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

std::vector<KernelCase> cases() {
  std::vector<KernelCase> result;
  for (int64_t table : {0, 1, 16, 3000})
    for (int64_t count : {0, 1, 13, 5001, 100003}) {
      const std::string what = std::to_string(count) + " codes of " + std::to_string(table);
      result.push_back({"gather " + what, [=](Device device, DType dtype) {
                          Tensor y({count}, dtype, device);
                          backend(device).gather(random_tensor({table}, 1, dtype, device),
                                                 random_integers({count}, 2, -1, table, device), y);
                          return std::vector{y};
                        }});
      result.push_back({"scatter_add " + what, [=](Device device, DType dtype) {
                          Tensor dtable({table}, dtype, device);
                          backend(device).scatter_add(random_tensor({count}, 3, dtype, device, 0.5),
                                                      random_integers({count}, 2, -1, table, device), dtable);
                          return std::vector{dtable};
                        }});
    }
  return result;
}

TEST_CASE("gather and scatter_add agree with the reference") {
  check_agreement(cases());
}
TEST_CASE("gather and scatter_add give the same bits in every run and for any number of threads",
          "[backend]") {
  check_same_bits(cases());
}

}  // namespace
}  // namespace espalier::test
