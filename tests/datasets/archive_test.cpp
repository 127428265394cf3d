#include "datasets/archive.h"

#include "core/io/file.h"
#include "tests/datasets/tar_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier::datasets {
namespace {

using test::tar_gz;

constexpr std::string_view kAskedFor[] = {"set/train.bin", "set/test.bin"};

struct ArchiveFixture {
  test::TemporaryFolder folder;
  std::filesystem::path archive = folder / "set.tar.gz", into = folder / "into";
  void unpack_of(const std::vector<test::TarEntry>& entries, uint64_t limit = 1000) const {
    write_file(archive, tar_gz(entries));
    unpack(archive, kAskedFor, into, limit);
  }
};

TEST_CASE_METHOD(ArchiveFixture, "only the members asked for are unpacked, whatever else the archive holds") {
  unpack_of({{"set/readme.html", "hello"}, {"./set/test.bin", "two"}, {"set/train.bin", "one"}});
  CHECK(read_text(into / "set/train.bin") == "one");
  CHECK(read_text(into / "set/test.bin") == "two");
  CHECK_FALSE(std::filesystem::exists(into / "set/readme.html"));
}

TEST_CASE_METHOD(ArchiveFixture, "a path that leaves the folder is refused, though nobody asked for it") {
  CHECK_ERROR(unpack_of({{"set/train.bin", "one"}, {"set/../../evil", "x"}}),
              "set.tar.gz: 'set/../../evil' would lie outside of the folder");
  CHECK_ERROR(unpack_of({{"/tmp/evil", "x"}}), "'/tmp/evil' would lie outside of the folder");
  CHECK_FALSE(std::filesystem::exists(folder / "evil"));
}

TEST_CASE_METHOD(ArchiveFixture, "a member that is a link, missing or too large is an error that names it") {
  CHECK_ERROR(unpack_of({{"set/train.bin", "", "/etc/passwd"}, {"set/test.bin", "two"}}),
              "'set/train.bin' is no regular file");
  CHECK_FALSE(std::filesystem::exists(std::filesystem::symlink_status(into / "set/train.bin")));
  CHECK_ERROR(unpack_of({{"set/train.bin", "one"}}), "set.tar.gz lacks set/test.bin");
  CHECK_ERROR(unpack_of({{"other", std::string(600, 'x')}, {"set/train.bin", std::string(600, 'x')}}),
              "more than 1000 bytes with 'set/train.bin'");
}

TEST_CASE_METHOD(ArchiveFixture, "an archive that is cut short or none at all leaves no file half written") {
  std::string whole = tar_gz({{"set/train.bin", "one"}, {"set/test.bin", std::string(500, 'x')}});
  write_file(archive, whole.substr(0, whole.size() - 40));
  CHECK_ERROR(unpack(archive, kAskedFor, into), "set.tar.gz");
  write_file(archive, "this is no archive");
  CHECK_ERROR(unpack(archive, kAskedFor, into), "set.tar.gz");
  CHECK_ERROR(unpack(folder / "absent.tar.gz", kAskedFor, into), "absent.tar.gz");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    CHECK(entry.path().extension() != ".tmp");
}

}  // namespace
}  // namespace espalier::datasets
