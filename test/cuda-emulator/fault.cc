#include "fault.h"

#include <cstring>

namespace emulator {

bool operator==(const Place& a, const Place& b) { return a.line == b.line && (a.file == b.file || (a.file && b.file && !std::strcmp(a.file, b.file))); }

std::string to_string(const Place& place) {
  if (!place.file) return "its start";
  const char* slash = std::strrchr(place.file, '/');
  return std::string(slash ? slash + 1 : place.file) + ":" + std::to_string(place.line);
}

}  // namespace emulator
