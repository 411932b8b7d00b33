// What every text that is not calm writes, side by side and before the text itself: between exchanges the host puts back what
// was written, by blocks of 4 KiB.
#include "redact.h"

struct text text = {0};
struct number number = {0};
struct open open = {0};
u32 next_block = 0;

SLUICE_ARENA(SLUICE_WINDOW + SLUICE_CONTEXT + 64)
