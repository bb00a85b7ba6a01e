// What a program is run with: symbols, feeds and the contents of its persistent buffers, right for the most part.
#pragma once
#include <vector>

#include "engine/engine.h"
#include "random.h"

namespace ht::fuzz {

std::vector<int32_t> draw_symbols(const Program& program, Random& random);

// Every feed at the size of the symbols, its integers within the ranges that the program checks.
std::vector<HostArray> draw_feeds(const Program& program, const std::vector<int32_t>& symbols, Random& random);

// Content of buffer `index`, likewise.
HostArray draw_buffer(const Program& program, const std::vector<int32_t>& symbols, int32_t index, const BufferSpec& spec, Random& random);

// Wrong lengths, types and counts, indices out of range, offsets that fall, symbols past their capacity, NaN.
void spoil(std::vector<int32_t>& symbols, std::vector<HostArray>& feeds, Random& random);

}  // namespace ht::fuzz
