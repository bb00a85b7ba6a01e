// What a backend's functions return: 0, or a reason whose text last_error() gives; engine/cuda_library.cc has the error code of
// each. The values cross a library boundary: never renumber.
#pragma once
#include <cstdint>

extern "C" {

typedef int32_t HtStatus;

enum : HtStatus {
  HT_OK = 0,
  HT_FAILED = 1,            // the device or its runtime reported an error
  HT_NO_MEMORY = 2,         // device memory does not suffice
  HT_NO_DRIVER = 3,
  HT_DRIVER_TOO_OLD = 4,
  HT_NO_DEVICE = 5,         // driver, but no device that it may use
  HT_DEVICE_TOO_OLD = 6,    // compute capability below what the kernels are built for
  HT_NO_CUBLAS = 7,
  HT_CUBLAS_VERSION = 8,    // found, but of another major version
  HT_NO_LIBRARY = 9,        // the backend's shared object is not there or does not load
  HT_LIBRARY_VERSION = 10,  // it was built for another version of the backend table
};

}  // extern "C"
