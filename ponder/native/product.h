// Products of matrices by blocks of rows and panels of columns. A panel is PANEL columns of the second factor, each row of
// it in one piece: [depth, PANEL]. A block of up to MOST_ROWS rows times a panel is summed in registers, each sum in order,
// so a row's result does not depend on which rows come with it.

#pragma once

#include "simd.h"

#define PANEL (2 * LANES)
#define MOST_ROWS (REGISTERS == 32 ? 12 : 6)  // of a block: its sums fit into the registers beside what is read

namespace {

enum Then { PUT, ADD };
enum Side { ROWS, COLUMNS };  // how the first factor lies: row after row, or column after column

// COUNT rows of `a` times one panel, put or added to `out`.
template <int COUNT, Then THEN, Side SIDE>
inline void block(const float* a, int64_t leap, int64_t depth, const float* panel, float* out, int64_t stride) {
    Lane low[COUNT], high[COUNT];
#pragma GCC unroll 16
    for (int r = 0; r < COUNT; r++) low[r] = high[r] = Lane{};
    for (int64_t k = 0; k < depth; k++) {
        const Lane first = load(panel + k * PANEL), second = load(panel + k * PANEL + LANES);
#pragma GCC unroll 16
        for (int r = 0; r < COUNT; r++) {
            const float x = SIDE == ROWS ? a[r * leap + k] : a[k * leap + r];
            low[r] += x * first;
            high[r] += x * second;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < COUNT; r++) {
        float* to = out + r * stride;
        if (THEN == ADD) low[r] += load(to), high[r] += load(to + LANES);
        store(to, low[r]), store(to + LANES, high[r]);
    }
}

template <Then THEN, Side SIDE>
void blocks(int rows, const float* a, int64_t leap, int64_t depth, const float* panel, float* out, int64_t stride) {
    switch (rows) {
#define CASE(N) \
    case N:     \
        return block<N, THEN, SIDE>(a, leap, depth, panel, out, stride);
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if REGISTERS == 32
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#undef CASE
    }
}

// out [rows, columns up to a whole panel] = (or +=) a times panels. Rows (or columns) of `a` are `leap` apart, panels
// `apart`, rows of `out` `stride`. A panel stays in the cache for all rows; blocks are as even as can be.
template <Then THEN, Side SIDE>
void product(
    int64_t rows, const float* a, int64_t leap, int64_t depth, const float* panels, int64_t apart, int64_t columns,
    float* out, int64_t stride
) {
    const int64_t count = (rows + MOST_ROWS - 1) / MOST_ROWS;
    for (int64_t n = 0; n < columns; n += PANEL, panels += apart)
        for (int64_t i = 0; i < count; i++) {
            const int64_t first = rows * i / count, end = rows * (i + 1) / count;
            const float* from = a + (SIDE == ROWS ? first * leap : first);
            blocks<THEN, SIDE>(int(end - first), from, leap, depth, panels, out + first * stride + n, stride);
        }
}

// The same for a plain a [rows, depth] and panels that follow each other.
template <Then THEN>
void product(int64_t rows, const float* a, int64_t depth, const float* panels, int64_t columns, float* out) {
    product<THEN, ROWS>(rows, a, depth, depth, panels, depth * PANEL, columns, out, up(columns, PANEL));
}

}  // namespace
