// Whether there is a device that the kernels can run on, and why not.
#pragma once
#include <string>

#include "core/status.h"

namespace ht::cuda {

struct Probe {
  HtStatus status;
  std::string text;  // the device, driver and capability; else the reason
};

Probe probe_device();

}  // namespace ht::cuda
