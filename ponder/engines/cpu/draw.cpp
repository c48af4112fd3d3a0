// One token for each request from the logits of its row: softmax at a temperature and the inverse of its distribution
// function at a given uniform number. Sums run over blocks in float and over the blocks in double, always in one order.

#include <atomic>
#include <vector>

#include "pool.h"
#include "simd.h"

namespace {

constexpr int64_t BLOCK = 64;  // tokens, a whole number of vectors

// What a block weighs: e^(rate * (logit - most)) of each token, nothing of those that are too unlikely to count.
inline float weighed(const float* logits, float most, float rate, float* weights) {
    Lane sums = {};
    for (int64_t i = 0; i < BLOCK; i += LANES) {
        const Lane x = (load(logits + i) - most) * rate;
        const Lane weight = x < -87.0f ? Lane{} : exponential(x);
        store(weights + i, weight);
        sums += weight;
    }
    return sum(sums);
}

// Memory for one row: its logits up to a whole block, the weights, and the sums of the blocks.
struct Row {
    std::vector<float> logits, weights, sums;
    explicit Row(int64_t size)
        : logits(up(size, BLOCK), -INFINITY), weights(up(size, BLOCK)), sums(up(size, BLOCK) / BLOCK) {}
};

// The token of a request, and the logarithm of its probability in the whole softmax.
void one(const float* from, int64_t size, float uniform, float temperature, Row& row, int64_t* token, float* log) {
    std::memcpy(row.logits.data(), from, size * sizeof(float));
    const float* logits = row.logits.data();
    Lane top = load(logits);
    for (size_t i = LANES; i < row.logits.size(); i += LANES) {
        const Lane here = load(logits + i);
        top = here > top ? here : top;
    }
    const float most = largest(top), rate = temperature > 0 ? 1 / temperature : 1;
    double total = 0;
    for (size_t b = 0; b < row.sums.size(); b++)
        total += row.sums[b] = weighed(logits + b * BLOCK, most, rate, row.weights.data() + b * BLOCK);
    int64_t drawn = 0;
    if (temperature > 0) {
        const double threshold = double(uniform) * total;
        double reached = 0;
        size_t b = 0;
        while (b + 1 < row.sums.size() && reached + row.sums[b] <= threshold) reached += row.sums[b++];
        // What rounding leaves over at the end of the block falls to its last token that is possible at all.
        for (int64_t i = b * BLOCK; i < int64_t(b + 1) * BLOCK && reached <= threshold; i++)
            if (row.weights[i] > 0) reached += row.weights[i], drawn = i;
    } else {
        while (drawn + 1 < size && !(logits[drawn] >= most)) drawn++;
    }
    *token = drawn;
    *log = float(double((logits[drawn] - most) * rate) - std::log(total));
}

struct Job {
    int64_t requests, size;
    const float* logits;
    const int64_t* rows;
    const float *uniforms, *temperatures;
    int64_t* tokens;
    float* logs;
    std::atomic<int64_t> next;
};

void worker(void* data) {
    Job& job = *static_cast<Job*>(data);
    Row row(job.size);
    for (int64_t n; (n = job.next.fetch_add(1)) < job.requests;)
        one(job.logits + job.rows[n] * job.size, job.size, job.uniforms[n], job.temperatures[n], row, job.tokens + n,
            job.logs + n);
}

constexpr int64_t MANY = 1 << 17;  // logits: fewer are drawn from sooner than threads meet

}  // namespace

// `rows` [requests] names each request's row of `logits` [.., size]; temperature 0 takes the likeliest token.
extern "C" void draw(
    int64_t requests, int64_t size, const float* logits, const int64_t* rows, const float* uniforms,
    const float* temperatures, int64_t* tokens, float* logs, Parallel parallel, int threads
) {
    Job job = {requests, size, logits, rows, uniforms, temperatures, tokens, logs, {0}};
    shared_out(parallel, requests * size < MANY ? 1 : threads, requests, worker, &job);
}
