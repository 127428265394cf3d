#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"

namespace espalier::test {

HttpServer::HttpServer(std::function<Answer(const std::string& request)> answer)
    : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
            ::listen(listener_, 8) == 0,
        "[test] no port to listen on");
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  ::shutdown(listener_, SHUT_RDWR);
  if (const int client = client_; client >= 0) ::shutdown(client, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string HttpServer::url() const {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  check(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0, "[test] getsockname");
  return fmt::format("http://127.0.0.1:{}/", ntohs(address.sin_port));
}

std::vector<std::string> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  for (;;) {
    client_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client_ < 0) return;
    std::string request;
    char buffer[4096];
    for (ssize_t count = 1; count > 0 && request.find("\r\n\r\n") == request.npos;) {
      count = ::recv(client_, buffer, sizeof buffer, 0);
      if (count > 0) request.append(buffer, static_cast<size_t>(count));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const Answer answer = answer_(request);
    for (size_t sent = 0; sent < answer.bytes.size();) {
      const ssize_t count =
          ::send(client_, answer.bytes.data() + sent, answer.bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    if (answer.unfinished)
      while (::recv(client_, buffer, sizeof buffer, 0) > 0) {
      }
    ::close(client_.exchange(-1));
  }
}

std::string http_answer(const std::string& status, const std::string& body, const std::string& headers) {
  return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}", status, headers,
                     body.size(), body);
}

std::string http_file(const std::string& request, const std::string& content) {
  static const std::string kRange = "Range: bytes=";
  const size_t at = request.find(kRange);
  if (at == request.npos) return http_answer("200 OK", content);
  const size_t first = std::stoul(request.substr(at + kRange.size()));
  if (first >= content.size()) return http_answer("416 Range Not Satisfiable", "");
  return http_answer(
      "206 Partial Content", content.substr(first),
      fmt::format("Content-Range: bytes {}-{}/{}\r\n", first, content.size() - 1, content.size()));
}

}  // namespace espalier::test
