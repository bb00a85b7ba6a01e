// A fault that the emulator has found, and the place in a kernel that it names.
#pragma once
#include <stdexcept>
#include <string>

namespace emulator {

// Where a device function was called. As a default argument EMULATOR_HERE is the caller's place.
struct Place {
  const char* file = nullptr;
  int line = 0;
  static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};
#define EMULATOR_HERE ::emulator::Place::here()

bool operator==(const Place& a, const Place& b);
inline bool operator!=(const Place& a, const Place& b) { return !(a == b); }
// "rms_norm_cuda.cu:31"
std::string to_string(const Place& place);

// The codes are those of cudaError_t.
constexpr int kLaunchFailure = 719, kMisalignedAddress = 716, kIllegalAddress = 700;

struct Fault : std::runtime_error {
  Fault(int error_code, const std::string& text) : runtime_error(text), code(error_code) {}
  int code;
};

}  // namespace emulator
