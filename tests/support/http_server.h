#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace espalier::test {

// An HTTP server on this machine for a scope. It answers one request after another with the bytes that
// `answer` returns for it, status line and headers included, and closes the connection, or, for an answer to
// be left unfinished, waits until the client does.
class HttpServer {
 public:
  struct Answer {
    std::string bytes;
    bool unfinished = false;
  };
  explicit HttpServer(std::function<Answer(const std::string& request)> answer);
  ~HttpServer();

  std::string url() const;                    // ends in '/'
  std::vector<std::string> requests() const;  // request lines and headers

 private:
  void serve();

  std::function<Answer(const std::string&)> answer_;
  int listener_;
  std::atomic<int> client_{-1};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// "200 OK" and the like, headers ("Name: value\r\n" each), Content-Length and the body.
std::string http_answer(const std::string& status, const std::string& body, const std::string& headers = "");
// `content`, or the rest of it that the request's Range asks for.
std::string http_file(const std::string& request, const std::string& content);

}  // namespace espalier::test
