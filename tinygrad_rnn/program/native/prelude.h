/* What the loops below call. float: polynomials that vectorise; the largest errors, measured over
   all floats: EXPF_ULP, TANHF_ULP. double: the same forms, longer. */
#include <math.h>
#ifndef BLAS_INT
#define BLAS_INT int64_t
#endif
#ifndef SMALL
#define SMALL 4096
#endif
#include <stdint.h>
#include <string.h>

static inline float exp_f(float x) {
    /* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite) */
    float y = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    float n = rintf(y * 1.44269504f);
    float r = fmaf(n, -0.693359375f, y);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fmaf(p, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    p = fmaf(p, r * r, r) + 1.0f;
    /* in two factors, so that neither the largest nor the smallest leaves the range */
    int32_t k = (int32_t)n, half = k >> 1, rest = k - half;
    union { int32_t i; float f; } a = { (half + 127) << 23 }, b = { (rest + 127) << 23 };
    float e = p * a.f * b.f;
    return x != x ? x : e;
}

static inline float tanh_f(float x) {
    /* near 0 a polynomial, so that small numbers keep all their digits; else by e^2x */
    float a = fabsf(x), s = x * x;
    float p = -5.70498872745e-3f;
    p = fmaf(p, s, 2.06390887954e-2f);
    p = fmaf(p, s, -5.37397155531e-2f);
    p = fmaf(p, s, 1.33314422036e-1f);
    p = fmaf(p, s, -3.33332819422e-1f);
    p = fmaf(p * s, x, x);
    float e = 1.0f - 2.0f / (exp_f(2.0f * (a > 10.0f ? 10.0f : a)) + 1.0f);
    float far = copysignf(e, x);
    float y = a < 0.625f ? p : far;
    return x != x ? x : y;
}

static inline float sigmoid_f(float x) { return 1.0f / (1.0f + exp_f(-x)); }

static inline double exp_d(double x) {
    double y = x < -746.0 ? -746.0 : x > 710.0 ? 710.0 : x;
    double n = rint(y * 1.4426950408889634);
    double r = fma(n, -6.93147180369123816490e-01, y);
    r = fma(n, -1.90821492927058770002e-10, r);
    /* Taylor to r^13: the next term is below 5e-18 of the first */
    double p = 1.0 / 6227020800.0;
    p = fma(p, r, 1.0 / 479001600.0);
    p = fma(p, r, 1.0 / 39916800.0);
    p = fma(p, r, 1.0 / 3628800.0);
    p = fma(p, r, 1.0 / 362880.0);
    p = fma(p, r, 1.0 / 40320.0);
    p = fma(p, r, 1.0 / 5040.0);
    p = fma(p, r, 1.0 / 720.0);
    p = fma(p, r, 1.0 / 120.0);
    p = fma(p, r, 1.0 / 24.0);
    p = fma(p, r, 1.0 / 6.0);
    p = fma(p, r, 0.5);
    p = fma(p, r * r, r) + 1.0;
    int64_t k = (int64_t)n, half = k >> 1, rest = k - half;
    union { int64_t i; double f; } a = { (half + 1023) << 52 }, b = { (rest + 1023) << 52 };
    double e = p * a.f * b.f;
    return x != x ? x : e;
}

static inline double tanh_d(double x) {
    double a = fabs(x), s = x * x;
    double p = -9.64399179425052238628e-1;
    p = fma(p, s, -9.92877231001918586564e1);
    p = fma(p, s, -1.61468768441708447952e3);
    double q = s + 1.12811678491632931402e2;
    q = fma(q, s, 2.23548839060100448583e3);
    q = fma(q, s, 4.84406305325125486048e3);
    double near = fma(x * s, p / q, x);
    double far = copysign(1.0 - 2.0 / (exp_d(2.0 * (a > 20.0 ? 20.0 : a)) + 1.0), x);
    double y = a < 0.625 ? near : far;
    return x != x ? x : y;
}

static inline double sigmoid_d(double x) { return 1.0 / (1.0 + exp_d(-x)); }

static inline float softplus_f(float x) { return fmaxf(x, 0.0f) + log1pf(exp_f(-fabsf(x))); }
static inline double softplus_d(double x) { return fmax(x, 0.0) + log1p(exp_d(-fabs(x))); }
static inline float relu_f(float x) { return x < 0.0f ? 0.0f : x; }
static inline double relu_d(double x) { return x < 0.0 ? 0.0 : x; }
static inline float max_f(float a, float b) { return a > b || a != a ? a : b; }
static inline float min_f(float a, float b) { return a < b || a != a ? a : b; }
static inline double max_d(double a, double b) { return a > b || a != a ? a : b; }
static inline double min_d(double a, double b) { return a < b || a != a ? a : b; }

/* An index as NumPy reads it: negative ones count from the end; what is outside is noted. */
static inline long inside(long i, long n, int *wrong) {
    long k = i < 0 ? i + n : i;
    if (k < 0 || k >= n) { *wrong = 1; return 0; }
    return k;
}

/* The next free piece of the room, in whole cache lines. */
static inline void *take(char **room, long count, long size) {
    void *here = *room;
    *room += (count * size + 63) / 64 * 64;
    return here;
}

/* cblas_sgemm and cblas_dgemm of whoever calls; without them the loops below do it all. */
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
typedef void (*sgemm_of)(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, float, const float *, BLAS_INT,
                         const float *, BLAS_INT, float, float *, BLAS_INT);
typedef void (*dgemm_of)(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, double, const double *, BLAS_INT,
                         const double *, BLAS_INT, double, double *, BLAS_INT);
static sgemm_of blas_f;
static dgemm_of blas_d;
void use_blas(void *s, void *d) { blas_f = (sgemm_of)s; blas_d = (dgemm_of)d; }

/* C = A B + add C. A is (m, k) and B (k, n), each with the strides of its rows and columns; C's
   columns stand side by side. Small ones and vectors are loops here, in the order that runs along
   memory; the rest is BLAS. Inlined, so that sizes known when it is compiled shape the loops. */
#define PRODUCT(name, real, blas)                                                                \
static inline __attribute__((always_inline)) void name(long m, long n, long k, const real *a,    \
        long ar, long ac, const real *b, long br, long bc, int add, real *c, long cr, long cc) { \
    int fits = cc == 1 && (ac == 1 || ar == 1 || m == 1 || k == 1) &&                            \
               (bc == 1 || br == 1 || n == 1 || k == 1);                                         \
    if (blas && fits && m > 1 && n > 1 && m * n * k > SMALL) {                                   \
        int ta = !(ac == 1 || k == 1), tb = !(bc == 1 || n == 1);                                \
        long la = ta ? ac : ar, lb = tb ? bc : br;                                               \
        long wa = ta ? m : k, wb = tb ? k : n;                                                   \
        blas(ROW_MAJOR, ta ? TRANSPOSED : PLAIN, tb ? TRANSPOSED : PLAIN, m, n, k, 1, a,         \
             la < wa ? wa : la, b, lb < wb ? wb : lb, add, c, cr < n ? n : cr);                  \
        return;                                                                                  \
    }                                                                                            \
    for (long i = 0; i < m; i++) {                                                               \
        real *row = c + i * cr;                                                                  \
        if (bc == 1 && cc == 1) {                                                                \
            if (!add)                                                                            \
                for (long j = 0; j < n; j++) row[j] = 0;                                         \
            for (long l = 0; l < k; l++) {                                                       \
                real x = a[i * ar + l * ac];                                                     \
                _Pragma("omp simd") for (long j = 0; j < n; j++) row[j] += x * b[l * br + j];    \
            }                                                                                    \
        } else                                                                                   \
            for (long j = 0; j < n; j++) {                                                       \
                real sum = 0;                                                                    \
                _Pragma("omp simd reduction(+:sum)") for (long l = 0; l < k; l++)                \
                    sum += a[i * ar + l * ac] * b[l * br + j * bc];                              \
                row[j * cc] = (add ? row[j * cc] : 0) + sum;                                     \
            }                                                                                    \
    }                                                                                            \
}
PRODUCT(product_f, float, blas_f)
PRODUCT(product_d, double, blas_d)

/* A weight that every step multiplies with is packed once: 64 bytes of a row together, and below
   them the next row, so that the loops of `times` read it along memory. ROWS rows of the left
   factor at a time stay in registers; DEEP columns of it are packed too, as rows at distances of
   whole pages would push each other out of the cache. */
#ifdef __AVX512F__
#define ROWS 12
#else
#define ROWS 6
#endif
enum { DEEP = 256, HIGH = 48 };
#define CASE(f, r) case r: block_##f(r, deep, q, b, o, cr, wide, more); break;
#if ROWS > 6
#define CASES(f) CASE(f, 1) CASE(f, 2) CASE(f, 3) CASE(f, 4) CASE(f, 5) CASE(f, 6) CASE(f, 7)    \
                 CASE(f, 8) CASE(f, 9) CASE(f, 10) CASE(f, 11)
#else
#define CASES(f) CASE(f, 1) CASE(f, 2) CASE(f, 3) CASE(f, 4) CASE(f, 5)
#endif

#define TIMES(f, real, WIDE)                                                                     \
typedef real vector_##f __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));      \
static inline __attribute__((always_inline)) void block_##f(const long rows, long k,             \
        const real *a, const real *b, real *c, long cr, long wide, int add) {                    \
    vector_##f s[ROWS];                                                                          \
    for (long r = 0; r < rows; r++) s[r] = (vector_##f){0};                                      \
    for (long l = 0; l < k; l++) {                                                               \
        vector_##f row = *(const vector_##f *)(b + l * WIDE);                                    \
        _Pragma("GCC unroll 12") for (long r = 0; r < rows; r++) s[r] += a[l * rows + r] * row;  \
    }                                                                                            \
    for (long r = 0; r < rows; r++) {                                                            \
        real *o = c + r * cr;                                                                    \
        if (wide == WIDE) {                                                                      \
            vector_##f *v = (vector_##f *)o;                                                     \
            if (add) s[r] += *v;                                                                 \
            *v = s[r];                                                                           \
        } else                                                                                   \
            for (long j = 0; j < wide; j++) o[j] = (add ? o[j] : 0) + s[r][j];                   \
    }                                                                                            \
}                                                                                                \
static inline void pack_##f(long k, long n, const real *w, long wr, long wc, real *p) {          \
    for (long j = 0; j < n; j += WIDE)                                                           \
        for (long l = 0; l < k; l++)                                                             \
            for (long i = j; i < j + WIDE; i++) *p++ = i < n ? w[l * wr + i * wc] : 0;           \
}                                                                                                \
static inline void times_##f(long m, long n, long k, const real *a, long ar, const real *p,      \
                             int add, real *c, long cr) {                                        \
    real A[HIGH * DEEP] __attribute__((aligned(64)));                                            \
    for (long top = 0; top < m; top += HIGH)                                                     \
        for (long from = 0; from < k; from += DEEP) {                                            \
            long high = m - top < HIGH ? m - top : HIGH, deep = k - from < DEEP ? k - from : DEEP; \
            real *q = A;                                                                         \
            for (long i = 0; i < high; i += ROWS) {                                              \
                long rows = high - i < ROWS ? high - i : ROWS;                                   \
                for (long r = 0; r < rows; r++)                                                  \
                    for (long l = 0; l < deep; l++)                                              \
                        q[l * rows + r] = a[(top + i + r) * ar + from + l];                      \
                q += rows * deep;                                                                \
            }                                                                                    \
            for (long j = 0; j < n; j += WIDE) {                                                 \
                const real *b = p + j * k + from * WIDE;                                         \
                real *o = c + top * cr + j;                                                      \
                long wide = n - j < WIDE ? n - j : WIDE, i = 0;                                  \
                int more = add || from;                                                          \
                for (q = A; i + ROWS <= high; i += ROWS, q += ROWS * deep, o += ROWS * cr)       \
                    block_##f(ROWS, deep, q, b, o, cr, wide, more);                              \
                switch (high - i) { CASES(f) }                                                   \
            }                                                                                    \
        }                                                                                        \
}
TIMES(f, float, 16)
TIMES(d, double, 8)
