// Programs that must be refused, each for one reason: what the validator says, and where.
#pragma once

namespace ht::fuzz {

// Prints each case that went wrong; returns how many did and raises `passed` by the others.
int run_validator_cases(int& passed);

}  // namespace ht::fuzz
