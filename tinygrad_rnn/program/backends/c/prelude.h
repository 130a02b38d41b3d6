/* What steps in C call. A step is given those pieces whose names it mentions, and what these
   mention in turn. A piece begins where its names stand between four equals signs; in one with
   _r for float and double alike, `real` is the type, and _r is written _f or _d.

   Largest errors in units of the last place, of all floats, and of 3 million doubles held against
   128 bits: exp_f 1.02, tanh_f 1.34, sigmoid_f 2.41, softplus_f 1.64; exp_d 1.00, tanh_d 1.34,
   sigmoid_d 2.35, softplus_d 1.65. */

/* ==== flush_denormals restore_denormals ==== within a step results below the smallest normal number
   (1.2e-38 for floats, 2.2e-308 for doubles) are 0. Gradients that vanish pass through these, and
   processors take ten times as long over them. ARM reads such arguments as 0, too. */
#if defined __SSE2__
#include <xmmintrin.h>
static inline unsigned flush_denormals(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | _MM_FLUSH_ZERO_ON);
    return before;
}
static inline void restore_denormals(unsigned before) { _mm_setcsr(before); }
#elif defined __aarch64__
static inline unsigned flush_denormals(void) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
    return (unsigned)before;
}
static inline void restore_denormals(unsigned before) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)before));
}
#else
static inline unsigned flush_denormals(void) { return 0; }
static inline void restore_denormals(unsigned before) { (void)before; }
#endif

/* ==== inside ==== an index as NumPy reads it: negative ones count from the end; if outside, `wrong` */
static inline long inside(long i, long n, int *wrong) {
    long k = i < 0 ? i + n : i;
    if (k < 0 || k >= n) { *wrong = 1; return 0; }
    return k;
}

/* ==== take ==== the next free piece of the room, in whole cache lines */
static inline void *take(char **room, long count, long size) {
    void *here = *room;
    *room += (count * size + 63) / 64 * 64;
    return here;
}

/* ==== split_f ==== e^x = p 2^n, n = round(x / ln 2), which adding 1.5 2^23 leaves in the last bits;
   p = e^r, |r| <= ln 2 / 2; ln 2 in two parts (Cody, Waite). NaN stays in p. */
