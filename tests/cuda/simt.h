// CUDA C++ as host C++20: force-included before a .cu file, this makes its kernels ordinary functions, each lane a fiber.
// simt.cpp is the machine behind it, simt_launch.h what a host program calls.
//
// Collectives take their place in the source as a last argument that callers leave out: all lanes of a mask have to meet at
// one place. With SIMT_CHECK=1 the file is compiled with -fsanitize=thread and simt.cpp is the run-time library behind
// that: every load and store of a kernel is seen there, whatever its type, so kernels need no special arrays.
#ifndef SIMT_H
#define SIMT_H

#ifndef SIMT_CHECK
#define SIMT_CHECK 0
#endif
#define SIMT 1

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>
#include <utility>

#define __host__
#define __device__
#define __global__ __attribute__((noinline))
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#ifndef __restrict__
#define __restrict__ __restrict
#endif

// Shared memory is a section of its own, with 64 bytes before each declaration that no kernel may touch (simt_memory.cpp finds
// them in the section "simt_pads").
#define SIMT_IN_SHARED __attribute__((used, section("simt_shared")))
#define SIMT_JOIN2(a, b) a##b
#define SIMT_JOIN(a, b) SIMT_JOIN2(a, b)
#define SIMT_PAD(n)                                                                                                             \
    static SIMT_IN_SHARED unsigned char SIMT_JOIN(simt_pad_, n)[64];                                                            \
    static __attribute__((used, section("simt_pads"))) unsigned char *const SIMT_JOIN(simt_pad_at_, n) =                        \
        SIMT_JOIN(simt_pad_, n);
#define __shared__ SIMT_PAD(__COUNTER__) static SIMT_IN_SHARED

#define SIMT_UNSEEN __attribute__((no_sanitize("thread")))

// ---- vector types ------------------------------------------------------------------------------------------------------
#define SIMT_VECTOR(name, T, align2, align4)                                                                                    \
    struct name##1 { T x; };                                                                                                    \
    struct alignas(align2) name##2 { T x, y; };                                                                                 \
    struct name##3 { T x, y, z; };                                                                                              \
    struct alignas(align4) name##4 { T x, y, z, w; };                                                                           \
    static inline name##1 make_##name##1(T x) { return {x}; }                                                                   \
    static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                           \
    static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                                   \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTOR(char, signed char, 2, 4)
SIMT_VECTOR(uchar, unsigned char, 2, 4)
SIMT_VECTOR(short, short, 4, 8)
SIMT_VECTOR(ushort, unsigned short, 4, 8)
SIMT_VECTOR(int, int, 8, 16)
SIMT_VECTOR(uint, unsigned int, 8, 16)
SIMT_VECTOR(longlong, long long, 16, 16)
SIMT_VECTOR(ulonglong, unsigned long long, 16, 16)
SIMT_VECTOR(float, float, 8, 16)

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// ---- the machine -------------------------------------------------------------------------------------------------------
namespace simt {

using Place = std::source_location;

enum class Op : uint8_t {
    SyncWarp, SyncThreads, Shfl, ShflUp, ShflDown, ShflXor, Ballot, Any, All, MatchAny, MatchAll,
    AddU, MinU, MaxU, MinS, MaxS, And, Or, Xor,
};

// What `threadIdx` and the like read; the scheduler sets it at each switch.
struct Index {
    uint3 thread;
};
extern const Index *index_now;
extern uint3 block_now;
extern dim3 block_size, grid_size;

// Waits until every lane of `mask` is here; returns what the operation gives this lane.
uint64_t meet(Op op, uint32_t mask, uint64_t value, uint32_t argument, Place place);
[[noreturn]] void refuse(const char *what, Place place);

// What an atomic operation on these bytes is checked for; nothing without SIMT_CHECK.
void atomic_access(const void *at, size_t bytes, const char *what);
void constant_access(const void *at, size_t bytes);
void range_access(const void *at, size_t bytes, bool write);

struct Kernel {
    Kernel(const char *name, void (*call)(void **params), unsigned parameters);
    const char *name;
    void (*call)(void **params);
    unsigned parameters;
    Kernel *next;
};

template <auto F> struct Caller;
template <class... A, void (*F)(A...)> struct Caller<F> {
    static constexpr unsigned parameters = sizeof...(A);
    SIMT_UNSEEN static void call(void **params) { go(params, std::index_sequence_for<A...>{}); }
    template <size_t... I> SIMT_UNSEEN static void go(void **params, std::index_sequence<I...>) {
        F(*static_cast<std::remove_cv_t<A> *>(params[I])...);
    }
};

template <class T> static inline uint64_t bits_of(T value) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
        return static_cast<uint64_t>(value);
    } else {
        uint64_t bits = 0;
        __builtin_memcpy(&bits, &value, sizeof value);
        return bits;
    }
}

