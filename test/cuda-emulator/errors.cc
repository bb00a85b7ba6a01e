// Error codes, and the words for them.
#include "runtime_state.h"

namespace emulator {
namespace {

struct Name {
  cudaError_t error;
  const char *name, *text;
};
#define ERROR(name, text) {name, #name, text}
constexpr Name kNames[] = {
    ERROR(cudaSuccess, "no error"),
    ERROR(cudaErrorInvalidValue, "invalid argument"),
    ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ERROR(cudaErrorInitializationError, "initialization error"),
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    ERROR(cudaErrorNotReady, "device not ready"),
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ERROR(cudaErrorNotSupported, "operation not supported"),
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    ERROR(cudaErrorStreamCaptureUnmatched, "the capture was not initiated in this stream"),
    ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    ERROR(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    ERROR(cudaErrorStreamCaptureWrongThread, "attempt to terminate a thread-local capture sequence from another thread"),
};
#undef ERROR

const Name& name_of(cudaError_t error) {
  static const Name unknown{error, "cudaErrorUnknown", "unrecognized error code"};
  for (const Name& n : kNames)
    if (n.error == error) return n;
  return unknown;
}

struct LastError {
  cudaError_t error = cudaSuccess;
  cudaError_t told = cudaSuccess;  // what `text` is about; stays when the error is taken
  std::string text;
  std::string answer;  // what cudaGetErrorString returned
};
thread_local LastError last;

struct Broken {
  cudaError_t error = cudaSuccess;
  std::string text;
};
Broken& broken = *new Broken;

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;
  return mutex;
}

cudaError_t report(cudaError_t error, const std::string& text) {
  last.error = last.told = error;
  last.text = text;
  return error;
}

void break_device(const Fault& fault) {
  if (broken.error) return;
  broken.error = static_cast<cudaError_t>(fault.code);
  broken.text = fault.what();
}

cudaError_t broken_error() { return broken.error ? report(broken.error, broken.text) : cudaSuccess; }

void mend_device() {
  broken = Broken();
  last = LastError();
}

}  // namespace emulator

using emulator::last;

cudaError_t cudaGetLastError() {
  const emulator::Lock lock(emulator::runtime_mutex());
  if (const cudaError_t e = emulator::broken_error()) return e;
  const cudaError_t e = last.error;
  last.error = cudaSuccess;
  return e;
}

cudaError_t cudaPeekAtLastError() {
  const emulator::Lock lock(emulator::runtime_mutex());
  if (const cudaError_t e = emulator::broken_error()) return e;
  return last.error;
}

const char* cudaGetErrorName(cudaError_t error) { return emulator::name_of(error).name; }

const char* cudaGetErrorString(cudaError_t error) {
  last.answer = emulator::name_of(error).text;
  if (error != cudaSuccess && last.told == error) last.answer += ": " + last.text;
  return last.answer.c_str();
}
