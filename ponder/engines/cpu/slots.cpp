// Keys and values from cells into slots, and from slot to slot. A slot holds, for each layer and key head, keys in tiles of
// 16 positions [length / 16, dim, 16] and values [length, dim]; a cell [layers, key_heads, 2, dim] holds those of one token.

#include <atomic>
#include <cstring>

#include "pool.h"

#define TILE 16

extern "C" {

struct Slots {
    int64_t layers, key_heads, dim, length;
    float *const *keys, *const *values;
};

struct Move {
    const Slots* slots;
    const float* arena;        // null: from slot to slot
    int64_t moves;
    const int64_t *source, *target;  // where a text begins in `cells`, or its slot; the slot that takes it
    const int64_t* counts;     // its tokens
    const int64_t* cells;
};
}

namespace {

void load(const Slots& s, const float* arena, const int64_t* cells, int64_t slot, int64_t count) {
    const int64_t heads = s.key_heads, dim = s.dim;
    for (int64_t layer = 0; layer < s.layers; layer++)
        for (int64_t h = 0; h < heads; h++) {
            float* keys = s.keys[layer] + (slot * heads + h) * dim * s.length;
            float* values = s.values[layer] + (slot * heads + h) * dim * s.length;
            for (int64_t t = 0; t < count; t++) {
                const float* key = arena + ((cells[t] * s.layers + layer) * heads + h) * 2 * dim;
                float* column = keys + t / TILE * TILE * dim + t % TILE;
                for (int64_t d = 0; d < dim; d++) column[d * TILE] = key[d];
                std::memcpy(values + t * dim, key + dim, dim * sizeof(float));
            }
        }
}

void copy(const Slots& s, int64_t from, int64_t to, int64_t count) {
    const int64_t heads = s.key_heads, apart = s.dim * s.length, whole = (count + TILE - 1) / TILE * TILE * s.dim;
    for (int64_t layer = 0; layer < s.layers; layer++)
        for (int64_t h = 0; h < heads; h++) {
            const int64_t a = (from * heads + h) * apart, b = (to * heads + h) * apart;
            std::memcpy(s.keys[layer] + b, s.keys[layer] + a, whole * sizeof(float));
            std::memcpy(s.values[layer] + b, s.values[layer] + a, count * s.dim * sizeof(float));
        }
}

struct Job {
    const Move* move;
    std::atomic<int64_t> next;
};

void worker(void* data) {
    Job& job = *static_cast<Job*>(data);
    const Move& m = *job.move;
    for (int64_t i; (i = job.next.fetch_add(1)) < m.moves;) {
        if (m.arena)
            load(*m.slots, m.arena, m.cells + m.source[i], m.target[i], m.counts[i]);
        else
            copy(*m.slots, m.source[i], m.target[i], m.counts[i]);
    }
}

}  // namespace

// No slot may be both read and written.
extern "C" void move(const Move* move, Parallel parallel, int threads) {
    Job job = {move, {0}};
    shared_out(parallel, threads, move->moves, worker, &job);
}