template <class T> static inline T of_bits(uint64_t bits) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
        return static_cast<T>(bits);
    } else {
        T value;
        __builtin_memcpy(&value, &bits, sizeof value);
        return value;
    }
}

} // namespace simt

// After the kernel: makes it known by its name.
#define SIMT_KERNEL(f) static simt::Kernel simt_kernel_##f{#f, &simt::Caller<f>::call, simt::Caller<f>::parameters}

#define threadIdx (simt::index_now->thread)
#define blockIdx (simt::block_now)
#define blockDim (simt::block_size)
#define gridDim (simt::grid_size)
static constexpr int warpSize = 32;

// ---- collectives -------------------------------------------------------------------------------------------------------
#define SIMT_HERE simt::Place place = simt::Place::current()

static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, SIMT_HERE) { simt::meet(simt::Op::SyncWarp, mask, 0, 0, place); }
static inline void __syncthreads(SIMT_HERE) { simt::meet(simt::Op::SyncThreads, 0, 0, 0, place); }
static inline unsigned __activemask(SIMT_HERE) { simt::refuse("__activemask says nothing that a kernel may rely on", place); }

template <class T> static inline T __shfl_sync(unsigned mask, T v, int from, int width = 32, SIMT_HERE) {
    return simt::of_bits<T>(simt::meet(simt::Op::Shfl, mask, simt::bits_of(v), (unsigned(from) & 31u) | unsigned(width) << 8, place));
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, SIMT_HERE) {
    return simt::of_bits<T>(simt::meet(simt::Op::ShflUp, mask, simt::bits_of(v), (by & 31u) | unsigned(width) << 8, place));
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, SIMT_HERE) {
    return simt::of_bits<T>(simt::meet(simt::Op::ShflDown, mask, simt::bits_of(v), (by & 31u) | unsigned(width) << 8, place));
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32, SIMT_HERE) {
    return simt::of_bits<T>(simt::meet(simt::Op::ShflXor, mask, simt::bits_of(v), (unsigned(with) & 31u) | unsigned(width) << 8, place));
}
static inline unsigned __ballot_sync(unsigned mask, int p, SIMT_HERE) { return unsigned(simt::meet(simt::Op::Ballot, mask, p != 0, 0, place)); }
static inline int __any_sync(unsigned mask, int p, SIMT_HERE) { return int(simt::meet(simt::Op::Any, mask, p != 0, 0, place)); }
static inline int __all_sync(unsigned mask, int p, SIMT_HERE) { return int(simt::meet(simt::Op::All, mask, p != 0, 0, place)); }
template <class T> static inline unsigned __match_any_sync(unsigned mask, T v, SIMT_HERE) {
    return unsigned(simt::meet(simt::Op::MatchAny, mask, simt::bits_of(v), 0, place));
}
template <class T> static inline unsigned __match_all_sync(unsigned mask, T v, int *all, SIMT_HERE) {
    unsigned lanes = unsigned(simt::meet(simt::Op::MatchAll, mask, simt::bits_of(v), 0, place));
    *all = lanes != 0;
    return lanes;
}
static inline unsigned __reduce_add_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::AddU, mask, v, 0, place)); }
static inline int __reduce_add_sync(unsigned mask, int v, SIMT_HERE) { return int(simt::meet(simt::Op::AddU, mask, unsigned(v), 0, place)); }
static inline unsigned __reduce_min_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::MinU, mask, v, 0, place)); }
static inline int __reduce_min_sync(unsigned mask, int v, SIMT_HERE) { return int(simt::meet(simt::Op::MinS, mask, unsigned(v), 0, place)); }
static inline unsigned __reduce_max_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::MaxU, mask, v, 0, place)); }
static inline int __reduce_max_sync(unsigned mask, int v, SIMT_HERE) { return int(simt::meet(simt::Op::MaxS, mask, unsigned(v), 0, place)); }
static inline unsigned __reduce_and_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::And, mask, v, 0, place)); }
static inline unsigned __reduce_or_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::Or, mask, v, 0, place)); }
static inline unsigned __reduce_xor_sync(unsigned mask, unsigned v, SIMT_HERE) { return unsigned(simt::meet(simt::Op::Xor, mask, v, 0, place)); }

static inline void __threadfence() {}
static inline void __threadfence_block() {}

