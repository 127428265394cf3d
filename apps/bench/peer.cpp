#include "apps/bench/peer.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/io/json.h"

extern char** environ;

namespace espalier::apps {

std::unique_ptr<Peer> Peer::start(const std::string& python, const std::string& script,
                                  const std::vector<std::string>& arguments, std::string& missing) {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "[bench] no socket for {}: {}", script,
        std::strerror(errno));
  std::vector<std::string> words = {python, ESPALIER_BENCH_DIR "/" + script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t process = 0;
  const int fault = posix_spawnp(&process, python.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (fault != 0) {
    close(ends[0]);
    missing = fmt::format("{} cannot be started: {}", python, std::strerror(fault));
    return nullptr;
  }
  std::unique_ptr<Peer> peer(new Peer(script, ends[0], process));
  const nlohmann::json hello = peer->answer();
  if (hello.contains("missing")) {
    missing = fmt::format("{}: {}", python, hello.at("missing").get<std::string>());
    return nullptr;
  }
  peer->version_ = hello.at("version").get<std::string>();
  return peer;
}

Peer::~Peer() {
  close(socket_);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

nlohmann::json Peer::ask(const nlohmann::json& request) {
  const std::string line = request.dump() + "\n";
  for (size_t sent = 0; sent < line.size();) {
    // Without the signal that a pipe to a process that ended would raise.
    const ssize_t count = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    check(count >= 0, "[bench] {} has ended: {}", script_, std::strerror(errno));
    sent += static_cast<size_t>(count);
  }
  nlohmann::json reply = answer();
  check(!reply.contains("error"), "[bench] {} failed at {}:\n{}", script_, request.dump(),
        reply.value("error", ""));
  return reply;
}

nlohmann::json Peer::answer() {
  size_t end;
  while ((end = unread_.find('\n')) == std::string::npos) {
    char text[4096];
    const ssize_t count = read(socket_, text, sizeof text);
    if (count < 0 && errno == EINTR) continue;
    check(count > 0, "[bench] {} ended without an answer", script_);
    unread_.append(text, static_cast<size_t>(count));
  }
  const std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  try {
    return parse_json(line);
  } catch (const nlohmann::json::exception& error) {
    fail("[bench] {} answered '{}': {}", script_, line, error.what());
  }
}

}  // namespace espalier::apps
