// Work shared out over threads that already are there.

#pragma once

#include <algorithm>
#include <cstdint>

// GOMP_parallel, or null where there is none: the caller's thread then does it all.
typedef void (*Parallel)(void (*)(void*), void*, unsigned, unsigned);

// `worker` on as many threads as there are `items`, at most `threads`; each takes items until none is left.
inline void shared_out(Parallel parallel, int threads, int64_t items, void (*worker)(void*), void* job) {
    const unsigned most = unsigned(std::min<int64_t>(threads, items));
    if (parallel && most > 1)
        parallel(worker, job, most, 0);
    else
        worker(job);
}
