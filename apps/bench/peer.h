#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace espalier::apps {

// The other side of a benchmark: a script of apps/bench/ that lives as long as the benchmark, so that what it
// prepares is prepared once, and answers requests, a line of JSON each.
class Peer {
 public:
  // Starts `script` with `arguments`. Null, with the reason in `missing`, where the interpreter or the
  // library that it is about is not there.
  static std::unique_ptr<Peer> start(const std::string& python, const std::string& script,
                                     const std::vector<std::string>& arguments, std::string& missing);
  ~Peer();  // it ends when its input does
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // "PyTorch 1.13.0"
  const std::string& version() const { return version_; }
  // Throws Error with its report when it fails or ends.
  nlohmann::json ask(const nlohmann::json& request);

 private:
  Peer(std::string script, int socket, pid_t process)
      : script_(std::move(script)), socket_(socket), process_(process) {}
  nlohmann::json answer();

  std::string script_, version_, unread_;
  int socket_;
  pid_t process_;
};

}  // namespace espalier::apps
