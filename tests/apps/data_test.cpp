#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/http_server.h"

using namespace espalier;
namespace fs = std::filesystem;

namespace {

// `espalier data get` as a process of its own, its output in a file.
class DataGet {
 public:
  DataGet(const std::string& name, const fs::path& data_dir, const std::string& mirror, fs::path output)
      : output_(std::move(output)), child_(::fork()) {
    if (child_ != 0) return;
    const int file = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::execl(ESPALIER_PROGRAM, "espalier", "data", "get", name.c_str(), "--data-dir", data_dir.c_str(),
            "--mirror", mirror.c_str(), nullptr);
    ::_exit(127);
  }
  void interrupt() const { ::kill(child_, SIGINT); }
  int wait() const {
    int status = 0;
    ::waitpid(child_, &status, 0);
    return status;
  }
  std::string text() const { return read_text(output_); }

 private:
  fs::path output_;
  pid_t child_;
};

}  // namespace

TEST_CASE("a download that Ctrl-C stops goes on, and what is not the data set is refused and removed") {
  const test::TemporaryFolder folder;
  const fs::path part = folder / "mnist/train-images-idx3-ubyte.gz.part";
  const std::string content(9'912'422, 'x');  // the size of the true file
  test::HttpServer server([&](const std::string& request) -> test::HttpServer::Answer {
    const std::string answer = test::http_file(request, content);
    if (request.find("Range:") != request.npos) return {answer};
    return {answer.substr(0, answer.size() / 2), true};
  });
  {
    const DataGet stopped("mnist", folder.path(), server.url(), folder / "output");
    std::error_code absent;
    for (int tries = 0; tries < 1000; ++tries) {
      const auto size = fs::file_size(part, absent);
      if (!absent && size > 4'000'000) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stopped.interrupt();
    const int status = stopped.wait();
    CHECK(WIFSIGNALED(status));
  }
  REQUIRE(fs::exists(part));
  const auto kept = fs::file_size(part);
  CHECK(kept > 4'000'000);
  const DataGet resumed("mnist", folder.path(), server.url(), folder / "output");
  const int status = resumed.wait();
  INFO(resumed.text());
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 1));
  CHECK(resumed.text().find("the checksum (MD5) of what came is") != std::string::npos);
  REQUIRE(server.requests().size() == 2);
  CHECK(server.requests()[1].find(fmt::format("Range: bytes={}-\r\n", kept)) != std::string::npos);
  CHECK_FALSE(fs::exists(part));
  CHECK_FALSE(fs::exists(folder / "mnist/train-images-idx3-ubyte.gz"));
}

TEST_CASE("a data set that is there already takes no request") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "cifar-100-binary");
  for (const char* file : {"train.bin", "test.bin", "fine_label_names.txt"})
    write_file(folder / "cifar-100-binary" / file, "");
  test::HttpServer server([](const std::string&) { return test::HttpServer::Answer{}; });
  const DataGet again("cifar100", folder.path(), server.url(), folder / "output");
  const int status = again.wait();
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(again.text().find("cifar100: everything was already in ") != std::string::npos);
  CHECK(server.requests().empty());
}
