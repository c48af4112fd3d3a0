// The forward of forward.cpp for weights that fit into no core's cache: all threads go through a layer together.
//
// A product is parted by columns and not by tokens, so each weight comes out of the memory once a step, however many
// tokens there are; attention is parted by texts and key heads. Threads meet between the parts of a layer. Each sum still
// runs over k in order in one thread, so a token's numbers depend neither on the batch nor on the number of threads.

#include "layer.h"

#define TILE_ROWS 48  // tokens whose numbers stay in a core's cache while a few panels pass

namespace {

struct Threads {
    Parallel parallel;
    int count;
};

// f(item) for each of `items`, by whichever thread is free; one item is done at once.
template <class F>
void over(const Threads& threads, int64_t items, F f) {
    struct Job {
        F& f;
        int64_t items;
        std::atomic<int64_t> next;
    } job = {f, items, {0}};
    shared_out(
        threads.parallel, threads.count, items,
        [](void* data) {
            Job& job = *static_cast<Job*>(data);
            for (int64_t i; (i = job.next.fetch_add(1)) < job.items;) job.f(i);
        },
        &job
    );
}

// One token times PANELS panels at once: a single panel would leave the sums waiting for each other and the memory idle.
template <int PANELS, Then THEN>
inline void single(const float* a, int64_t depth, const float* panel, float* out) {
    Lane sums[2 * PANELS] = {};
    for (int64_t k = 0; k < depth; k++)
#pragma GCC unroll 8
        for (int p = 0; p < PANELS; p++) {
            sums[2 * p] += a[k] * load(panel + (p * depth + k) * PANEL);
            sums[2 * p + 1] += a[k] * load(panel + (p * depth + k) * PANEL + LANES);
        }
    for (int i = 0; i < 2 * PANELS; i++)
        store(out + i * LANES, THEN == ADD ? sums[i] + load(out + i * LANES) : sums[i]);
}

// Panels from `first` to before `end` of out [rows, ..] = (or +=) a [rows, depth] times panels.
template <Then THEN>
void some(int64_t rows, const float* a, int64_t depth, const float* panels, int64_t first, int64_t end, float* out, int64_t stride) {
    const int64_t apart = depth * PANEL;
    if (rows == 1) {
        int64_t p = first;
        for (; p + 4 <= end; p += 4) single<4, THEN>(a, depth, panels + p * apart, out + p * PANEL);
        for (; p < end; p++) single<1, THEN>(a, depth, panels + p * apart, out + p * PANEL);
        return;
    }
    for (int64_t n = 0; n < rows; n += TILE_ROWS)
        product<THEN, ROWS>(
            std::min<int64_t>(TILE_ROWS, rows - n), a + n * depth, depth, depth, panels + first * apart, apart,
            (end - first) * PANEL, out + n * stride + first * PANEL, stride
        );
}

// f(first panel, panel after the last) over all panels of a matrix.
template <class F>
void over_panels(const Threads& threads, int64_t columns, F f) {
    const int64_t panels = up(columns, PANEL) / PANEL;
    const int64_t parts = std::min<int64_t>(panels, threads.count == 1 ? 1 : 4 * threads.count);
    over(threads, parts, [&](int64_t i) { f(panels * i / parts, panels * (i + 1) / parts); });
}

// f(first token, tokens) over all tokens; few are not worth a meeting.
template <class F>
void over_rows(const Threads& threads, int64_t rows, F f) {
    const int64_t parts = (rows + TILE_ROWS - 1) / TILE_ROWS;
    over(threads, parts, [&](int64_t i) { f(rows * i / parts, rows * (i + 1) / parts - rows * i / parts); });
}

struct Buffers {
    float *x, *h, *fused, *attended, *act;
};

thread_local Memory for_all, for_one;

bool sized(const Model& m, int64_t rows, Buffers& b) {
    const int64_t widths[] = {
        m.hidden, m.hidden, up(m.key_heads * (GROUP + 2) * HEAD, PANEL), m.key_heads * GROUP * HEAD, m.inner,
    };
    float** const buffers[] = {&b.x, &b.h, &b.fused, &b.attended, &b.act};
    size_t floats = 0;
    for (int64_t width : widths) floats += width * rows;
    float* at = for_all.sized(floats);
    for (int i = 0; i < 5; i++) *buffers[i] = at, at += widths[i] * rows;
    return for_all.at != nullptr;
}

void norm_all(const Model& m, const Threads& threads, int64_t rows, const Buffers& b) {
    over_rows(threads, rows, [&](int64_t first, int64_t count) {
        normed(count, b.x + first * m.hidden, m.hidden, m.shortest, b.h + first * m.hidden);
    });
}

// Queries, keys and values of all tokens.
void project(const Model& m, const Layer& layer, const Threads& threads, int64_t rows, const Buffers& b) {
    const int64_t fused = m.key_heads * (GROUP + 2) * HEAD, wide = up(fused, PANEL);
    over_panels(threads, fused, [&](int64_t first, int64_t end) {
        if (!layer.bias) return some<PUT>(rows, b.h, m.hidden, layer.qkv, first, end, b.fused, wide);
        for (int64_t n = 0; n < rows; n++)
            for (int64_t c = first * PANEL; c < std::min(end * PANEL, fused); c++) b.fused[n * wide + c] = layer.bias[c];
        some<ADD>(rows, b.h, m.hidden, layer.qkv, first, end, b.fused, wide);
    });
}

// silu(gate) * up, a panel of both at a time.
void gate(const Model& m, const Layer& layer, const Threads& threads, int64_t rows, const Buffers& b) {
    const int64_t ups = m.inner / PANEL;
    over_panels(threads, m.inner, [&](int64_t first, int64_t end) {
        float gates[TILE_ROWS * PANEL], values[TILE_ROWS * PANEL];
        for (int64_t n = 0; n < rows; n += TILE_ROWS)
            for (int64_t p = first; p < end; p++) {
                const int64_t count = std::min<int64_t>(TILE_ROWS, rows - n), apart = m.hidden * PANEL;
                const float* from = b.h + n * m.hidden;
                some<PUT>(count, from, m.hidden, layer.gate_up + p * apart, 0, 1, gates, PANEL);
                some<PUT>(count, from, m.hidden, layer.gate_up + (ups + p) * apart, 0, 1, values, PANEL);
                for (int64_t r = 0; r < count; r++)
                    for (int64_t i = 0; i < PANEL; i += LANES) {
                        const Lane x = load(gates + r * PANEL + i);
                        const Lane y = x * load(values + r * PANEL + i) / (1.0f + exponential(-x));
                        store(b.act + (n + r) * m.inner + p * PANEL + i, y);
                    }
            }
    });
}

// Logits [rows, vocabulary] of what is in b.x.
void logits_of(const Model& m, const Threads& threads, int64_t rows, const Buffers& b, float* logits) {
    norm_all(m, threads, rows, b);
    over_panels(threads, m.vocabulary, [&](int64_t first, int64_t end) {
        const int64_t whole = std::min(end, m.vocabulary / PANEL), rest = m.vocabulary % PANEL;
        some<PUT>(rows, b.h, m.hidden, m.head, first, whole, logits, m.vocabulary);
        if (whole == end) return;
        float last[PANEL];  // the last panel is wider than what is left of a row
        for (int64_t n = 0; n < rows; n++) {
            some<PUT>(1, b.h + n * m.hidden, m.hidden, m.head + whole * m.hidden * PANEL, 0, 1, last, PANEL);
            std::memcpy(logits + n * m.vocabulary + whole * PANEL, last, rest * sizeof(float));
        }
    });
}

// Attention of all shares, each key head apart; false if a thread has no memory.
bool attend_all(const Model& m, const Work& w, int64_t index, const Threads& threads, const Buffers& b) {
    std::atomic<bool> failed{false};
    over(threads, w.shares * m.key_heads, [&](int64_t item) {
        const int64_t share = item / m.key_heads, head = item % m.key_heads, first = w.borders[share];
        float* scores = for_one.sized(QUERIES * up(w.length, LANES));
        if (!scores)
            failed = true;
        else
            attend(
                m, w, index, first, w.borders[share + 1] - first, head, head + 1,
                b.fused + first * up(m.key_heads * (GROUP + 2) * HEAD, PANEL), b.attended + first * m.key_heads * GROUP * HEAD,
                scores
            );
    });
    return !failed;
}

}  // namespace

