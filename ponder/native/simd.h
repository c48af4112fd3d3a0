// Vectors of the widest kind that the processor has, and what is done with one.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define LANES 16
#define REGISTERS 32
#elif defined(__AVX2__)
#define LANES 8
#define REGISTERS 16
#else
#define LANES 4
#define REGISTERS 32
#endif

typedef float Lane __attribute__((vector_size(LANES * 4)));
typedef int32_t Bits __attribute__((vector_size(LANES * 4)));
typedef float LoadedLane __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

namespace {

inline Lane load(const float* from) { return *reinterpret_cast<const LoadedLane*>(from); }
inline void store(float* to, Lane x) { *reinterpret_cast<LoadedLane*>(to) = x; }
inline Lane all(float x) { return x - Lane{}; }

inline Lane shuffled(Lane x, Bits from) {
#if defined(__clang__)
    Lane y;
    for (int i = 0; i < LANES; i++) y[i] = x[from[i]];
    return y;
#else
    return __builtin_shuffle(x, from);
#endif
}

// Lane i of the result is lane i ^ `distance`.
inline Lane crossed(Lane x, int distance) {
    Bits from;
    for (int i = 0; i < LANES; i++) from[i] = i ^ distance;
    return shuffled(x, from);
}

inline float sum(Lane x) {
    for (int half = LANES / 2; half > 0; half /= 2) x += crossed(x, half);
    return x[0];
}

inline float largest(Lane x) {
    for (int half = LANES / 2; half > 0; half /= 2) {
        const Lane y = crossed(x, half);
        x = y > x ? y : x;
    }
    return x[0];
}

inline int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// e^x = 2^k 2^r with |r| <= 1/2; relative error about 1e-7. What is too small becomes 2^-126, too large 2^127.
inline Lane exponential(Lane x) {
    x *= 1.4426950408889634f;
    x = x < -126.0f ? all(-126.0f) : x;
    x = x > 126.0f ? all(126.0f) : x;
    const Lane shifted = x + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const Lane k = shifted - 12582912.0f, r = x - k;
    Lane p = r * 1.5403530393381609954e-4f + 1.3333558146428443423e-3f;
    p = p * r + 9.6181291076284771619e-3f;
    p = p * r + 5.5504108664821579953e-2f;
    p = p * r + 2.4022650695910071233e-1f;
    p = p * r + 6.9314718055994530942e-1f;
    p = p * r + 1.0f;
    const Bits power = (__builtin_convertvector(k, Bits) + 127) << 23;
    Lane factor;
    std::memcpy(&factor, &power, sizeof factor);
    return p * factor;
}

}  // namespace
