// The two backends that live in the addon itself: the CPU, and the reference that widens every float to f64.
#pragma once
#include "core/backend.h"

namespace ht {

HtBackend* cpu_backend();
HtBackend* reference_backend();

}  // namespace ht