static inline float split_f(float x, int32_t *n) {
    union { float f; int32_t i; } near = { fmaf(x, 1.44269504f, 12582912.0f) };
    *n = near.i - 0x4b400000;
    float r = fmaf(near.f - 12582912.0f, -0.693359375f, x);
    r = fmaf(near.f - 12582912.0f, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fmaf(p, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    return fmaf(p, r * r, r) + 1.0f;
}

/* ==== split_d ==== the same, by Taylor to r^13: the next term is below 5e-18 of the first */
static inline double split_d(double x, int64_t *n) {
    union { double f; int64_t i; } near = { fma(x, 1.4426950408889634, 6755399441055744.0) };
    *n = near.i - 0x4338000000000000;
    double r = fma(near.f - 6755399441055744.0, -6.93147180369123816490e-01, x);
    r = fma(near.f - 6755399441055744.0, -1.90821492927058770002e-10, r);
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
    return fma(p, r * r, r) + 1.0;
}

/* ==== two_f ==== 2^n, where that is a normal number */
static inline float two_f(int32_t n) {
    union { uint32_t i; float f; } a = { ((uint32_t)n + 127) << 23 };
    return a.f;
}

/* ==== two_d ==== the same */
static inline double two_d(int64_t n) {
    union { uint64_t i; double f; } a = { ((uint64_t)n + 1023) << 52 };
    return a.f;
}

/* ==== exp_f ==== in two factors, so that neither the largest nor the smallest leaves the range */
static inline float exp_f(float x) {
    int32_t n;
    float p = split_f(x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x, &n);
    return p * two_f(n >> 1) * two_f(n - (n >> 1));
}

/* ==== exp_d ==== the same */
static inline double exp_d(double x) {
    int64_t n;
    double p = split_d(x < -746.0 ? -746.0 : x > 710.0 ? 710.0 : x, &n);
    return p * two_d(n >> 1) * two_d(n - (n >> 1));
}

/* ==== tanh_f ==== near 0 a polynomial, so that small numbers keep all their digits; else by e^2x */
static inline float tanh_f(float x) {
    float a = fabsf(x), s = x * x;
    float p = -5.70498872745e-3f;
    p = fmaf(p, s, 2.06390887954e-2f);
    p = fmaf(p, s, -5.37397155531e-2f);
    p = fmaf(p, s, 1.33314422036e-1f);
    p = fmaf(p, s, -3.33332819422e-1f);
    p = fmaf(p * s, x, x);
    int32_t n;
    float e = split_f(a > 10.0f ? 20.0f : 2.0f * a, &n);
    float far = 1.0f - 2.0f / fmaf(e, two_f(n), 1.0f);
    return copysignf(a < 0.625f ? p : far, x);  /* -0 too */
}

/* ==== tanh_d ==== near 0 the quotient of polynomials of Cephes */
static inline double tanh_d(double x) {
    double a = fabs(x), s = x * x;
    double p = -9.64399179425052238628e-1;
    p = fma(p, s, -9.92877231001918586564e1);
    p = fma(p, s, -1.61468768441708447952e3);
    double q = s + 1.12811678491632931402e2;
    q = fma(q, s, 2.23548839060100448583e3);
    q = fma(q, s, 4.84406305325125486048e3);
    double near = fma(x * s, p / q, x);
    int64_t n;
    double e = split_d(a > 20.0 ? 40.0 : 2.0 * a, &n);
    double far = 1.0 - 2.0 / fma(e, two_d(n), 1.0);
    return copysign(a < 0.625 ? near : far, x);
}

/* ==== sigmoid_f ==== e^x / (1 + e^x), which is 1 from 50 on and keeps what is small; 2^24 too large at
   first, so that one factor will do */
static inline float sigmoid_f(float x) {
    int32_t n;
    float p = split_f(x < -104.0f ? -104.0f : x > 50.0f ? 50.0f : x, &n);
    float e = p * two_f(n + 24) * 0x1p-24f;
    return e / (1 + e);
}

/* ==== sigmoid_d ==== the same */
static inline double sigmoid_d(double x) {
    int64_t n;
    double p = split_d(x < -746.0 ? -746.0 : x > 50.0 ? 50.0 : x, &n);
    double e = p * two_d(n + 64) * 0x1p-64;
    return e / (1 + e);
}

/* ==== softplus_f ==== log(1 + e^x) */
static inline float softplus_f(float x) { return (x > 0 ? x : 0) + log1pf(exp_f(x < 0 ? x : -x)); }

/* ==== softplus_d ==== the same */
static inline double softplus_d(double x) { return (x > 0 ? x : 0) + log1p(exp_d(x < 0 ? x : -x)); }

/* ==== relu_r ==== */
static inline real relu_r(real x) { return x < 0 ? 0 : x; }

/* ==== sign_r ==== NaN of NaN */
static inline real sign_r(real x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

/* ==== mod_r ==== what is left of a after whole b, with the sign of b */
static inline real mod_r(real a, real b) {
    real r = fmod(a, b);
    return r == 0 ? copysign(0, b) : (r < 0) != (b < 0) ? r + b : r;
}

/* ==== max_r ==== NaN if one of them is */
static inline real max_r(real a, real b) { return a > b || a != a ? a : b; }

/* ==== min_r ==== */
static inline real min_r(real a, real b) { return a < b || a != a ? a : b; }

/* ==== blas_r ==== cblas_sgemm or cblas_dgemm of whoever calls; without it, loops do it all */
typedef void (*blas_of_r)(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, real, const real *, BLAS_INT,
                          const real *, BLAS_INT, real, real *, BLAS_INT);
static blas_of_r blas_r;
void use_blas_r(void *gemm) { blas_r = (blas_of_r)gemm; }

/* ==== product_r ==== C = A B + add C. A is (m, k) and B (k, n), each with the strides of its rows and
   columns. Small ones and vectors are loops here, in the order that runs along memory; the rest is
   BLAS. Inlined, so that sizes known when it is compiled shape the loops. */
static inline __attribute__((always_inline)) void product_r(
        long m, long n, long k, const real *a, long ar, long ac, const real *b, long br, long bc,
        int add, real *c, long cr, long cc) {
    int fits = cc == 1 && (ac == 1 || ar == 1 || m == 1 || k == 1) &&
               (bc == 1 || br == 1 || n == 1 || k == 1);
    if (blas_r && fits && m > 1 && n > 1 && m * n * k > 4096) {
        int ta = !(ac == 1 || k == 1), tb = !(bc == 1 || n == 1);  /* transposed in memory? */
        long la = ta ? ac : ar, lb = tb ? bc : br;
        long wa = ta ? m : k, wb = tb ? k : n;
        enum { row_major = 101, plain = 111, transposed = 112 };
        blas_r(row_major, ta ? transposed : plain, tb ? transposed : plain, m, n, k, 1, a,
               la < wa ? wa : la, b, lb < wb ? wb : lb, add, c, cr < n ? n : cr);
        return;
    }
    for (long i = 0; i < m; i++, a += ar, c += cr)
        if (bc == 1 && cc == 1) {
            if (!add)
                for (long j = 0; j < n; j++) c[j] = 0;
            long l = 0;
            for (; l + 4 <= k; l += 4) {  /* four rows of B for each time that one of C is read */
                const real *x = a + l * ac, *y = b + l * br;
                #pragma omp simd
                for (long j = 0; j < n; j++)
                    c[j] += x[0] * y[j] + x[ac] * y[j + br] + x[2 * ac] * y[j + 2 * br] +
                            x[3 * ac] * y[j + 3 * br];
            }
            for (; l < k; l++) {
                #pragma omp simd
                for (long j = 0; j < n; j++) c[j] += a[l * ac] * b[l * br + j];
            }
        } else {
            long j = 0;
            for (; j + 4 <= n; j += 4) {  /* four columns at a time */
                const real *y = b + j * bc;
                real s0 = 0, s1 = 0, s2 = 0, s3 = 0;
                #pragma omp simd reduction(+:s0, s1, s2, s3)
                for (long l = 0; l < k; l++) {
                    real x = a[l * ac];
                    s0 += x * y[l * br];
                    s1 += x * y[l * br + bc];
                    s2 += x * y[l * br + 2 * bc];
                    s3 += x * y[l * br + 3 * bc];
                }
                real sums[] = {s0, s1, s2, s3};
                for (long q = 0; q < 4; q++) c[(j + q) * cc] = (add ? c[(j + q) * cc] : 0) + sums[q];
            }
            for (; j < n; j++) {
                real sum = 0;
                #pragma omp simd reduction(+:sum)
                for (long l = 0; l < k; l++) sum += a[l * ac] * b[l * br + j * bc];
                c[j * cc] = (add ? c[j * cc] : 0) + sum;
            }
        }
}

/* ==== once_r ==== the same, compiled once for all products where there are many that are done once: to
   inline each takes the compiler longer than the program runs */
static __attribute__((noinline)) void once_r(
        long m, long n, long k, const real *a, long ar, long ac, const real *b, long br, long bc,
        int add, real *c, long cr, long cc) {
    product_r(m, n, k, a, ar, ac, b, br, bc, add, c, cr, cc);
}

/* ==== use_threads shared ==== is a product for more threads than one? BLAS copies both factors at every
   call and waits for its threads: of fewer rows, or of less, one thread is as fast that finds a factor
   packed for all steps. Measured with two, at 8 to 64 rows. */
static int (*threads)(void);
void use_threads(void *count) { threads = (int (*)(void))count; }
static inline int shared(double m, double n, double k, double size) {
    return m >= 24 && m * n * k * size >= 8e6 && threads && threads() > 1;
}

/* ==== pack_r times_r ==== C = A B + add C, with B packed before: 64 bytes of a row together, and below
   them the next row, so that the loops read it along memory. ROWS rows of A at a time stay in
   registers. Rows of A at distances of whole pages would push each other out of the cache: of such,
   256 columns of 48 rows are packed too. Before B stands whether it is for BLAS on several threads:
   it then lies flat, row after row. */
#ifdef __AVX512F__
enum { ROWS_r = 12, WIDE_r = 64 / sizeof(real) };
#else
enum { ROWS_r = 6, WIDE_r = 64 / sizeof(real) };
#endif
typedef real vector_r __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));

static inline void pack_r(long m, long k, long n, const real *w, long wr, long wc, real *p) {
    int flat = blas_r && shared(m, n, k, sizeof(real));
    *p = flat;
    p += WIDE_r;
    for (long j = 0; j < n; j += WIDE_r)
        for (long l = 0; l < k; l++) {
            real *o = flat ? p + l * n + j : p + j * k + l * WIDE_r;
            long wide = n - j < WIDE_r ? n - j : WIDE_r;
            for (long i = 0; i < wide; i++) o[i] = w[l * wr + (j + i) * wc];
            for (long i = wide; i < WIDE_r && !flat; i++) o[i] = 0;
        }
}

static inline __attribute__((always_inline)) void block_r(
        const long rows, long k, const real *a, long ar, long ac, const real *b, real *c, long cr,
        long wide, int add) {
    vector_r s[12];
    for (long r = 0; r < rows; r++) s[r] = (vector_r){0};
    for (long l = 0; l < k; l++) {
        vector_r row = *(const vector_r *)(b + l * WIDE_r);
        #pragma GCC unroll 12
        for (long r = 0; r < rows; r++) s[r] += a[r * ar + l * ac] * row;
    }
    for (long r = 0; r < rows; r++) {
        real *o = c + r * cr;
        if (wide == WIDE_r) {
            vector_r *v = (vector_r *)o;
            if (add) s[r] += *v;
            *v = s[r];
        } else
            for (long j = 0; j < wide; j++) o[j] = (add ? o[j] : 0) + s[r][j];
    }
}

static void times_r(long m, long n, long k, const real *a, long ar, const real *p, int add, real *c,
                    long cr) {
    int flat = *p != 0;
    p += WIDE_r;
    if (flat) {
        enum { row_major = 101, plain = 111 };
        blas_r(row_major, plain, plain, m, n, k, 1, a, ar, p, n, add, c, cr);
        return;
    }
    real packed[48 * 256] __attribute__((aligned(64)));
    int pages = ar * (long)sizeof(real) % 4096 == 0;
    for (long top = 0; top < m; top += 48)
        for (long from = 0; from < k; from += 256) {
            long high = m - top < 48 ? m - top : 48, deep = k - from < 256 ? k - from : 256;
            real *into = packed;
            for (long i = 0; pages && i < high; i += ROWS_r) {
                long rows = high - i < ROWS_r ? high - i : ROWS_r;
                for (long r = 0; r < rows; r++)
                    for (long l = 0; l < deep; l++)
                        into[l * rows + r] = a[(top + i + r) * ar + from + l];
                into += rows * deep;
            }
            for (long j = 0; j < n; j += WIDE_r) {
                const real *b = p + j * k + from * WIDE_r;
                real *o = c + top * cr + j;
                long wide = n - j < WIDE_r ? n - j : WIDE_r, i = 0;
                int more = add || from;
                const real *q = pages ? packed : a + top * ar + from;
                long next = ROWS_r * (pages ? deep : ar), rs = pages ? 1 : ar;
                for (; i + ROWS_r <= high; i += ROWS_r, q += next, o += ROWS_r * cr)
                    block_r(ROWS_r, deep, q, rs, pages ? ROWS_r : 1, b, o, cr, wide, more);
                switch (high - i) {
                case 1: block_r(1, deep, q, rs, pages ? 1 : 1, b, o, cr, wide, more); break;
                case 2: block_r(2, deep, q, rs, pages ? 2 : 1, b, o, cr, wide, more); break;
                case 3: block_r(3, deep, q, rs, pages ? 3 : 1, b, o, cr, wide, more); break;
                case 4: block_r(4, deep, q, rs, pages ? 4 : 1, b, o, cr, wide, more); break;
                case 5: block_r(5, deep, q, rs, pages ? 5 : 1, b, o, cr, wide, more); break;
#ifdef __AVX512F__
                case 6: block_r(6, deep, q, rs, pages ? 6 : 1, b, o, cr, wide, more); break;
                case 7: block_r(7, deep, q, rs, pages ? 7 : 1, b, o, cr, wide, more); break;
                case 8: block_r(8, deep, q, rs, pages ? 8 : 1, b, o, cr, wide, more); break;
                case 9: block_r(9, deep, q, rs, pages ? 9 : 1, b, o, cr, wide, more); break;
                case 10: block_r(10, deep, q, rs, pages ? 10 : 1, b, o, cr, wide, more); break;
                case 11: block_r(11, deep, q, rs, pages ? 11 : 1, b, o, cr, wide, more); break;
#endif
                }
            }
        }
}
