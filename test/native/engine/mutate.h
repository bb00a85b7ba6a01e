// Changes to the words of a command buffer that know what the words mean, and a few that do not.
#pragma once
#include <vector>

#include "random.h"

namespace ht::fuzz {

using Words = std::vector<int32_t>;

// Applies one to four changes; `other` is a second valid program to take pieces from. The total in the header is mended
// afterwards, most of the time.
Words mutate(const Words& words, const Words& other, Random& random);

}  // namespace ht::fuzz
