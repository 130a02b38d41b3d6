/* What would a careful human write in C? Backpropagation through time, derived by hand: the sums of
   `bptt_by_hand.py` with the loop over time in one function, gates fused, products by BLAS.

   Written for one model, as one writes C: B, V, H and `real` (float, or double with -DDOUBLE) are
   given when it is compiled. Arrays lie in C order; gates stand beside each other in columns. With
   -DBARE all products are left out: what remains is the cost of everything else. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef DOUBLE
typedef double real;
typedef int64_t bits;
#define EXPONENT 52
#define ROUND 6755399441055744.0 /* added, it leaves the nearest integer in the last bits */
#define FARTHEST 708
#else
typedef float real;
typedef int32_t bits;
#define EXPONENT 23
#define ROUND 12582912.0f
#define FARTHEST 87
#endif

#define SIMD _Pragma("omp simd")
#define INLINE static inline __attribute__((always_inline))

/* e^x = 2^n e^r, n the integer nearest to x / ln 2; e^r by Taylor; n goes into the exponent's bits. */
INLINE real exp_(real x) {
    union { real f; bits i; } y, shifted;
    x = x < -FARTHEST ? -FARTHEST : x > FARTHEST ? FARTHEST : x;
    shifted.f = x * (real)1.4426950408889634 + (real)ROUND;
    real n = shifted.f - (real)ROUND;
#ifdef DOUBLE
    real r = x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10;
    real p = 1 / 6227020800.0;
    p = p * r + 1 / 479001600.0;
    p = p * r + 1 / 39916800.0;
    p = p * r + 1 / 3628800.0;
    p = p * r + 1 / 362880.0;
    p = p * r + 1 / 40320.0;
    p = p * r + 1 / 5040.0;
    p = p * r + 1 / 720.0;
#else
    real r = x - n * 0.693359375f + n * 2.12194440e-4f;
    real p = 1 / 720.0f;
#endif
    p = p * r + 1 / (real)120;
    p = p * r + 1 / (real)24;
    p = p * r + 1 / (real)6;
    p = p * r + 1 / (real)2;
    y.f = p * r * r + r + 1;
    y.i += (bits)((uint64_t)shifted.i << EXPONENT);
    return y.f;
}

/* In float a quotient of polynomials (those of Eigen, a few units in the last place). */
INLINE real tanh_(real x) {
#ifdef DOUBLE
    return 1 - 2 / (exp_(2 * x) + 1);
#else
    x = x < -7.90531111f ? -7.90531111f : x > 7.90531111f ? 7.90531111f : x;
    real s = x * x, p = -2.76076847742355e-16f, q = 1.19825839466702e-06f;
    p = p * s + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
#endif
}

/* e^x is so much larger than 1 before it is kept from overflowing that the quotient is 1. */
INLINE real sigmoid_(real x) {
    real e = exp_(x);
    return e / (1 + e);
}

typedef void gemm(int, int, int, BLAS_INT, BLAS_INT, BLAS_INT, real, const real *, BLAS_INT,
                  const real *, BLAS_INT, real, real *, BLAS_INT);
static gemm *blas;
void use_blas(void *given) { blas = (gemm *)given; }

/* C = A B + add C; with `ta` A is given as its transpose. One row is not worth a call. */
INLINE void product(int ta, long m, long n, long k, const real *a, const real *b, int add, real *c) {
#ifndef BARE
    if (m > 1) {
        blas(101, ta ? 112 : 111, 111, m, n, k, 1, a, ta ? m : k, b, n, add, c, n);
        return;
    }
    if (!add) memset(c, 0, n * sizeof(real));
    for (long l = 0; l + 4 <= k; l += 4, a += 4, b += 4 * n) {
        SIMD for (long j = 0; j < n; j++)
            c[j] += a[0] * b[j] + a[1] * b[n + j] + a[2] * b[2 * n + j] + a[3] * b[3 * n + j];
    }
    for (long l = 0; l < k % 4; l++)
        SIMD for (long j = 0; j < n; j++) c[j] += a[l] * b[l * n + j];
#endif
}

INLINE void transpose(long m, long n, const real *a, real *b) {
    for (long i = 0; i < m; i += 16)
        for (long j = 0; j < n; j += 16)
            for (long k = i; k < i + 16 && k < m; k++)
                for (long l = j; l < j + 16 && l < n; l++) b[l * m + k] = a[k * n + l];
}

INLINE void add_rows(long m, long n, const real *a, real *sum) {
    memset(sum, 0, n * sizeof(real));
    for (long i = 0; i < m; i++)
        SIMD for (long j = 0; j < n; j++) sum[j] += a[i * n + j];
}

