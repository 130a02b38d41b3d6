"""What would a careful human write? Backpropagation through time in NumPy, derived by hand.

One product for all inputs, buffers allocated once and filled with ``out=``, the sigmoid
exp(x) / (1 + exp(x)), the gradients of the weights by one product over all rows, one contiguous
copy of W_h.T per call. Each function takes sizes and gives
``step(W_x, W_h, b_x, b_h, W, b, x, y)``: the loss and six gradients.
"""

import numpy as np


class Head:
    """The projection of all states to classes, softmax cross-entropy, and its gradients."""

    def __init__(self, T, B, V, H, dtype):
        self.shape, self.rows = (T, B, H), np.arange(T * B)
        self.p = np.empty((T * B, V), dtype)
        self.ones, self.weight = np.ones(T * B, dtype), dtype(1 / (T * B))

    def __call__(self, hs, W, b, y):
        rows, p, y = hs.reshape(len(self.rows), -1), self.p, y.ravel()
        np.dot(rows, W, out=p)
        np.add(p, b, out=p)
        np.subtract(p, p.max(axis=1, keepdims=True), out=p)
        picked = p[self.rows, y]
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - picked).mean()
        np.multiply(p, self.weight / total, out=p)
        p[self.rows, y] -= self.weight
        dhs = p.dot(np.ascontiguousarray(W.T)).reshape(self.shape)
        return loss, dhs, rows.T.dot(p), self.ones.dot(p)


def rnn(T, B, V, H, dtype=np.float32):
    def empty(*shape):
        return np.empty(shape, dtype)

    head, one, ones = Head(T, B, V, H, dtype), np.array(1, dtype), np.ones(T * B, dtype)
    a, hs, da = empty(T, B, H), np.zeros((T + 1, B, H), dtype), empty(T, B, H)
    pre, q, dh, dh_next = empty(B, H), empty(B, H), empty(B, H), empty(B, H)

    def step(W_x, W_h, b_x, b_h, W, b, x, y):
        x = x.reshape(T * B, V)
        np.dot(x, W_x, out=a.reshape(T * B, H))
        np.add(a, b_x + b_h, out=a)
        for t in range(T):
            np.dot(hs[t], W_h, out=pre)
            np.add(pre, a[t], out=pre)
            np.tanh(pre, out=hs[t + 1])
        loss, dhs, dW, db = head(hs[1:], W, b, y)
        W_hT = np.ascontiguousarray(W_h.T)
        dh_next[...] = 0
        for t in reversed(range(T)):
            np.add(dhs[t], dh_next, out=dh)
            np.multiply(hs[t + 1], hs[t + 1], out=q)
            np.subtract(one, q, out=q)
            np.multiply(q, dh, out=da[t])
            np.dot(da[t], W_hT, out=dh_next)
        d = da.reshape(T * B, H)
        db_x = ones.dot(d)
        dW_h = hs[:-1].reshape(T * B, H).T.dot(d)
        return loss, x.T.dot(d), dW_h, db_x, db_x.copy(), dW, db

    return step


def lstm(T, B, V, H, dtype=np.float32):
    def empty(*shape):
        return np.empty(shape, dtype)

    head, ones = Head(T, B, V, H, dtype), np.ones(T * B, dtype)
    one, top = np.array(1, dtype), np.array(50, dtype)
    a, gates, da, pre = empty(T, B, 4 * H), empty(T, B, 4 * H), empty(T, B, 4 * H), empty(B, 4 * H)
    hs, cs = np.zeros((T + 1, B, H), dtype), np.zeros((T + 1, B, H), dtype)
    tanh_c, q, dh, dc = empty(T, B, H), empty(B, H), empty(B, H), empty(B, H)
    dh_next, dc_next, more = empty(B, H), empty(B, H), empty(B, 4 * H)
    I, F, G, O = (slice(k * H, (k + 1) * H) for k in range(4))  # noqa: E741

    def sigmoid(x, out, more):
        np.minimum(x, top, out=out)
        np.exp(out, out=out)
        np.add(out, one, out=more)
        np.divide(out, more, out=out)

    def of_sigmoid(y, *factors, out):
        np.subtract(one, y, out=q)
        np.multiply(q, y, out=q)
        np.multiply(q, factors[0], out=q)
        np.multiply(q, factors[1], out=out)

    def step(W_x, W_h, b_x, b_h, W, b, x, y):
        x = x.reshape(T * B, V)
        np.dot(x, W_x, out=a.reshape(T * B, 4 * H))
        np.add(a, b_x + b_h, out=a)
        for t in range(T):
            y_t, c = gates[t], cs[t + 1]
            np.dot(hs[t], W_h, out=pre)
            np.add(pre, a[t], out=pre)
            sigmoid(pre, y_t, more)  # of g too: fewer calls
            np.tanh(pre[:, G], out=y_t[:, G])
            np.multiply(y_t[:, F], cs[t], out=c)
            np.multiply(y_t[:, I], y_t[:, G], out=q)
            np.add(c, q, out=c)
            np.tanh(c, out=tanh_c[t])
            np.multiply(y_t[:, O], tanh_c[t], out=hs[t + 1])
        loss, dhs, dW, db = head(hs[1:], W, b, y)
        W_hT = np.ascontiguousarray(W_h.T)
        dh_next[...] = dc_next[...] = 0
        for t in reversed(range(T)):
            y_t, d, tc = gates[t], da[t], tanh_c[t]
            i, f, g, o = y_t[:, I], y_t[:, F], y_t[:, G], y_t[:, O]
            np.add(dhs[t], dh_next, out=dh)
            np.multiply(tc, tc, out=q)
            np.subtract(one, q, out=q)
            np.multiply(q, o, out=q)
            np.multiply(q, dh, out=q)
            np.add(q, dc_next, out=dc)
            of_sigmoid(o, tc, dh, out=d[:, O])
            of_sigmoid(f, cs[t], dc, out=d[:, F])
            of_sigmoid(i, g, dc, out=d[:, I])
            np.multiply(g, g, out=q)
            np.subtract(one, q, out=q)
            np.multiply(q, i, out=q)
            np.multiply(q, dc, out=d[:, G])
            np.multiply(dc, f, out=dc_next)
            np.dot(d, W_hT, out=dh_next)
        d = da.reshape(T * B, 4 * H)
        db_x = ones.dot(d)
        dW_h = hs[:-1].reshape(T * B, H).T.dot(d)
        return loss, x.T.dot(d), dW_h, db_x, db_x.copy(), dW, db

    return step


