// What the tests of the emulator share: arrays in device memory, and running something under every schedule.
#pragma once
#include <kernel_env.h>

#include <vector>

#include "cpu/check.h"

extern "C" int ht_emulator_schedule_count();
extern "C" const char* ht_emulator_set_schedule(int);

#define CHECK_OK(call)                                                     \
  do {                                                                     \
    const cudaError_t error_ = (call);                                     \
    CHECK(error_ == cudaSuccess, "%s: %s", #call, cudaGetErrorString(error_)); \
  } while (0)

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    void* memory = nullptr;
    CHECK_OK(cudaMalloc(&memory, count * sizeof(T)));
    data_ = static_cast<T*>(memory);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { CHECK_OK(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice)); }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  T* data() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }
  // Waits for the device.
  std::vector<T> read() const {
    std::vector<T> values(count_);
    CHECK_OK(cudaDeviceSynchronize());
    CHECK_OK(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

template <class F>
void under_every_schedule(const F& f) {
  for (int i = 0; i < ht_emulator_schedule_count(); ++i) f(ht_emulator_set_schedule(i));
  ht_emulator_set_schedule(0);
}