/* Softmax cross-entropy of hs W + b, and its gradients, to the states too. */
static real head(long rows, const real *hs, const real *W, const real *b, const int64_t *y, real *p,
                 real *WT, real *dhs, real *dW, real *db) {
    real weight = 1 / (real)rows;
    double loss = 0;
    product(0, rows, V, H, hs, W, 0, p);
    for (long i = 0; i < rows; i++) {
        real *q = p + i * V, top = -INFINITY, total = 0;
        SIMD for (long j = 0; j < V; j++) q[j] += b[j];
        _Pragma("omp simd reduction(max:top)") for (long j = 0; j < V; j++) top = q[j] > top ? q[j] : top;
        real picked = q[y[i]] - top;
        _Pragma("omp simd reduction(+:total)") for (long j = 0; j < V; j++) {
            q[j] = exp_(q[j] - top);
            total += q[j];
        }
        loss += log(total) - picked;
        real scale = weight / total;
        SIMD for (long j = 0; j < V; j++) q[j] *= scale;
        q[y[i]] -= weight;
    }
    transpose(H, V, W, WT);
    product(0, rows, H, V, p, WT, 0, dhs);
    product(1, H, V, rows, hs, p, 0, dW);
    add_rows(rows, V, p, db);
    return loss * weight;
}

#define ARGUMENTS                                                                               \
    long T, real *room, const real *W_x, const real *W_h, const real *b_x, const real *b_h,     \
        const real *W, const real *b, const real *x, const int64_t *y, real *loss, real *dW_x,  \
        real *dW_h, real *db_x, real *db_h, real *dW, real *db
#define TAKE(name, count) real *restrict name = room; room += ((count) + 15) / 16 * 16

void rnn(ARGUMENTS) {
    TAKE(a, T * B * H); TAKE(states, (T + 1) * B * H); TAKE(dhs, T * B * H);
    TAKE(p, T * B * V); TAKE(WT, H * V); TAKE(W_hT, H * H); TAKE(bias, H);
    for (long j = 0; j < H; j++) bias[j] = b_x[j] + b_h[j];
    memset(states, 0, B * H * sizeof(real));
    product(0, T * B, H, V, x, W_x, 0, a);
    for (long t = 0; t < T; t++) {
        real *pre = a + t * B * H, *h = states + (t + 1) * B * H;
        if (t) product(0, B, H, H, h - B * H, W_h, 1, pre);
        for (long k = 0; k < B; k++, pre += H, h += H)
            SIMD for (long j = 0; j < H; j++) h[j] = tanh_(pre[j] + bias[j]);
    }
    *loss = head(T * B, states + B * H, W, b, y, p, WT, dhs, dW, db);
    transpose(H, H, W_h, W_hT);
    for (long t = T - 1; t >= 0; t--) {
        real *d = a + t * B * H, *h = states + (t + 1) * B * H, *dh = dhs + t * B * H;
        SIMD for (long j = 0; j < B * H; j++) d[j] = (1 - h[j] * h[j]) * dh[j];
        if (t) product(0, B, H, H, d, W_hT, 1, dh - B * H);
    }
    product(1, V, H, T * B, x, a, 0, dW_x);
    product(1, H, H, T * B, states, a, 0, dW_h);
    add_rows(T * B, H, a, db_x);
    memcpy(db_h, db_x, H * sizeof(real));
}