def gru(T, B, V, H, dtype=np.float32):
    def empty(*shape):
        return np.empty(shape, dtype)

    head, ones = Head(T, B, V, H, dtype), np.ones(T * B, dtype)
    one, top = np.array(1, dtype), np.array(50, dtype)
    a, p, dx, dp = (empty(T, B, 3 * H) for _ in range(4))
    rz, ns, hs = empty(T, B, 2 * H), empty(T, B, H), np.zeros((T + 1, B, H), dtype)
    q, s, dh, dz, dh_next = (empty(B, H) for _ in range(5))
    more = empty(B, 2 * H)

    def step(W_x, W_h, b_x, b_h, W, b, x, y):
        x = x.reshape(T * B, V)
        np.dot(x, W_x, out=a.reshape(T * B, 3 * H))
        np.add(a, b_x, out=a)
        for t in range(T):
            y_t, n, h = rz[t], ns[t], p[t]
            np.dot(hs[t], W_h, out=h)
            np.add(h, b_h, out=h)
            np.add(a[t, :, : 2 * H], h[:, : 2 * H], out=y_t)
            np.minimum(y_t, top, out=y_t)
            np.exp(y_t, out=y_t)
            np.add(y_t, one, out=more)
            np.divide(y_t, more, out=y_t)
            np.multiply(y_t[:, :H], h[:, 2 * H :], out=n)
            np.add(n, a[t, :, 2 * H :], out=n)
            np.tanh(n, out=n)
            np.subtract(hs[t], n, out=q)
            np.multiply(q, y_t[:, H:], out=q)
            np.add(q, n, out=hs[t + 1])
        loss, dhs, dW, db = head(hs[1:], W, b, y)
        W_hT = np.ascontiguousarray(W_h.T)
        dh_next[...] = 0
        for t in reversed(range(T)):
            r, z, n, d, e = rz[t, :, :H], rz[t, :, H:], ns[t], dx[t], dp[t]
            np.add(dhs[t], dh_next, out=dh)
            np.multiply(dh, z, out=dz)
            np.subtract(dh, dz, out=s)
            np.multiply(n, n, out=q)
            np.subtract(one, q, out=q)
            np.multiply(q, s, out=d[:, 2 * H :])
            np.multiply(d[:, 2 * H :], r, out=e[:, 2 * H :])
            np.subtract(hs[t], n, out=q)
            np.multiply(q, dz, out=q)
            np.subtract(one, z, out=s)
            np.multiply(q, s, out=d[:, H : 2 * H])
            np.subtract(one, r, out=q)
            np.multiply(q, r, out=q)
            np.multiply(q, p[t, :, 2 * H :], out=q)
            np.multiply(q, d[:, 2 * H :], out=d[:, :H])
            e[:, : 2 * H] = d[:, : 2 * H]
            np.dot(e, W_hT, out=dh_next)
            np.add(dh_next, dz, out=dh_next)
        d, e = dx.reshape(T * B, 3 * H), dp.reshape(T * B, 3 * H)
        dW_h = hs[:-1].reshape(T * B, H).T.dot(e)
        return loss, x.T.dot(d), dW_h, ones.dot(d), ones.dot(e), dW, db

    return step
