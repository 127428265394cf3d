#pragma once

// Catch2 version 2 (Debian 12) or 3 (Ubuntu 24.04), whichever is installed.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <iostream>
#include <string>

#include "core/error.h"

// The expression throws espalier::Error with `fragment` somewhere in its message.
#define CHECK_ERROR(expression, fragment)                      \
  do {                                                         \
    std::string caught_message = "(nothing was thrown)";       \
    try {                                                      \
      static_cast<void>(expression);                           \
    } catch (const espalier::Error& caught) {                  \
      caught_message = caught.what();                          \
    }                                                          \
    INFO("message: " << caught_message);                       \
    CHECK(caught_message.find(fragment) != std::string::npos); \
  } while (false)

// Leaves the test, which ctest then counts as skipped. Catch2 2 knows no SKIP.
#define SKIP_TEST(reason)                               \
  do {                                                  \
    std::cout << "[skipped] " << (reason) << std::endl; \
    SUCCEED();                                          \
    return;                                             \
  } while (false)
