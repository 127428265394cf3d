#include "core/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sstream>
#include <system_error>

#include "core/error.h"

namespace espalier {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

template <typename Call>
auto retry_interrupted(Call call) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void sync_folder(const std::filesystem::path& path) {
  const auto folder = folder_of(path);
  const Descriptor descriptor(
      retry_interrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  const bool synced =
      descriptor.get() >= 0 && retry_interrupted([&] { return ::fsync(descriptor.get()); }) == 0;
  // A file system that cannot sync folders says EINVAL; the rename is then as durable as it gets.
  if (!synced && errno != EINVAL)
    fail("[write_file] {} is written, but its folder cannot be synced: {}", path.string(), reason(errno));
}

void rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    fail("[write_file] cannot rename {} to {}: {}", from.string(), to.string(), reason(errno));
  sync_folder(to);
}

// Reads a file, or its first `most` bytes, into a container sized by the file once that is known to be within
// `limit`.
template <typename Bytes>
Bytes read_whole(const std::filesystem::path& path, uint64_t limit, uint64_t most = UINT64_MAX) {
  // O_NONBLOCK, lest a named pipe without a writer waits for ever; regular files ignore it.
  const Descriptor descriptor(
      retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  struct stat status {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0)
    fail("[read_file] cannot open {}: {}", path.string(), reason(errno));
  check(S_ISREG(status.st_mode), "[read_file] {} is not a regular file", path.string());
  const auto whole = static_cast<uint64_t>(status.st_size), size = std::min(whole, most);
  check(whole <= limit, "[read_file] {} has {} bytes, more than the limit of {}", path.string(), whole,
        limit);

  Bytes bytes(size, {});
  for (size_t done = 0; done < size;) {
    const ssize_t count =
        retry_interrupted([&] { return ::read(descriptor.get(), bytes.data() + done, size - done); });
    if (count < 0) fail("[read_file] cannot read {}: {}", path.string(), reason(errno));
    check(count > 0, "[read_file] {} shrank while it was read: {} bytes came, {} were due", path.string(),
          done, size);
    done += static_cast<size_t>(count);
  }
  return bytes;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  // Renaming over a device, a pipe or a folder would replace it, not write to it.
  std::error_code ignored;
  const auto status = std::filesystem::status(path_, ignored);
  check(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status),
        "[write_file] {} exists and is not a regular file", path_.string());
  static std::atomic<uint64_t> count{0};
  do {  // A process of the same number may have died and left its temporary: take the next name.
    temporary_ = folder_of(path_) / fmt::format(".espalier-{}-{}.tmp", ::getpid(), count++);
    descriptor_ = retry_interrupted(
        [&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail("[write_file] cannot create a file beside {}: {}", path_.string(), reason(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  check(descriptor_ >= 0, "[write_file] {} is already committed", path_.string());
  while (!bytes.empty()) {
    const ssize_t count = retry_interrupted([&] { return ::write(descriptor_, bytes.data(), bytes.size()); });
    if (count < 0) fail("[write_file] cannot write {}: {}", path_.string(), reason(errno));
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void AtomicFile::commit() {
  check(descriptor_ >= 0, "[write_file] {} is already committed", path_.string());
  if (retry_interrupted([&] { return ::fsync(descriptor_); }) != 0)
    fail("[write_file] cannot sync {}: {}", path_.string(), reason(errno));
  // Linux frees the descriptor even where close() fails, so it is never closed twice.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR)
    fail("[write_file] cannot close {}: {}", path_.string(), reason(errno));
  rename_over(temporary_, path_);
  temporary_.clear();
}

void sync_and_rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const Descriptor descriptor(retry_interrupted([&] { return ::open(from.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (descriptor.get() < 0 || retry_interrupted([&] { return ::fsync(descriptor.get()); }) != 0)
    fail("[write_file] cannot sync {}: {}", from.string(), reason(errno));
  rename_over(from, to);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t limit) {
  return read_whole<std::vector<std::byte>>(path, limit);
}

std::vector<std::byte> read_beginning(const std::filesystem::path& path, uint64_t most) {
  return read_whole<std::vector<std::byte>>(path, UINT64_MAX, most);
}

std::vector<std::string> read_lines(const std::filesystem::path& path, uint64_t limit) {
  std::vector<std::string> lines;
  std::istringstream text(read_text(path, limit));
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::string read_text(const std::filesystem::path& path, uint64_t limit) {
  return read_whole<std::string>(path, limit);
}

}  // namespace espalier