extern "C" {

int panel_width() { return PANEL; }

// All tokens through the model on at most `count` threads of `parallel` (null: on this one). 1 if there is no memory.
int run(const Model* model, const Work* work, Parallel parallel, int count) {
    const Model& m = *model;
    const Work& w = *work;
    const Threads threads = {parallel, count};
    const int64_t rows = w.borders[w.shares], queries = m.key_heads * GROUP * HEAD, size = m.hidden * sizeof(float);
    Buffers b;
    if (!sized(m, rows, b)) return 1;
    for (int64_t n = 0; n < rows; n++) std::memcpy(b.x + n * m.hidden, m.embedding + w.tokens[n] * m.hidden, size);
    for (int64_t i = 0; i < m.layers; i++) {
        const Layer& layer = m.layer[i];
        norm_all(m, threads, rows, b);
        project(m, layer, threads, rows, b);
        if (!attend_all(m, w, i, threads, b)) return 1;
        over_panels(threads, m.hidden, [&](int64_t first, int64_t end) {
            some<ADD>(rows, b.attended, queries, layer.out, first, end, b.x, m.hidden);
        });
        norm_all(m, threads, rows, b);
        gate(m, layer, threads, rows, b);
        over_panels(threads, m.hidden, [&](int64_t first, int64_t end) {
            some<ADD>(rows, b.act, m.inner, layer.down, first, end, b.x, m.hidden);
        });
    }
    for (int64_t n = 0; n < rows; n++) std::memcpy(w.hidden + w.cells[n] * m.hidden, b.x + n * m.hidden, size);
    if (w.logits) logits_of(m, threads, rows, b, w.logits);
    return 0;
}

// Logits [rows, vocabulary] of final hidden states [rows, hidden]. 1 if there is no memory.
int logits(const Model* model, int64_t rows, const float* hidden, float* out, Parallel parallel, int count) {
    Buffers b;
    if (!sized(*model, rows, b)) return 1;
    std::memcpy(b.x, hidden, rows * model->hidden * sizeof(float));
    logits_of(*model, {parallel, count}, rows, b, out);
    return 0;
}
}
