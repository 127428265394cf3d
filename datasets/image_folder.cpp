#include "datasets/image_folder.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <thread>

#include "core/error.h"
#include "datasets/image.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = uint64_t{4} << 30;

bool is_image(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

template <typename Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code unreadable;  // counts as unwanted
    if (wanted(*at, unreadable)) entries.push_back(at->path());
  }
  check(!error, "[images] {}: cannot be listed: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool is_folder(const fs::path& path) {
  std::error_code unreadable;  // counts as absent
  return fs::is_directory(path, unreadable);
}

std::string test_name(const fs::path& root) {
  return is_folder(root / "test") || !is_folder(root / "val") ? "test" : "val";
}

}  // namespace

ImageFolder list_images(const fs::path& folder) {
  ImageFolder result;
  const auto is_folder = [](const fs::directory_entry& entry, std::error_code& error) {
    return entry.is_directory(error);
  };
  const auto is_image_file = [](const fs::directory_entry& entry, std::error_code& error) {
    return is_image(entry.path()) && entry.is_regular_file(error);
  };
  for (const fs::path& name : sorted_entries(folder, is_folder)) {
    for (const fs::path& path : sorted_entries(name, is_image_file))
      result.images.push_back({path, static_cast<int32_t>(result.classes.size())});
    result.classes.push_back(name.filename().string());
  }
  check(!result.images.empty(),
        "[images] {}: {} classes and no image in them; expected <class>/*.jpg, .png or .bmp", folder.string(),
        result.classes.size());
  return result;
}

bool has_image_folders(const fs::path& root) {
  return is_folder(root / "train") && is_folder(root / test_name(root));
}

ImageFolders list_image_folders(const fs::path& root) {
  check(has_image_folders(root), "[images] {}: no folders train/ and test/ (or val/) there", root.string());
  const std::string test = test_name(root);
  ImageFolders folders{root, test, list_images(root / "train"), list_images(root / test)};
  check(folders.train.classes == folders.test.classes,
        "[images] {}: the classes of train/ ({}) and {}/ ({}) differ", root.string(),
        fmt::join(folders.train.classes, ", "), test, fmt::join(folders.test.classes, ", "));
  return folders;
}

MemoryImages decode_images(const ImageFolder& folder, bool strict, std::vector<std::string>& notes) {
  const size_t count = folder.images.size();
  std::vector<std::string> failures(count);

  // The first image that can be read says how large all are.
  Image first;
  size_t begin = 0;
  for (; begin < count && first.pixels.empty(); ++begin) {
    try {
      first = read_image(folder.images[begin].path);
    } catch (const Error& error) {
      if (strict) throw;
      failures[begin] = error.what();
    }
  }
  check(!first.pixels.empty(), "[images] none of {} images can be read, the first because of {}", count,
        failures[0]);
  const std::string model = folder.images[begin - 1].path.string();
  const size_t size = first.pixels.size();
  check(count <= kMostBytes / size,
        "[images] {} images like {}, {} x {}, take {:.1f} GiB decoded; at most {} are held in memory; "
        "image_size decodes them as they are needed",
        count, model, first.height, first.width,
        static_cast<double>(count) * static_cast<double>(size) / (1 << 30), kMostBytes >> 30);

  MemoryImages result{.image_shape = {first.height, first.width, kChannels},
                      .classes = static_cast<int>(folder.classes.size())};
  result.pixels.resize(count * size);
  std::copy(first.pixels.begin(), first.pixels.end(),
            result.pixels.begin() + static_cast<std::ptrdiff_t>((begin - 1) * size));
  std::vector<uint8_t> misfits(count);
  const std::vector<std::string> later = try_each(count - begin, [&](size_t after) {
    const size_t i = begin + after;
    const Image image = read_image(folder.images[i].path);
    misfits[i] = image.height != first.height || image.width != first.width;
    check(
        !misfits[i],
        "[images] {}: {} x {} pixels; {} is {} x {}, and all must be of one size unless image_size is given",
        folder.images[i].path.string(), image.height, image.width, model, first.height, first.width);
    std::copy(image.pixels.begin(), image.pixels.end(),
              result.pixels.begin() + static_cast<std::ptrdiff_t>(i * size));
  });
  std::copy(later.begin(), later.end(), failures.begin() + static_cast<std::ptrdiff_t>(begin));

  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    // An image of another size is sound: the folder is not what this reader is for.
    check(misfits[i] == 0, "{}", failures[i]);
    if (!failures[i].empty()) continue;
    const auto from = result.pixels.begin() + static_cast<std::ptrdiff_t>(i * size);
    if (kept != i)
      std::copy(from, from + static_cast<std::ptrdiff_t>(size),
                result.pixels.begin() + static_cast<std::ptrdiff_t>(kept * size));
    result.labels.push_back(folder.images[i].label);
    ++kept;
  }
  result.pixels.resize(kept * size);
  note_failures(failures, strict, notes);
  return result;
}

std::vector<std::string> try_each(size_t count, const std::function<void(size_t)>& work) {
  std::vector<std::string> failures(count);
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (const std::exception& error) {
        failures[i] = error.what();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < std::min(16u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(run);
  run();
  threads.clear();  // joins
  return failures;
}

void note_failures(const std::vector<std::string>& failures, bool strict, std::vector<std::string>& notes) {
  size_t failed = 0;
  for (const std::string& failure : failures) {
    if (failure.empty()) continue;
    check(!strict, "{}", failure);
    if (++failed <= kMostNamed) notes.push_back("left out: " + failure);
  }
  if (failed > 0)
    notes.push_back(fmt::format("{} of {} images cannot be read and are left out", failed, failures.size()));
}

}  // namespace espalier::datasets
