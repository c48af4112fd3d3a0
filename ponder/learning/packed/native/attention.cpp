// Attention over packed tokens with its gradient: rotary positions, scores, softmax and values in one pass over the rows.
//
// A group is the pieces that see one stem, the stem itself first, or a single row. One thread takes a group and a key head
// with all query heads that read it. A piece's queries go in blocks of QUERIES positions over the stem's keys and the
// piece's own up to there, so memory does not grow with the square of a row. Probabilities are computed again in the
// backward pass from what the forward kept of each row of scores: the logarithm of its sum of powers.
//
// softmax(q k^T / sqrt(D)) v (Vaswani et al. 2017, equation 1); the gradient is that of FlashAttention-2 (Dao 2023,
// section 3.1). GROUP (query heads that read one key head) and HEAD (numbers of a head) are constants of the compilation.

#include <algorithm>
#include <atomic>
#include <vector>

#include "pool.h"
#include "product.h"

#define QUERIES 32

static_assert(HEAD % PANEL == 0, "a head is a whole number of panels");

extern "C" {

// `length` packed tokens from `start` on that see each other's past and all of `shared` tokens from `stem` on.
struct Piece {
    int64_t start, length, stem, shared;
};

struct Work {
    int64_t key_heads;
    const float* qkv;    // [N, (GROUP * key_heads + 2 * key_heads) * HEAD]: queries, keys, values; pairs side by side
    const float* turns;  // [N, 2, HEAD]: cosines, and sines that are negative for the first of a pair
    float* out;          // [N, GROUP * key_heads * HEAD]
    float* sums;         // [N, GROUP * key_heads]: logarithm of each row's sum of powers
    const float* grad;   // of `out`; null in the forward pass
    float* to_qkv;       // gradient of `qkv`
    int64_t groups;
    const Piece* pieces;
    const int64_t* borders;  // group i are the pieces from borders[i] to before borders[i + 1]
};
}

namespace {

constexpr int64_t PARTS = HEAD / PANEL;
const float SCALE = 1.0f / std::sqrt(float(HEAD));

// A head turned by the angles of its position, or back, times `scale`.
inline void rotary(const float* head, const float* turns, float way, float scale, float* out) {
    for (int d = 0; d < HEAD; d += LANES) {
        const Lane x = load(head + d);
        store(out + d, (x * load(turns + d) + crossed(x, 1) * load(turns + HEAD + d) * way) * scale);
    }
}

// Keys and values of one key head, in the forms that products read. The stem's lie first, up to a whole panel; then the
// piece's own. `room` positions at most.
struct Keys {
    int64_t room, offset = 0;  // where the piece's own begin
    std::vector<float> across, values_across;  // [room / PANEL, HEAD, PANEL]
    std::vector<float> down, values;           // [PARTS, room, PANEL]
    std::vector<float> to_keys, to_values;     // gradients [room, HEAD]

    Keys(int64_t room, bool backward) : room(room), across(room * HEAD), values(room * HEAD) {
        for (auto* some : {&values_across, &down, &to_keys, &to_values}) some->resize(backward ? room * HEAD : 0);
    }

    void put(int64_t at, const float* key, const float* value, const float* turns) {
        float rotated[HEAD];
        rotary(key, turns, 1, 1, rotated);
        for (int d = 0; d < HEAD; d++) across[(at / PANEL * HEAD + d) * PANEL + at % PANEL] = rotated[d];
        for (int64_t p = 0; p < PARTS; p++)
            std::memcpy(&values[(p * room + at) * PANEL], value + p * PANEL, PANEL * sizeof(float));
        if (down.empty()) return;
        for (int d = 0; d < HEAD; d++) values_across[(at / PANEL * HEAD + d) * PANEL + at % PANEL] = value[d];
        for (int64_t p = 0; p < PARTS; p++)
            std::memcpy(&down[(p * room + at) * PANEL], rotated + p * PANEL, PANEL * sizeof(float));
    }

    // Behind the last position of a panel stands nothing that may be read as a number of another piece.
    void fill(int64_t from, int64_t to) {
        for (int64_t at = from; at < to; at++) {
            for (int d = 0; d < HEAD; d++) across[(at / PANEL * HEAD + d) * PANEL + at % PANEL] = 0;
            for (int64_t p = 0; p < PARTS; p++) std::memset(&values[(p * room + at) * PANEL], 0, PANEL * sizeof(float));
            if (down.empty()) continue;
            for (int d = 0; d < HEAD; d++) values_across[(at / PANEL * HEAD + d) * PANEL + at % PANEL] = 0;
            for (int64_t p = 0; p < PARTS; p++) std::memset(&down[(p * room + at) * PANEL], 0, PANEL * sizeof(float));
        }
    }
};

// Numbers of one block of queries: row g * count + j is query head g of position j.
struct Block {
    std::vector<float> q, q_panels, scores, to_scores, grad, grad_panels, out;
    explicit Block(int64_t room)
        : q(GROUP * QUERIES * HEAD), q_panels(q.size()), scores(GROUP * QUERIES * room), to_scores(scores.size()),
          grad(q.size()), grad_panels(q.size()), out(q.size()) {}
};

struct Head {
    const Work& w;
    int64_t index, heads, stride;  // of the key head, all query heads, and numbers of a token in qkv

