// Tokens through the whole model on the CPU as one function: one token a row in a decode step, all of a text in a prefill.
//
// A thread takes some tokens through all layers without meeting the others, so their numbers stay in its cache and nothing
// waits between operations. The matrices lie in panels of PANEL columns (`panels` in forward.py); a block of up to MOST_ROWS
// rows times a panel is summed in registers, each sum over k in order. So what is computed for a token does not depend, to
// the last bit, on which tokens came with it. Attention reads the keys [length / 16, D, 16] and values [length, D] of the token's
// slot and ends where the token stands; tokens of one text follow each other in one share.
//
// GROUP (query heads that read one key head) and HEAD (numbers of a head) are constants of the compilation.

#include "layer.h"

#define BLOCK 48  // tokens at once: what lies between two products stays in a core's cache

namespace {

// silu(gate) * up of [rows, 2 * inner] into [rows, inner].
void gated(int64_t rows, const float* gate_up, int64_t inner, float* out) {
    for (int64_t n = 0; n < rows; n++, gate_up += 2 * inner, out += inner)
        for (int64_t i = 0; i < inner; i += LANES) {
            const Lane gate = load(gate_up + i);
            store(out + i, gate * load(gate_up + inner + i) / (1.0f + exponential(-gate)));
        }
}

struct Scratch {
    float *x, *h, *fused, *gate_up, *act, *attended, *logits, *scores;
};

// Logits [rows, vocabulary] of final hidden states x.
void logits_of(const Model& m, const float* x, int64_t rows, const Scratch& s, float* logits) {
    normed(rows, x, m.hidden, m.shortest, s.h);
    product<PUT>(rows, s.h, m.hidden, m.head, m.vocabulary, s.logits);
    const int64_t stride = up(m.vocabulary, PANEL);
    for (int64_t n = 0; n < rows; n++)
        std::memcpy(logits + n * m.vocabulary, s.logits + n * stride, m.vocabulary * sizeof(float));
}

void forward(const Model& m, const Work& w, int64_t first, int64_t rows, const Scratch& s) {
    const int64_t fused = m.key_heads * (GROUP + 2) * HEAD, wide = up(fused, PANEL), queries = m.key_heads * GROUP * HEAD;
    for (int64_t n = 0; n < rows; n++)
        std::memcpy(s.x + n * m.hidden, m.embedding + w.tokens[first + n] * m.hidden, m.hidden * sizeof(float));
    for (int64_t i = 0; i < m.layers; i++) {
        const Layer& layer = m.layer[i];
        normed(rows, s.x, m.hidden, m.shortest, s.h);
        if (layer.bias) {
            for (int64_t n = 0; n < rows; n++) std::memcpy(s.fused + n * wide, layer.bias, fused * sizeof(float));
            product<ADD>(rows, s.h, m.hidden, layer.qkv, fused, s.fused);
        } else {
            product<PUT>(rows, s.h, m.hidden, layer.qkv, fused, s.fused);
        }
        attend(m, w, i, first, rows, 0, m.key_heads, s.fused, s.attended, s.scores);
        product<ADD>(rows, s.attended, queries, layer.out, m.hidden, s.x);
        normed(rows, s.x, m.hidden, m.shortest, s.h);
        product<PUT>(rows, s.h, m.hidden, layer.gate_up, 2 * m.inner, s.gate_up);
        gated(rows, s.gate_up, m.inner, s.act);
        product<ADD>(rows, s.act, m.inner, layer.down, m.hidden, s.x);
    }
    for (int64_t n = 0; n < rows; n++)
        std::memcpy(w.hidden + w.cells[first + n] * m.hidden, s.x + n * m.hidden, m.hidden * sizeof(float));
    if (w.logits) logits_of(m, s.x, rows, s, w.logits + first * m.vocabulary);
}

thread_local Memory memory;

// Buffers for BLOCK tokens in one thread's memory; false if there is none.
bool sized(const Model& m, int64_t length, Scratch& s) {
    const int64_t widths[] = {
        m.hidden, m.hidden, up(m.key_heads * (GROUP + 2) * HEAD, PANEL), 2 * m.inner, m.inner,
        m.key_heads * GROUP * HEAD, up(m.vocabulary, PANEL),
    };
    float** const buffers[] = {&s.x, &s.h, &s.fused, &s.gate_up, &s.act, &s.attended, &s.logits};
    size_t floats = QUERIES * up(length, LANES);
    for (int64_t width : widths) floats += width * BLOCK;
    float* at = memory.sized(floats);
    for (int i = 0; i < 7; i++) *buffers[i] = at, at += widths[i] * BLOCK;
    s.scores = at;
    return memory.at != nullptr;
}

struct Job {
    const Model* model;
    const Work* work;
    std::atomic<int64_t> next;
    std::atomic<bool> failed;
};

void worker(void* data) {
    Job& job = *static_cast<Job*>(data);
    const Work& w = *job.work;
    Scratch scratch;
    if (!sized(*job.model, w.length, scratch)) {
        job.failed = true;
        return;
    }
    for (int64_t i; (i = job.next.fetch_add(1)) < w.shares;)
        for (int64_t first = w.borders[i], end = w.borders[i + 1]; first < end; first += BLOCK)
            forward(*job.model, w, first, std::min<int64_t>(BLOCK, end - first), scratch);
}

}  // namespace

extern "C" {

int panel_width() { return PANEL; }

int block_rows() { return BLOCK; }

// All shares on at most `threads` threads of `parallel` (null: on this one). 1 if there is no memory.
int run(const Model* model, const Work* work, Parallel parallel, int threads) {
    Job job = {model, work, {0}, {false}};
    shared_out(parallel, threads, work->shares, worker, &job);
    return job.failed;
}

// Logits [rows, vocabulary] of final hidden states [rows, hidden], on this thread. 1 if there is no memory.
int logits(const Model* model, int64_t rows, const float* hidden, float* out, Parallel, int) {
    Scratch scratch;
    if (!sized(*model, 0, scratch)) return 1;
    for (int64_t n = 0; n < rows; n += BLOCK) {
        const int64_t count = std::min<int64_t>(BLOCK, rows - n);
        logits_of(*model, hidden + n * model->hidden, count, scratch, out + n * model->vocabulary);
    }
    return 0;
}
}
