// The CPU and reference kernels on private copies of their operands, each a heap block of exactly its own size: an address
// sanitizer then sees any access outside an operand, which in one arena would be the inside of a neighbour.
#pragma once
#include "core/backend.h"

namespace ht::fuzz {

HtBackend* isolating_backend(bool reference);

}  // namespace ht::fuzz
