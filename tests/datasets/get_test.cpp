#include "datasets/get.h"

#include "core/io/file.h"
#include "datasets/download.h"
#include "tests/datasets/tar_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/http_server.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;
using test::http_answer;
using test::http_file;
using test::HttpServer;

// A file of some blocks, none like the next.
std::string make_content() {
  std::string content;
  for (int i = 0; i < 40'000; ++i) content += std::to_string(i * 7919 % 10'007);
  return content;
}

struct DownloadFixture {
  test::TemporaryFolder folder;
  std::string content = make_content();
  fs::path target = folder / "file.bin", part = folder / "file.bin.part";

  std::string md5_of(const std::string& bytes) const {
    write_file(folder / "md5", bytes);
    return file_md5(folder / "md5");
  }
  Download file(const HttpServer& server) const {
    return {server.url() + "file.bin", target, content.size(), md5_of(content)};
  }
  HttpServer::Answer whole_or_rest(const std::string& request) const { return {http_file(request, content)}; }
};

TEST_CASE_METHOD(DownloadFixture, "a file is downloaded, through a redirect, with its progress") {
  HttpServer server([&](const std::string& request) -> HttpServer::Answer {
    if (request.starts_with("GET /file.bin "))
      return {http_answer("302 Found", "moved, says this text", "Location: /elsewhere/file.bin\r\n")};
    return whole_or_rest(request);
  });
  uint64_t last = 0;
  bool rising = true;
  download(file(server), [&](uint64_t bytes) {
    rising = rising && bytes > last;
    last = bytes;
  });
  CHECK(read_text(target) == content);
  CHECK_FALSE(fs::exists(part));
  CHECK(rising);
  CHECK(last == content.size());
  REQUIRE(server.requests().size() == 2);
  CHECK(server.requests()[1].starts_with("GET /elsewhere/file.bin "));
}

TEST_CASE_METHOD(DownloadFixture, "a broken download goes on where it was, by a Range request") {
  bool broken = true;
  HttpServer server([&](const std::string& request) -> HttpServer::Answer {
    const std::string answer = http_file(request, content);
    return {std::exchange(broken, false) ? answer.substr(0, answer.size() / 2) : answer};
  });
  CHECK_ERROR(download(file(server)), "the same command goes on from them");
  REQUIRE(fs::exists(part));
  CHECK_FALSE(fs::exists(target));
  const uint64_t half = fs::file_size(part);
  CHECK(half > content.size() / 3);
  download(file(server));
  CHECK(read_text(target) == content);
  REQUIRE(server.requests().size() == 2);
  CHECK(server.requests()[0].find("Range:") == std::string::npos);
  CHECK(server.requests()[1].find(fmt::format("Range: bytes={}-\r\n", half)) != std::string::npos);
}

TEST_CASE_METHOD(DownloadFixture,
                 "a server that knows no ranges sends the whole file, which replaces the part") {
  HttpServer server([&](const std::string&) { return HttpServer::Answer{http_answer("200 OK", content)}; });
  write_file(part, content.substr(0, 5000));
  download(file(server));
  CHECK(read_text(target) == content);
  CHECK(server.requests().at(0).find("Range: bytes=5000-") != std::string::npos);
}

TEST_CASE_METHOD(DownloadFixture, "a part that is all there already is only checked") {
  HttpServer server([&](const std::string& request) { return whole_or_rest(request); });
  write_file(part, content);
  download(file(server));
  CHECK(read_text(target) == content);
  CHECK(server.requests().empty());
}

TEST_CASE_METHOD(DownloadFixture, "what does not have the checksum is removed") {
  std::string other = content;
  other[1234] ^= 1;
  HttpServer server(
      [&](const std::string& request) { return HttpServer::Answer{http_file(request, other)}; });
  CHECK_ERROR(download(file(server)), fmt::format("the checksum (MD5) of what came is {}, expected {}",
                                                  md5_of(other), md5_of(content)));
  CHECK_FALSE(fs::exists(target));
  CHECK_FALSE(fs::exists(part));
}

TEST_CASE_METHOD(DownloadFixture, "a part of another file does not spoil the next attempt") {
  HttpServer server([&](const std::string& request) { return whole_or_rest(request); });
  write_file(part, std::string(5000, 'x'));
  CHECK_ERROR(download(file(server)), "the checksum (MD5)");
  download(file(server));
  CHECK(read_text(target) == content);

  fs::remove(target);
  write_file(part, std::string(content.size() + 1, 'x'));
  download(file(server));
  CHECK(read_text(target) == content);
}

TEST_CASE_METHOD(DownloadFixture, "a file of another size is refused") {
  HttpServer longer(
      [&](const std::string& request) { return HttpServer::Answer{http_file(request, content + "x")}; });
  CHECK_ERROR(download(file(longer)), fmt::format("more than the {} bytes expected came", content.size()));
  CHECK_FALSE(fs::exists(part));
  const std::string first = content.substr(0, 7000);
  HttpServer shorter(
      [&](const std::string& request) { return HttpServer::Answer{http_file(request, first)}; });
  CHECK_ERROR(download(file(shorter)), fmt::format("7000 bytes came, {} were due", content.size()));
  CHECK_ERROR(download(file(shorter)), "ends before the 7000 bytes that were fetched before");
  CHECK_FALSE(fs::exists(part));
  CHECK_FALSE(fs::exists(target));
}