    const float* query(int64_t token, int64_t g) const { return w.qkv + token * stride + (index * GROUP + g) * HEAD; }
    int64_t key(int64_t token) const { return token * stride + (heads + index) * HEAD; }
    int64_t value(int64_t token) const { return key(token) + w.key_heads * HEAD; }
    const float* turns(int64_t token) const { return w.turns + token * 2 * HEAD; }
};

void read(const Head& head, Keys& keys, int64_t at, int64_t token, int64_t count) {
    const float* qkv = head.w.qkv;
    for (int64_t i = 0; i < count; i++, token++)
        keys.put(at + i, qkv + head.key(token), qkv + head.value(token), head.turns(token));
    keys.fill(at + count, up(at + count, PANEL));
}

// Scores [rows, width] of one row to e^(score - largest) where it sees them and zero elsewhere; their sum and the largest.
inline void powers(float* scores, int64_t width, int64_t shared, int64_t offset, int64_t seen, float* top, float* total) {
    for (int64_t t = shared; t < offset; t++) scores[t] = -INFINITY;
    for (int64_t t = offset + seen; t < width; t++) scores[t] = -INFINITY;
    Lane most = load(scores);
    for (int64_t t = LANES; t < width; t += LANES) {
        const Lane here = load(scores + t);
        most = here > most ? here : most;
    }
    *top = largest(most);
    Lane sums = {};
    for (int64_t t = 0; t < width; t += LANES) {
        const Lane x = load(scores + t) - *top;
        const Lane power = x < -87.0f ? Lane{} : exponential(x);
        store(scores + t, power);
        sums += power;
    }
    *total = sum(sums);
}

void forward(const Head& head, const Piece& piece, const Keys& keys, Block& b) {
    for (int64_t first = 0; first < piece.length; first += QUERIES) {
        const int64_t count = std::min<int64_t>(QUERIES, piece.length - first), rows = GROUP * count;
        const int64_t width = keys.offset + up(first + count, PANEL);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t token = piece.start + first + r % count;
            rotary(head.query(token, r / count), head.turns(token), 1, SCALE, &b.q[r * HEAD]);
        }
        product<PUT>(rows, b.q.data(), HEAD, keys.across.data(), width, b.scores.data());
        float over[GROUP * QUERIES];
        for (int64_t r = 0; r < rows; r++) {
            float top, total;
            powers(&b.scores[r * width], width, piece.shared, keys.offset, first + r % count + 1, &top, &total);
            over[r] = 1 / total;
            const int64_t token = piece.start + first + r % count;
            head.w.sums[token * head.heads + head.index * GROUP + r / count] = top + std::log(total);
        }
        product<PUT, ROWS>(
            rows, b.scores.data(), width, width, keys.values.data(), keys.room * PANEL, HEAD, b.out.data(), HEAD
        );
        for (int64_t r = 0; r < rows; r++) {
            const int64_t token = piece.start + first + r % count;
            float* to = head.w.out + (token * head.heads + head.index * GROUP + r / count) * HEAD;
            for (int d = 0; d < HEAD; d += LANES) store(to + d, load(&b.out[r * HEAD + d]) * over[r]);
        }
    }
}

