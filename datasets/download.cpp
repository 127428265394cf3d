#include "datasets/download.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "core/error.h"
#include "core/io/file.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

constexpr long kConnectSeconds = 30;
constexpr long kStalledSeconds = 60;  // without a byte
constexpr long kPartialContent = 206, kRangeNotSatisfiable = 416;

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

File open(const fs::path& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode), std::fclose);
  if (file == nullptr)
    fail("[download] cannot open {}: {}", path.string(), std::generic_category().message(errno));
  return file;
}

// One request and where its body goes.
class Transfer {
 public:
  Transfer(const Download& file, fs::path part, uint64_t done, const std::function<void(uint64_t)>& progress)
      : file_(file),
        part_path_(std::move(part)),
        done_(done),
        progress_(progress),
        curl_(curl_easy_init(), curl_easy_cleanup) {
    check(curl_ != nullptr, "[download] libcurl cannot be initialised");
    set(CURLOPT_URL, file.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, 10L);
    set(CURLOPT_FAILONERROR, 1L);
    set(CURLOPT_USERAGENT, "espalier");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
    set(CURLOPT_ERRORBUFFER, reason_.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    // Not CURLOPT_RESUME_FROM, which fails where a server sends the whole file.
    if (done > 0) set(CURLOPT_RANGE, fmt::format("{}-", done).c_str());
  }

  // Returns how many bytes of the file are there.
  uint64_t run() {
    const CURLcode code = curl_easy_perform(curl_.get());
    const bool written = part_ == nullptr || std::fflush(part_.get()) == 0;
    if (!fault_.empty()) throw Error(fault_);
    check(written, "[download] cannot write {}: {}", part_path_.string(),
          std::generic_category().message(errno));
    if (status() == kRangeNotSatisfiable) {
      fs::remove(part_path_);
      fail(
          "[download] {}: the file there ends before the {} bytes that were fetched before; they are removed",
          file_.url, done_);
    }
    if (code == CURLE_HTTP_RETURNED_ERROR) fail("[download] {}: the server answers {}", file_.url, status());
    if (code != CURLE_OK)
      fail("[download] {}: {}; {} of {} bytes are there, and the same command goes on from them", file_.url,
           reason_[0] != '\0' ? reason_.data() : curl_easy_strerror(code), done_, file_.bytes);
    return done_;
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(curl_.get(), option, value);
    check(code == CURLE_OK, "[download] {}: {}", file_.url, curl_easy_strerror(code));
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  // The first byte of the file that the body holds.
  uint64_t body_begins() const {
    unsigned long long first = 0;
    curl_header* range = nullptr;
    if (status() == kPartialContent &&
        curl_easy_header(curl_.get(), "Content-Range", 0, CURLH_HEADER, -1, &range) == CURLHE_OK)
      std::sscanf(range->value, "bytes %llu-", &first);
    return first;
  }

  void append(const char* bytes, size_t count) {
    if (part_ == nullptr) {
      const uint64_t first = body_begins();
      check(first == 0 || first == done_,
            "[download] {}: bytes from {} on were asked for; those from {} came", file_.url, done_, first);
      part_ = open(part_path_, first == 0 ? "wb" : "ab");
      done_ = first;
    }
    if (count > file_.bytes - done_) {
      fs::remove(part_path_);
      fail("[download] {}: more than the {} bytes expected came; this is another file, and it is removed",
           file_.url, file_.bytes);
    }
    check(std::fwrite(bytes, 1, count, part_.get()) == count, "[download] cannot write {}: {}",
          part_path_.string(), std::generic_category().message(errno));
    done_ += count;
    if (progress_) progress_(done_);
  }

  // Exceptions do not pass through C: they wait in fault_.
  static size_t on_body(char* bytes, size_t, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      transfer.append(bytes, count);
      return count;
    } catch (const std::exception& error) {
      transfer.fault_ = error.what();
      return count + 1;  // ends the transfer
    }
  }

  const Download& file_;
  fs::path part_path_;
  File part_{nullptr, std::fclose};  // opened when the first bytes come
  uint64_t done_;
  const std::function<void(uint64_t)>& progress_;
  std::unique_ptr<CURL, void (*)(CURL*)> curl_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
  std::string fault_;
};

}  // namespace

void download(const Download& file, const std::function<void(uint64_t)>& progress) {
  const fs::path part = file.target.string() + ".part";
  std::error_code absent;
  uint64_t done = fs::file_size(part, absent);
  if (absent || done > file.bytes) done = 0;  // the whole file is asked for, and replaces what is there
  if (done < file.bytes) done = Transfer(file, part, done, progress).run();
  check(done == file.bytes, "[download] {}: {} bytes came, {} were due", file.url, done, file.bytes);
  const std::string md5 = file_md5(part);
  if (md5 != file.md5) {
    fs::remove(part);
    fail("[download] {}: the checksum (MD5) of what came is {}, expected {}; it is removed", file.url, md5,
         file.md5);
  }
  sync_and_rename(part, file.target);
}

std::string file_md5(const fs::path& path) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  check(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1,
        "[download] this OpenSSL has no MD5");
  const File file = open(path, "rb");
  std::array<unsigned char, 1 << 16> block;
  while (const size_t count = std::fread(block.data(), 1, block.size(), file.get()))
    EVP_DigestUpdate(context.get(), block.data(), count);
  check(std::ferror(file.get()) == 0, "[download] cannot read {}", path.string());
  unsigned int length = 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace espalier::datasets