// ---- integer functions -------------------------------------------------------------------------------------------------
static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline int __ffsll(long long v) { return __builtin_ffsll(v); }
static inline int __clz(int v) { return v ? __builtin_clz(unsigned(v)) : 32; }
static inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
static inline unsigned __brev(unsigned v) {
    unsigned r = 0;
    for (int i = 0; i < 32; i++)
        r |= (v >> i & 1u) << (31 - i);
    return r;
}
static inline unsigned long long __brevll(unsigned long long v) {
    return (unsigned long long)__brev(unsigned(v)) << 32 | __brev(unsigned(v >> 32));
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned s) {
    const unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned r = 0;
    for (int i = 0; i < 4; i++)
        r |= unsigned(both >> (s >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
    return r;
}
static inline unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned by) {
    return unsigned((((unsigned long long)hi << 32 | lo) << (by & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned by) {
    return unsigned(((unsigned long long)hi << 32 | lo) >> (by & 31));
}
static inline unsigned __funnelshift_lc(unsigned lo, unsigned hi, unsigned by) {
    return by >= 32 ? lo : __funnelshift_l(lo, hi, by);
}
static inline unsigned __funnelshift_rc(unsigned lo, unsigned hi, unsigned by) {
    return by >= 32 ? hi : __funnelshift_r(lo, hi, by);
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

namespace simt {
template <class F> static inline unsigned by_byte(unsigned a, unsigned b, F f) {
    unsigned r = 0;
    for (int i = 0; i < 32; i += 8)
        r |= (unsigned(f(int(a >> i & 0xFF), int(b >> i & 0xFF))) & 0xFF) << i;
    return r;
}
} // namespace simt
#define SIMT_BYTES(name, expression)                                                                                            \
    static inline unsigned name(unsigned a, unsigned b) {                                                                       \
        return simt::by_byte(a, b, [](int x, int y) { (void)x; (void)y; return expression; });                                  \
    }
SIMT_BYTES(__vcmpeq4, x == y ? 0xFF : 0)
SIMT_BYTES(__vcmpne4, x != y ? 0xFF : 0)
SIMT_BYTES(__vcmpgtu4, x > y ? 0xFF : 0)
SIMT_BYTES(__vcmpgeu4, x >= y ? 0xFF : 0)
SIMT_BYTES(__vcmpltu4, x < y ? 0xFF : 0)
SIMT_BYTES(__vcmpleu4, x <= y ? 0xFF : 0)
SIMT_BYTES(__vseteq4, x == y)
SIMT_BYTES(__vsetne4, x != y)
SIMT_BYTES(__vadd4, x + y)
SIMT_BYTES(__vsub4, x - y)
SIMT_BYTES(__vminu4, x < y ? x : y)
SIMT_BYTES(__vmaxu4, x > y ? x : y)
SIMT_BYTES(__vaddus4, x + y > 255 ? 255 : x + y)
SIMT_BYTES(__vsubus4, x < y ? 0 : x - y)
SIMT_BYTES(__vabsdiffu4, x < y ? y - x : x - y)
static inline unsigned __vsadu4(unsigned a, unsigned b) {
    unsigned sum = 0;
    for (int i = 0; i < 32; i += 8) {
        int x = int(a >> i & 0xFF), y = int(b >> i & 0xFF);
        sum += unsigned(x < y ? y - x : x - y);
    }
    return sum;
}
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int i = 0; i < 32; i += 8)
        c += (a >> i & 0xFF) * (b >> i & 0xFF);
    return c;
}
static inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 32; i += 8)
        c += int(int8_t(unsigned(a) >> i)) * int(int8_t(unsigned(b) >> i));
    return c;
}

// As CUDA has them: of an int and an unsigned the int is converted.
template <class A, class B> static constexpr std::common_type_t<A, B> min(A a, B b) {
    using R = std::common_type_t<A, B>;
    return R(b) < R(a) ? R(b) : R(a);
}
template <class A, class B> static constexpr std::common_type_t<A, B> max(A a, B b) {
    using R = std::common_type_t<A, B>;
    return R(a) < R(b) ? R(b) : R(a);
}

// ---- memory ------------------------------------------------------------------------------------------------------------
template <class T> static inline T __ldg(const T *at) {
    simt::constant_access(at, sizeof(T));
    return *at;
}

// One lane runs at a time, so a plain read and write is indivisible.
#define SIMT_ATOMIC(name, fresh)                                                                                                \
    template <class T> SIMT_UNSEEN static inline T name(T *at, std::type_identity_t<T> v) {                                     \
        simt::atomic_access(at, sizeof(T), #name);                                                                              \
        T old = *at;                                                                                                            \
        *at = static_cast<T>(fresh);                                                                                            \
        return old;                                                                                                             \
    }
SIMT_ATOMIC(atomicAdd, old + v)
SIMT_ATOMIC(atomicSub, old - v)
SIMT_ATOMIC(atomicMax, old < v ? v : old)
SIMT_ATOMIC(atomicMin, v < old ? v : old)
SIMT_ATOMIC(atomicAnd, old &v)
SIMT_ATOMIC(atomicOr, old | v)
SIMT_ATOMIC(atomicXor, old ^ v)
SIMT_ATOMIC(atomicExch, v)
template <class T> SIMT_UNSEEN static inline T atomicCAS(T *at, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
    simt::atomic_access(at, sizeof(T), "atomicCAS");
    T old = *at;
    if (old == expected)
        *at = v;
    return old;
}

#endif