// The gradient of the piece's queries into `to_qkv`; those of keys and values are added to `keys`.
void backward(const Head& head, const Piece& piece, Keys& keys, Block& b) {
    for (int64_t first = 0; first < piece.length; first += QUERIES) {
        const int64_t count = std::min<int64_t>(QUERIES, piece.length - first), rows = GROUP * count;
        const int64_t width = keys.offset + up(first + count, PANEL);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t token = piece.start + first + r % count, at = token * head.heads + head.index * GROUP + r / count;
            rotary(head.query(token, r / count), head.turns(token), 1, SCALE, &b.q[r * HEAD]);
            std::memcpy(&b.grad[r * HEAD], head.w.grad + at * HEAD, HEAD * sizeof(float));
            for (int64_t p = 0; p < PARTS; p++) {
                std::memcpy(&b.q_panels[(p * rows + r) * PANEL], &b.q[r * HEAD + p * PANEL], PANEL * sizeof(float));
                std::memcpy(&b.grad_panels[(p * rows + r) * PANEL], &b.grad[r * HEAD + p * PANEL], PANEL * sizeof(float));
            }
        }
        product<PUT>(rows, b.q.data(), HEAD, keys.across.data(), width, b.scores.data());
        product<PUT>(rows, b.grad.data(), HEAD, keys.values_across.data(), width, b.to_scores.data());
        for (int64_t r = 0; r < rows; r++) {
            const int64_t token = piece.start + first + r % count, seen = first + r % count + 1;
            const float log = head.w.sums[token * head.heads + head.index * GROUP + r / count];
            float *p = &b.scores[r * width], *to = &b.to_scores[r * width];
            for (int64_t t = piece.shared; t < keys.offset; t++) p[t] = -INFINITY;
            for (int64_t t = keys.offset + seen; t < width; t++) p[t] = -INFINITY;
            Lane along = {};
            for (int64_t t = 0; t < width; t += LANES) {
                const Lane x = load(p + t) - log;
                const Lane probability = x < -87.0f ? Lane{} : exponential(x);
                store(p + t, probability);
                along += probability * load(to + t);
            }
            const float mean = sum(along);
            for (int64_t t = 0; t < width; t += LANES) store(to + t, load(p + t) * (load(to + t) - mean));
        }
        product<PUT, ROWS>(
            rows, b.to_scores.data(), width, width, keys.down.data(), keys.room * PANEL, HEAD, b.out.data(), HEAD
        );
        for (int64_t r = 0; r < rows; r++) {
            const int64_t token = piece.start + first + r % count;
            float* to = head.w.to_qkv + (head.query(token, r / count) - head.w.qkv);
            rotary(&b.out[r * HEAD], head.turns(token), -1, SCALE, to);
        }
        product<ADD, COLUMNS>(
            width, b.to_scores.data(), width, rows, b.q_panels.data(), rows * PANEL, HEAD, keys.to_keys.data(), HEAD
        );
        product<ADD, COLUMNS>(
            width, b.scores.data(), width, rows, b.grad_panels.data(), rows * PANEL, HEAD, keys.to_values.data(), HEAD
        );
    }
}

// What was added up for `count` keys from `at` on, added to the gradient of the tokens from `token` on, or put there.
void give(const Head& head, const Keys& keys, int64_t at, int64_t token, int64_t count, bool add) {
    float back[HEAD];
    for (int64_t i = 0; i < count; i++, at++, token++) {
        rotary(&keys.to_keys[at * HEAD], head.turns(token), -1, 1, back);
        float *to_key = head.w.to_qkv + head.key(token), *to_value = head.w.to_qkv + head.value(token);
        for (int d = 0; d < HEAD; d += LANES) {
            const Lane value = load(&keys.to_values[at * HEAD + d]);
            store(to_key + d, add ? load(to_key + d) + load(back + d) : load(back + d));
            store(to_value + d, add ? load(to_value + d) + value : value);
        }
    }
}

void group(const Head& head, const Piece* piece, const Piece* end) {
    const bool with_gradient = head.w.grad != nullptr;
    int64_t longest = 0, stem = 0;
    for (const Piece* p = piece; p < end; p++)
        longest = std::max(longest, up(p->shared, PANEL) + up(p->length, PANEL)), stem = std::max(stem, p->shared);
    Keys keys(longest, with_gradient);
    Block block(longest);
    const Piece* seeing = end;  // the first that sees the stem
    for (; piece < end; piece++) {
        if (piece->shared && seeing == end) {
            seeing = piece;
            read(head, keys, 0, piece->stem, piece->shared);
            std::fill(keys.to_keys.begin(), keys.to_keys.end(), 0.0f);
            std::fill(keys.to_values.begin(), keys.to_values.end(), 0.0f);
        }
        keys.offset = up(piece->shared, PANEL);
        read(head, keys, keys.offset, piece->start, piece->length);
        if (!with_gradient) {
            forward(head, *piece, keys, block);
            continue;
        }
        std::fill(keys.to_keys.begin() + keys.offset * HEAD, keys.to_keys.end(), 0.0f);
        std::fill(keys.to_values.begin() + keys.offset * HEAD, keys.to_values.end(), 0.0f);
        backward(head, *piece, keys, block);
        give(head, keys, keys.offset, piece->start, piece->length, false);
    }
    if (with_gradient && seeing != end) give(head, keys, 0, seeing->stem, stem, true);
}

struct Job {
    const Work* work;
    std::atomic<int64_t> next;
    std::atomic<bool> failed;
};

void worker(void* data) {
    Job& job = *static_cast<Job*>(data);
    const Work& w = *job.work;
    const int64_t heads = GROUP * w.key_heads;
    try {
        for (int64_t i; (i = job.next.fetch_add(1)) < w.groups * w.key_heads;) {
            const Head head = {w, i % w.key_heads, heads, (heads + 2 * w.key_heads) * HEAD};
            const int64_t* border = w.borders + i / w.key_heads;
            group(head, w.pieces + border[0], w.pieces + border[1]);
        }
    } catch (const std::bad_alloc&) {
        job.failed = true;
    }
}

}  // namespace

// Forward, or with `grad` backward, on at most `threads` threads of `parallel` (null: on this one). 1 without memory.
extern "C" int attention(const Work* work, Parallel parallel, int threads) {
    Job job = {work, {0}, {false}};
    shared_out(parallel, threads, work->groups * work->key_heads, worker, &job);
    return job.failed;
}
