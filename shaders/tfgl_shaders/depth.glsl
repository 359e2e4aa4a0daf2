// The third spatial axis of convolutions and pools. Tiled volumes count their planes as batch elements; without VOLUME
// there is one plane, and the loop over the window's planes is none.
#ifndef VOLUME
#define in_depth 1
#define out_depth 1
#define filter_depth 1
#define stride_depth 1
#define dilation_depth 1
#define pad_front 0
#endif
