// What both forwards are made of: the model and a batch as Python hands them over, norms, attention, memory.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "heads.h"
#include "pool.h"
#include "product.h"

extern "C" {

struct Layer {
    const float *qkv, *bias, *head_norm, *out, *gate_up, *down;
};

struct Model {
    int64_t layers, hidden, inner, key_heads, vocabulary, context;
    float shortest, epsilon;  // of a row before a norm divides by it, of a head
    const float *embedding, *turns, *head;  // turns: [2 * context, 2, HEAD], scaled ones of queries first
    const Layer* layer;
};

struct Work {
    int64_t length;  // positions that a slot has room for
    const int64_t *tokens, *positions, *slots, *cells;
    float *const *keys, *const *values;  // of each layer: [slots * key_heads, length / TILE, HEAD, TILE], [.., length, HEAD]
    float *arena, *hidden, *logits;      // [cells, layers, key_heads, 2, HEAD], [cells, hidden], null or [rows, vocabulary]
    int64_t shares;
    const int64_t* borders;  // share i are the tokens from borders[i] to before borders[i + 1]
};
}

namespace {

// Rows of x over hypot(their length, shortest): the root-mean-square norm, whose weight is in the product that follows.
void normed(int64_t rows, const float* x, int64_t width, float shortest, float* out) {
    for (int64_t n = 0; n < rows; n++, x += width, out += width) {
        Lane squares = {};
        for (int64_t i = 0; i < width; i += LANES) squares += load(x + i) * load(x + i);
        const float length = std::sqrt(sum(squares) + shortest * shortest);
        for (int64_t i = 0; i < width; i += LANES) store(out + i, load(x + i) / length);
    }
}

// Keys and values of one layer into slots and cells, and what the rows' queries find there into `attended`
// [rows, ..]: of the key heads from `h0` to before `h1`. `scores` is memory for QUERIES rows of them.
void attend(
    const Model& m, const Work& w, int64_t index, int64_t first, int64_t rows, int64_t h0, int64_t h1,
    const float* fused, float* attended, float* scores
) {
    const Layer& layer = m.layer[index];
    const int64_t heads = m.key_heads, parts = GROUP + 2, room = up(w.length, LANES);
    float q[GROUP * HEAD], key[HEAD];
    for (int64_t n = 0; n < rows; n++) {
        const int64_t row = first + n, at = w.positions[row];
        const float *for_queries = m.turns + at * 2 * HEAD, *for_keys = m.turns + (m.context + at) * 2 * HEAD;
        float* cell = w.arena + ((w.cells[row] * m.layers + index) * heads + h0) * 2 * HEAD;
        for (int64_t h = h0; h < h1; h++, cell += 2 * HEAD) {
            const float* head = fused + n * up(heads * parts * HEAD, PANEL) + h * parts * HEAD;
            const float *norms = layer.head_norm, *value = head + (GROUP + 1) * HEAD;
            for (int g = 0; g < GROUP; g++)
                rotary(head + g * HEAD, norms ? norms + g * HEAD : norms, m.epsilon, for_queries, q + g * HEAD);
            rotary(head + GROUP * HEAD, norms ? norms + GROUP * HEAD : norms, m.epsilon, for_keys, key);
            float* keys = w.keys[index] + (w.slots[row] * heads + h) * HEAD * w.length;
            float* values = w.values[index] + (w.slots[row] * heads + h) * HEAD * w.length;
            const int64_t after = h + 1 < h1 ? w.slots[row] * heads + h + 1 : w.slots[n + 1 < rows ? row + 1 : row] * heads + h0;
            const float* next = w.keys[index] + after * HEAD * w.length;
            std::memcpy(values + at * HEAD, value, HEAD * sizeof(float));
            std::memcpy(cell, key, HEAD * sizeof(float));
            std::memcpy(cell + HEAD, value, HEAD * sizeof(float));
            for (int g = 0; g < GROUP; g += QUERIES) {
                int64_t t = 0;
                for (; t + WIDE * LANES <= up(at, LANES); t += WIDE * LANES)
                    scored<WIDE>(q + g * HEAD, keys, values, t, scores, room);
                for (; t < at; t += LANES) scored<1>(q + g * HEAD, keys, values, t, scores, room);
                float scale[QUERIES];
                for (int i = 0; i < QUERIES; i++)
                    scale[i] = softmax(scores + i * room, at, dot(q + (g + i) * HEAD, key));
                mixed(scores, room, scale, values, next, at + 1, attended + ((n * heads + h) * GROUP + g) * HEAD);
            }
            // Written last: a read that met a number on its way to memory would wait for it.
            for (int d = 0; d < HEAD; d++) keys[(at / TILE * HEAD + d) * TILE + at % TILE] = key[d];
        }
    }
}

// Memory of one thread, kept from step to step: fresh memory costs a page fault every four kilobytes.
struct Memory {
    float* at = nullptr;
    size_t size = 0;
    float* sized(size_t floats) {
        if (floats > size) {
            std::free(at);
            size = floats + floats / 2;
            at = static_cast<float*>(std::aligned_alloc(64, up(size * sizeof(float), 64)));
            if (!at) size = 0;
        }
        return at;
    }
    ~Memory() { std::free(at); }
};

}  // namespace
