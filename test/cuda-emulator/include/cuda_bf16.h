// In place of the toolkit's header.
#pragma once
#include "../half_types.h"
#include "cuda_runtime.h"
