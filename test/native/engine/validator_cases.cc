#include "validator_cases.h"
namespace ht::fuzz {
int run_validator_cases(int& passed) { passed = 0; return 0; }
}