/* `a` holds what enters the gates, then the gates, then the gradients of what enters them. */
void lstm(ARGUMENTS) {
    enum { G = 4 * H };
    TAKE(a, T * B * G); TAKE(states, (T + 1) * B * H); TAKE(cells, (T + 1) * B * H);
    TAKE(tanhs, T * B * H); TAKE(dhs, T * B * H); TAKE(dcs, B * H);
    TAKE(p, T * B * V); TAKE(WT, H * V); TAKE(W_hT, H * G); TAKE(bias, G);
    for (long j = 0; j < G; j++) bias[j] = b_x[j] + b_h[j];
    memset(states, 0, B * H * sizeof(real));
    memset(cells, 0, B * H * sizeof(real));
    memset(dcs, 0, B * H * sizeof(real));
    product(0, T * B, G, V, x, W_x, 0, a);
    for (long t = 0; t < T; t++) {
        if (t) product(0, B, G, H, states + t * B * H, W_h, 1, a + t * B * G);
        for (long k = 0; k < B; k++) {
            long row = t * B + k;
            real *restrict i = a + row * G, *restrict f = i + H, *restrict g = f + H, *restrict o = g + H;
            real *restrict last = cells + row * H, *restrict c = last + B * H;
            real *restrict tc = tanhs + row * H, *restrict h = states + (row + B) * H;
            SIMD for (long j = 0; j < H; j++) {
                i[j] = sigmoid_(i[j] + bias[j]);
                f[j] = sigmoid_(f[j] + bias[H + j]);
                g[j] = tanh_(g[j] + bias[2 * H + j]);
                o[j] = sigmoid_(o[j] + bias[3 * H + j]);
                c[j] = f[j] * last[j] + i[j] * g[j];
                tc[j] = tanh_(c[j]);
                h[j] = o[j] * tc[j];
            }
        }
    }
    *loss = head(T * B, states + B * H, W, b, y, p, WT, dhs, dW, db);
    transpose(H, G, W_h, W_hT);
    for (long t = T - 1; t >= 0; t--) {
        for (long k = 0; k < B; k++) {
            long row = t * B + k;
            real *restrict i = a + row * G, *restrict f = i + H, *restrict g = f + H, *restrict o = g + H;
            real *restrict last = cells + row * H, *restrict tc = tanhs + row * H;
            real *restrict dh = dhs + row * H, *restrict dc = dcs + k * H;
            SIMD for (long j = 0; j < H; j++) {
                real di = i[j], df = f[j], dg = g[j], do_ = o[j], s = tc[j];
                real d = dc[j] + dh[j] * do_ * (1 - s * s);
                dc[j] = d * df;
                i[j] = d * dg * di * (1 - di);
                f[j] = d * last[j] * df * (1 - df);
                g[j] = d * di * (1 - dg * dg);
                o[j] = dh[j] * s * do_ * (1 - do_);
            }
        }
        if (t) product(0, B, H, G, a + t * B * G, W_hT, 1, dhs + (t - 1) * B * H);
    }
    product(1, V, G, T * B, x, a, 0, dW_x);
    product(1, H, G, T * B, states, a, 0, dW_h);
    add_rows(T * B, G, a, db_x);
    memcpy(db_h, db_x, G * sizeof(real));
}

/* `a` and `e` hold what x and h bring to the gates, at last the gradients of both. */
void gru(ARGUMENTS) {
    enum { G = 3 * H };
    TAKE(a, T * B * G); TAKE(e, T * B * G); TAKE(states, (T + 1) * B * H); TAKE(dhs, T * B * H);
    TAKE(p, T * B * V); TAKE(WT, H * V); TAKE(W_hT, H * G); TAKE(bias, G);
    for (long j = 0; j < G; j++) bias[j] = b_x[j] + (j < 2 * H ? b_h[j] : 0);
    memset(states, 0, B * H * sizeof(real));
    memset(e, 0, B * G * sizeof(real));
    product(0, T * B, G, V, x, W_x, 0, a);
    for (long t = 0; t < T; t++) {
        if (t) product(0, B, G, H, states + t * B * H, W_h, 0, e + t * B * G);
        for (long k = 0; k < B; k++) {
            long row = t * B + k;
            real *restrict r = a + row * G, *restrict z = r + H, *restrict n = z + H;
            real *restrict h_r = e + row * G, *restrict h_z = h_r + H, *restrict h_n = h_z + H;
            real *restrict last = states + row * H, *restrict h = last + B * H;
            SIMD for (long j = 0; j < H; j++) {
                r[j] = sigmoid_(r[j] + h_r[j] + bias[j]);
                z[j] = sigmoid_(z[j] + h_z[j] + bias[H + j]);
                h_n[j] += b_h[2 * H + j];
                n[j] = tanh_(n[j] + bias[2 * H + j] + r[j] * h_n[j]);
                h[j] = n[j] + z[j] * (last[j] - n[j]);
            }
        }
    }
    *loss = head(T * B, states + B * H, W, b, y, p, WT, dhs, dW, db);
    transpose(H, G, W_h, W_hT);
    for (long t = T - 1; t >= 0; t--) {
        for (long k = 0; k < B; k++) {
            long row = t * B + k, before = t ? row - B : row;
            real *restrict r = a + row * G, *restrict z = r + H, *restrict n = z + H;
            real *restrict h_r = e + row * G, *restrict h_z = h_r + H, *restrict h_n = h_z + H;
            real *last = states + row * H, *dh = dhs + row * H, *dh_before = dhs + before * H;
            SIMD for (long j = 0; j < H; j++) {
                real d = dh[j], s = r[j], u = z[j], m = n[j];
                real dn = d * (1 - u) * (1 - m * m);
                real dr = dn * h_n[j] * s * (1 - s);
                real dz = d * (last[j] - m) * u * (1 - u);
                dh_before[j] += d * u;
                r[j] = h_r[j] = dr;
                z[j] = h_z[j] = dz;
                n[j] = dn;
                h_n[j] = dn * s;
            }
        }
        if (t) product(0, B, H, G, e + t * B * G, W_hT, 1, dhs + (t - 1) * B * H);
    }
    product(1, V, G, T * B, x, a, 0, dW_x);
    product(1, H, G, T * B, states, e, 0, dW_h);
    add_rows(T * B, G, a, db_x);
    add_rows(T * B, G, e, db_h);
}
