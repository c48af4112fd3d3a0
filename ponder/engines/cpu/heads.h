// What one query head or several do with the keys and values of one slot.
//
// GROUP (query heads that read one key head) and HEAD (numbers of a head) are constants of the compilation.

#pragma once

#include "simd.h"

#define TILE 16  // positions whose keys lie together

static_assert(HEAD % LANES == 0, "a head is a whole number of vectors");

namespace {

// Pairs of neighbours of a head turned by the angles of a position: x * (cos, cos) + swapped x * (-sin, sin). With a
// weight, the head is normalised first.
inline void rotary(const float* head, const float* weight, float epsilon, const float* turns, float* out) {
    float scale = 1.0f;
    if (weight) {
        Lane squares = {};
        for (int d = 0; d < HEAD; d += LANES) squares += load(head + d) * load(head + d);
        scale = 1.0f / std::sqrt(sum(squares) / HEAD + epsilon);
    }
    for (int d = 0; d < HEAD; d += LANES) {
        const Lane x = weight ? load(head + d) * scale * load(weight + d) : load(head + d);
        store(out + d, x * load(turns + d) + crossed(x, 1) * load(turns + HEAD + d));
    }
}

inline float dot(const float* a, const float* b) {
    Lane products = {};
    for (int d = 0; d < HEAD; d += LANES) products += load(a + d) * load(b + d);
    return sum(products);
}

constexpr int PARTS = HEAD / LANES;

// Queries that are taken together, as far as their sums fit into registers beside what is read.
constexpr int together() {
    int most = 1;
    for (int n = 1; n <= GROUP; n++)
        if (GROUP % n == 0 && n * PARTS * 4 <= REGISTERS) most = n;
    return most;
}
constexpr int QUERIES = together();
constexpr int WIDE = QUERIES > 1 && REGISTERS > 16 ? 4 : 8;  // vectors of positions at once

// Scores [QUERIES, room] of VECTORS vectors of positions from `t` on. Sums over the head run in order. As many numbers of
// `next`, which is read afterwards, are brought nearer: keys and values of many rows lie far away, and reading them takes
// longer than all else.
template <int VECTORS>
inline void scored(const float* q, const float* keys, const float* next, int64_t t, float* scores, int64_t room) {
    Lane sums[QUERIES][VECTORS] = {};
    const float* from = keys + t / TILE * TILE * HEAD + t % TILE;
    next += t * HEAD;
    for (int d = 0; d < HEAD; d++)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) {
            const Lane key = load(from + v * LANES / TILE * TILE * HEAD + d * TILE + v * LANES % TILE);
            __builtin_prefetch(next + (d * VECTORS + v) * LANES, 0, 2);
#pragma GCC unroll 8
            for (int g = 0; g < QUERIES; g++) sums[g][v] += q[g * HEAD + d] * key;
        }
    for (int g = 0; g < QUERIES; g++)
        for (int v = 0; v < VECTORS; v++) store(scores + g * room + t + v * LANES, sums[g][v]);
}

// Scores of positions up to the last, whose score is `own`, to e^(score - largest); returns one over their sum.
inline float softmax(float* scores, int64_t last, float own) {
    Bits lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    const int64_t whole = last / LANES * LANES;
    const int32_t place = int32_t(last - whole);
    Lane end = load(scores + whole);
    end = lane == place ? all(own) : end;
    end = lane > place ? all(-INFINITY) : end;
    Lane top = end;
    for (int64_t t = 0; t < whole; t += LANES) {
        const Lane here = load(scores + t);
        top = here > top ? here : top;
    }
    const float most = largest(top);
    Lane total = exponential(end - most);
    total = lane > place ? Lane{} : total;
    store(scores + whole, total);
    for (int64_t t = 0; t < whole; t += LANES) {
        const Lane weight = exponential(load(scores + t) - most);
        store(scores + t, weight);
        total += weight;
    }
    return 1.0f / sum(total);
}

// `values` [.., HEAD] weighted by scores [QUERIES, room] times `scale`, summed over even and over odd positions.
inline void mixed(
    const float* scores, int64_t room, const float* scale, const float* values, const float* next, int64_t count, float* out
) {
    Lane even[QUERIES][PARTS] = {}, odd[QUERIES][PARTS] = {};
    int64_t t = 0;
    for (; t + 2 <= count; t += 2)
#pragma GCC unroll 8
        for (int p = 0; p < PARTS; p++) {
            __builtin_prefetch(next + t * HEAD + p * LANES, 0, 2);
            __builtin_prefetch(next + (t + 1) * HEAD + p * LANES, 0, 2);
            const Lane first = load(values + t * HEAD + p * LANES), second = load(values + (t + 1) * HEAD + p * LANES);
#pragma GCC unroll 8
            for (int g = 0; g < QUERIES; g++) {
                even[g][p] += scores[g * room + t] * first;
                odd[g][p] += scores[g * room + t + 1] * second;
            }
        }
    for (int p = 0; p < PARTS; p++)
        for (int g = 0; g < QUERIES; g++) {
            if (t < count) even[g][p] += scores[g * room + t] * load(values + t * HEAD + p * LANES);
            store(out + g * HEAD + p * LANES, (even[g][p] + odd[g][p]) * scale[g]);
        }
}

}  // namespace
