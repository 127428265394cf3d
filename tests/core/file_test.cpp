#include "core/io/file.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

size_t count_files(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// While it lives, no file of this process grows beyond `bytes`: a write past it comes back short, the next
// fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

// A disk of 64 KiB mounted on a folder, where that is permitted.
class TinyDisk {
 public:
  explicit TinyDisk(fs::path folder, unsigned long flags = 0) : folder_(std::move(folder)) {
    mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", flags, "size=64k") == 0;
    reason_ = std::strerror(errno);
  }
  ~TinyDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& reason() const { return reason_; }

 private:
  fs::path folder_;
  bool mounted_;
  std::string reason_;
};

TEST_CASE("the beginning of a file is as long as asked for, or the file") {
  const TemporaryFolder folder;
  write_file(folder / "abc", "abcdef");
  const auto text = [&](uint64_t most) {
    const auto bytes = read_beginning(folder / "abc", most);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  CHECK(text(0).empty());
  CHECK(text(3) == "abc");
  CHECK(text(100) == "abcdef");
  CHECK_ERROR(read_beginning(folder / "none", 3), "cannot open");
}

TEST_CASE("a written file reads back, replaces the earlier one and leaves nothing beside it") {
  const TemporaryFolder folder;
  const fs::path path = folder / "file.txt";
  write_file(path, "first, and longer than the second");
  write_file(path, "second");
  CHECK(read_text(path) == "second");
  CHECK(read_file(path).size() == 6);
  CHECK(count_files(folder.path()) == 1);
  write_file(path, "");
  CHECK(read_text(path).empty());
}

TEST_CASE("nothing is visible before commit, and an abandoned file leaves no trace") {
  const TemporaryFolder folder;
  const fs::path path = folder / "file.txt";
  {
    AtomicFile file(path);
    file.write("half of it");
    CHECK_FALSE(fs::exists(path));
  }
  CHECK(count_files(folder.path()) == 0);
  AtomicFile file(path);
  file.write("all of ");
  file.write("it");
  file.commit();
  CHECK(read_text(path) == "all of it");
  CHECK_ERROR(file.write("more"), "already committed");
  CHECK_ERROR(file.commit(), "already committed");
}

TEST_CASE("a write that fails midway leaves the earlier file as it was") {
  const TemporaryFolder folder;
  const fs::path path = folder / "file.txt";
  write_file(path, "earlier");
  {
    const FileSizeLimit limit(1000);
    CHECK_ERROR(write_file(path, std::string(5000, 'x')),
                "[write_file] cannot write " + path.string() + ": File too large");
  }
  CHECK(read_text(path) == "earlier");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("a full disk leaves the earlier file as it was") {
  const TemporaryFolder folder;
  const TinyDisk disk(folder.path());
  if (!disk.mounted()) SKIP_TEST("mounting a small disk is not permitted here: " + disk.reason());
  const fs::path path = folder / "file.txt";
  write_file(path, "earlier");
  CHECK_ERROR(write_file(path, std::string(1 << 20, 'x')), "No space left on device");
  CHECK(read_text(path) == "earlier");
  CHECK(count_files(folder.path()) == 1);
  write_file(path, std::string(10000, 'y'));
  CHECK(read_text(path).size() == 10000);
}

TEST_CASE("a folder that is absent, read-only or no folder is an error that names the path and the reason") {
  const TemporaryFolder folder;
  CHECK_ERROR(write_file(folder / "absent" / "file.txt", "text"), "No such file or directory");
  write_file(folder / "file", "text");
  CHECK_ERROR(write_file(folder / "file" / "inside", "text"), "Not a directory");

  const fs::path locked = folder / "locked";
  fs::create_directory(locked);
  if (geteuid() == 0) {  // permissions do not bind root; a read-only disk does
    const TinyDisk disk(locked, MS_RDONLY);
    if (!disk.mounted()) SKIP_TEST("mounting a read-only disk is not permitted here: " + disk.reason());
    CHECK_ERROR(write_file(locked / "file.txt", "text"),
                (locked / "file.txt").string() + ": Read-only file system");
  } else {
    fs::permissions(locked, fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_ERROR(write_file(locked / "file.txt", "text"),
                (locked / "file.txt").string() + ": Permission denied");
  }
}

TEST_CASE("a folder or a device is never replaced by a file") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "inner");
  CHECK_ERROR(write_file(folder / "inner", "text"), "is not a regular file");
  CHECK_ERROR(write_file("/dev/null", "text"), "/dev/null exists and is not a regular file");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(fs::is_directory(folder / "inner"));
}

TEST_CASE("a temporary that a dead process of the same number left does not stop the next file") {
  const TemporaryFolder folder;
  const AtomicFile first(folder / "first");
  const std::string name = fs::directory_iterator(folder.path())->path().filename().string();
  const size_t dash = name.rfind('-');
  const int number = std::stoi(name.substr(dash + 1));
  write_file(folder / "stale", "stale");  // takes number + 1
  const fs::path stale = folder / fmt::format("{}-{}.tmp", name.substr(0, dash), number + 2);
  fs::rename(folder / "stale", stale);
  write_file(folder / "second", "text");
  CHECK(read_text(folder / "second") == "text");
  CHECK(read_text(stale) == "stale");
}

TEST_CASE("reading says what is wrong with the path") {
  const TemporaryFolder folder;
  CHECK_ERROR(read_file(folder / "absent"), "[read_file] cannot open " + (folder / "absent").string());
  CHECK_ERROR(read_text(folder / "absent"), "No such file or directory");
  CHECK_ERROR(read_file(folder.path()), "is not a regular file");
  CHECK_ERROR(read_file("/dev/zero"), "is not a regular file");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_ERROR(read_file(folder / "pipe"), "is not a regular file");
  write_file(folder / "file", "12345");
  CHECK_ERROR(read_file(folder / "file", 4), "has 5 bytes, more than the limit of 4");
  CHECK(read_text(folder / "file", 5) == "12345");
}

}  // namespace
}  // namespace espalier
