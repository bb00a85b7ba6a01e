// A leak that must be found, or the search for others means nothing: preloaded into a node that does nothing else.
#include <stdlib.h>

__attribute__((constructor)) static void leak(void) {
  volatile char* memory = malloc(1234);
  memory[0] = 1;
}
