// Valid programs that every mutant starts from: each op of the table at least once, views, symbols, optional operands,
// repeated groups, writes, stop values, indices from feeds, from buffers and from the device.
#pragma once
#include <vector>

#include "draft.h"

namespace ht::fuzz {

std::vector<Draft> corpus();

// One part per file.
void add_basic_programs(std::vector<Draft>& out);       // views, rows, elementwise, state, optimizer
void add_model_programs(std::vector<Draft>& out);       // embedding, norm, linear, attention, heads, loss
void add_generation_programs(std::vector<Draft>& out);  // caches, decoding, indices computed on the device

}  // namespace ht::fuzz
