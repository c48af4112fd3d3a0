// What lies between the products of a training step, each in one pass over memory: norms, the gate, and their gradients.

#include <atomic>

#include "pool.h"
#include "simd.h"

#define ROWS 64  // that a thread takes at once

namespace {

// x / length into y, length = sqrt(mean(x^2) + epsilon), which is kept.
void norm(int64_t width, const float* x, float epsilon, float* y, float* length) {
    Lane squares = {};
    for (int64_t i = 0; i < width; i += LANES) squares += load(x + i) * load(x + i);
    *length = std::sqrt(sum(squares) / width + epsilon);
    const float over = 1 / *length;
    for (int64_t i = 0; i < width; i += LANES) store(y + i, load(x + i) * over);
}

// (grad - y mean(grad y)) / length.
void norm_back(int64_t width, const float* grad, const float* y, const float* length, float* out) {
    Lane products = {};
    for (int64_t i = 0; i < width; i += LANES) products += load(grad + i) * load(y + i);
    const float along = sum(products) / width, over = 1 / *length;
    for (int64_t i = 0; i < width; i += LANES) store(out + i, (load(grad + i) - load(y + i) * along) * over);
}

// silu(gate) * up, which lie side by side in `both`.
void gate(int64_t inner, const float* both, float* out) {
    for (int64_t i = 0; i < inner; i += LANES) {
        const Lane x = load(both + i);
        store(out + i, x * load(both + inner + i) / (1.0f + exponential(-x)));
    }
}

// From the gradient of that, the gradient of `both`, and silu(gate) * up once more.
void gate_back(int64_t inner, const float* both, const float* grad, float* to_both, float* out) {
    for (int64_t i = 0; i < inner; i += LANES) {
        const Lane x = load(both + i), up = load(both + inner + i), g = load(grad + i);
        const Lane open = 1.0f / (1.0f + exponential(-x)), silu = x * open;
        store(to_both + i, g * up * (open + silu * (1.0f - open)));
        store(to_both + inner + i, g * silu);
        store(out + i, silu * up);
    }
}

struct Job {
    int64_t rows, width;
    float epsilon;
    const float *a, *b, *c;
    float *out, *other;
    void (*one)(const Job&, int64_t);
    std::atomic<int64_t> next;
};

void worker(void* data) {
    Job& job = *static_cast<Job*>(data);
    for (int64_t first; (first = job.next.fetch_add(ROWS)) < job.rows;)
        for (int64_t n = first; n < std::min(first + ROWS, job.rows); n++) job.one(job, n);
}

void run(Job& job, Parallel parallel, int threads) {
    shared_out(parallel, threads, (job.rows + ROWS - 1) / ROWS, worker, &job);
}

}  // namespace

extern "C" {

// y [rows, width] and length [rows] from x [rows, width].
void norm_rows(Parallel parallel, int threads, int64_t rows, int64_t width, float epsilon, const float* x, float* y, float* length) {
    auto one = [](const Job& j, int64_t n) { norm(j.width, j.a + n * j.width, j.epsilon, j.out + n * j.width, j.other + n); };
    Job job = {rows, width, epsilon, x, nullptr, nullptr, y, length, one, {0}};
    run(job, parallel, threads);
}

// out [rows, width] from grad and y [rows, width] and length [rows].
void norm_back_rows(
    Parallel parallel, int threads, int64_t rows, int64_t width, const float* grad, const float* y, const float* length, float* out
) {
    auto one = [](const Job& j, int64_t n) {
        norm_back(j.width, j.a + n * j.width, j.b + n * j.width, j.c + n, j.out + n * j.width);
    };
    Job job = {rows, width, 0, grad, y, length, out, nullptr, one, {0}};
    run(job, parallel, threads);
}

// out [rows, inner] from both [rows, 2 * inner].
void gate_rows(Parallel parallel, int threads, int64_t rows, int64_t inner, const float* both, float* out) {
    auto one = [](const Job& j, int64_t n) { gate(j.width, j.a + n * 2 * j.width, j.out + n * j.width); };
    Job job = {rows, inner, 0, both, nullptr, nullptr, out, nullptr, one, {0}};
    run(job, parallel, threads);
}

// to_both [rows, 2 * inner] and out [rows, inner] from both [rows, 2 * inner] and grad [rows, inner].
void gate_back_rows(
    Parallel parallel, int threads, int64_t rows, int64_t inner, const float* both, const float* grad, float* to_both, float* out
) {
    auto one = [](const Job& j, int64_t n) {
        const int64_t w = j.width;
        gate_back(w, j.a + n * 2 * w, j.b + n * w, j.out + n * 2 * w, j.other + n * w);
    };
    Job job = {rows, inner, 0, both, grad, nullptr, to_both, out, one, {0}};
    run(job, parallel, threads);
}
}
