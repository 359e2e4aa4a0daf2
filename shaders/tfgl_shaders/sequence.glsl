// Evenly spaced numbers: from the first one on up to near_count, from the last one back beyond.
#include "element"
VALUE element(int i) {
    return VALUE(i < near_count ? first_value + NUMBER(i) * step_value : last_value - NUMBER(last_index - i) * step_value);
}