TEST_CASE_METHOD(DownloadFixture, "a range that was not asked for is refused") {
  HttpServer server([&](const std::string&) {
    return HttpServer::Answer{
        http_answer("206 Partial Content", content.substr(17),
                    fmt::format("Content-Range: bytes 17-{0}/{0}\r\n", content.size()))};
  });
  write_file(part, content.substr(0, 5000));
  CHECK_ERROR(download(file(server)), "bytes from 5000 on were asked for; those from 17 came");
  CHECK(read_text(part) == content.substr(0, 5000));
}

TEST_CASE_METHOD(DownloadFixture, "a refusal by the server is named, leaves nothing and is not tried again") {
  HttpServer server([](const std::string&) {
    return HttpServer::Answer{http_answer("404 Not Found", "<html>not here</html>")};
  });
  CHECK_ERROR(download(file(server)), server.url() + "file.bin: the server answers 404");
  CHECK(server.requests().size() == 1);
  CHECK_FALSE(fs::exists(part));
  CHECK_FALSE(fs::exists(target));
  CHECK_ERROR(download({"file:///etc/passwd", target, 10, "00"}), "file:///etc/passwd");
}

TEST_CASE_METHOD(DownloadFixture,
                 "a data set is fetched, unpacked where the loader looks, and not asked for again") {
  const std::string archive = test::tar_gz({{"set/train.bin", "one"}, {"set/test.bin", "two"}});
  const std::string archive_md5 = md5_of(archive), content_md5 = md5_of(content);
  constexpr std::string_view kMembers[] = {"set/train.bin", "set/test.bin"};
  const PublishedFile files[] = {{"set.tar.gz", archive.size(), archive_md5, kMembers},
                                 {"names.gz", content.size(), content_md5}};
  const Source source{.name = "set",
                      .description = "",
                      .load = nullptr,
                      .published = {"http://publisher.invalid/", "folder", files}};
  HttpServer server([&](const std::string& request) {
    return HttpServer::Answer{http_file(request, request.starts_with("GET /names.gz ") ? content : archive)};
  });
  CHECK(get(source, folder / "data", server.url()));
  CHECK(read_text(folder / "data/folder/set/train.bin") == "one");
  CHECK(read_text(folder / "data/folder/set/test.bin") == "two");
  CHECK(read_text(folder / "data/folder/names.gz") == content);
  CHECK_FALSE(fs::exists(folder / "data/folder/set.tar.gz"));
  CHECK(server.requests().size() == 2);

  CHECK_FALSE(get(source, folder / "data", server.url()));
  CHECK(server.requests().size() == 2);

  // One file lost: its archive alone is fetched. An archive that is there is unpacked without being fetched.
  fs::remove(folder / "data/folder/set/test.bin");
  CHECK(get(source, folder / "data", server.url()));
  CHECK(server.requests().size() == 3);
  fs::remove(folder / "data/folder/set/test.bin");
  write_file(folder / "data/folder/set.tar.gz", archive);
  CHECK(get(source, folder / "data", server.url()));
  CHECK(server.requests().size() == 3);
  CHECK(read_text(folder / "data/folder/set/test.bin") == "two");

  fs::remove(folder / "data/folder/set/test.bin");
  write_file(folder / "data/folder/set.tar.gz", "not this");
  CHECK_ERROR(get(source, folder / "data", server.url()), "remove it to fetch it anew");
}

TEST_CASE("what a data set publishes is where its loader looks and told by its error") {
  size_t published = 0;
  for (const Source& source : sources()) {
    if (source.published.files.empty()) continue;
    INFO(source.name);
    ++published;
    CHECK(source.published.url.starts_with("https://"));
    CHECK(source.published.url.ends_with('/'));
    const test::TemporaryFolder folder;
    CHECK_ERROR(load(source.name, {.data_dir = folder.path()}),
                fmt::format("espalier data get {} --data-dir DIR", source.name));
    // Empty files there are found, and refused for what they hold.
    for (const PublishedFile& file : source.published.files) {
      CHECK(file.md5.size() == 32);
      CHECK(file.md5.find_first_not_of("0123456789abcdef") == std::string_view::npos);
      std::vector<std::string_view> names(file.members.begin(), file.members.end());
      if (names.empty()) names = {file.name};
      for (const std::string_view name : names) {
        const fs::path path = folder.path() / source.published.folder / name;
        fs::create_directories(path.parent_path());
        write_file(path, "");
      }
    }
    CHECK_ERROR(load(source.name, {.data_dir = folder.path()}), "0 bytes");
  }
  CHECK(published == 4);
  const test::TemporaryFolder folder;
  for (const Source& source : sources())
    if (source.name == "synthetic") CHECK_ERROR(get(source, folder.path()), "'synthetic' is not published");
}

}  // namespace
}  // namespace espalier::datasets
