// What native code throws towards its caller; the binding turns it into a HypertuneError with the same code and field.
#pragma once
#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace ht {

class Error : public std::runtime_error {
 public:
  Error(const char* code, std::string field, const std::string& message)
      : std::runtime_error(message), code(code), field(std::move(field)) {}
  const char* code;   // one of lib/engine/errors.ts
  std::string field;  // the argument, value or operand at fault
};

inline std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
inline std::string format(const char* pattern, ...) {
  char text[512];
  va_list args;
  va_start(args, pattern);
  std::vsnprintf(text, sizeof text, pattern, args);
  va_end(args);
  return text;
}

}  // namespace ht
