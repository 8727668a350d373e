/* A recipe's training as a plain loop: forward, backward and update of one batch after another.

   Compiled for one recipe of one or two layers: the widths S0, S1 and S2 (0 where there is one layer), BATCH, HIDDEN
   (0 tanh, 1 sigmoid, 2 relu) and LOSS (0 quadratic, 1 sigmoid, 2 softmax). The optimizer is SGD. The parameters of both
   layers lie one behind the other in one array, of each the weights (out, in) before the biases. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    OUTPUTS = S2 ? S2 : S1,
    SECOND = (S0 + 1) * S1, /* where the second layer's parameters begin */
    PARAMETERS = SECOND + (S1 + 1) * S2,
};

static float a1[BATCH * S1], a2[BATCH * (S2 + 1)]; /* activations of each layer */
static float d1[BATCH * S1], d2[BATCH * (S2 + 1)]; /* gradients by their sums z */
static float gradients[PARAMETERS], batch_x[BATCH * S0], batch_y[BATCH * OUTPUTS];

INLINE float activated(float z) {
    return HIDDEN == 0 ? tanhf(z) : HIDDEN == 1 ? 1 / (1 + expf(-z)) : fmaxf(z, 0);
}

INLINE float derivative(float a) {
    return HIDDEN == 0 ? 1 - a * a : HIDDEN == 1 ? a * (1 - a) : (float)(a > 0);
}

/* Fill a (rows, out) with the activations of a layer: those of the last layer are its sums. */
INLINE void forward(int rows, int in, int out, int last, const float *restrict p, const float *restrict x,
                    float *restrict a) {
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++) {
            float sum = p[in * out + o];
            for (int i = 0; i < in; i++) sum += p[o * in + i] * x[r * in + i];
            a[r * out + o] = last ? sum : activated(sum);
        }
}

/* Fill g with a layer's gradients from dz (rows, out), and dx (rows, in) with those of the sums before, if it is given. */
INLINE void backward(int rows, int in, int out, const float *restrict p, const float *restrict x,
                     const float *restrict dz, float *restrict g, float *restrict dx) {
    for (int o = 0; o < out; o++) {
        float sum = dz[o], *row = g + o * in;
        for (int i = 0; i < in; i++) row[i] = dz[o] * x[i];
        for (int r = 1; r < rows; r++) {
            const float d = dz[r * out + o];
            sum += d;
            for (int i = 0; i < in; i++) row[i] += d * x[r * in + i];
        }
        g[in * out + o] = sum;
    }
    if (!dx) return;
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < in; i++) dx[r * in + i] = 0;
        for (int o = 0; o < out; o++)
            for (int i = 0; i < in; i++) dx[r * in + i] += dz[r * out + o] * p[o * in + i];
        for (int i = 0; i < in; i++) dx[r * in + i] *= derivative(x[r * in + i]);
    }
}

/* Return the loss of a sample's outputs z and targets y. dz becomes its gradient, which is prediction - y, over rows. */
INLINE float loss_of(int rows, const float *restrict z, const float *restrict y, float *restrict dz) {
    float loss = 0;
    if (LOSS == 2) {
        float largest = z[0], sum = 0;
        for (int i = 1; i < OUTPUTS; i++) largest = fmaxf(largest, z[i]);
        for (int i = 0; i < OUTPUTS; i++) sum += dz[i] = expf(z[i] - largest);
        const float log_sum = largest + logf(sum);
        for (int i = 0; i < OUTPUTS; i++) {
            loss += y[i] * (log_sum - z[i]);
            dz[i] = (dz[i] / sum - y[i]) / rows;
        }
        return loss;
    }
    for (int i = 0; i < OUTPUTS; i++) {
        const float error = (LOSS == 1 ? 1 / (1 + expf(-z[i])) : z[i]) - y[i];
        loss += LOSS == 1 ? fmaxf(z[i], 0) - z[i] * y[i] + logf(1 + expf(-fabsf(z[i]))) : 0.5f * error * error;
        dz[i] = error / rows;
    }
    return loss;
}

/* Fill the gradients with those of the mean loss of a batch, and return that loss. */
INLINE float gradient(int rows, const float *p, const float *x, const float *y) {
    float *z = S2 ? a2 : a1, *dz = S2 ? d2 : d1, loss = 0;
    forward(rows, S0, S1, !S2, p, x, a1);
    if (S2) forward(rows, S1, S2, 1, p + SECOND, a1, a2);
    for (int r = 0; r < rows; r++) loss += loss_of(rows, z + r * OUTPUTS, y + r * OUTPUTS, dz + r * OUTPUTS);
    if (S2) backward(rows, S1, S2, p + SECOND, a1, d2, gradients + SECOND, d1);
    backward(rows, S0, S1, p, x, d1, gradients, 0);
    return loss / rows;
}

/* Put the numbers of order into a new order: Fisher and Yates, with xorshift. */
static void shuffle(int32_t *order, int n, uint64_t *random) {
    for (int i = n - 1; i > 0; i--) {
        *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
        const int j = (int)(((*random >> 32) * (uint64_t)(i + 1)) >> 32), kept = order[i];
        order[i] = order[j], order[j] = kept;
    }
}

/* Train for some epochs. history (epochs) gets the mean loss of each. Where best is given it gets the parameters after
   the epoch of the lowest loss, which best_loss keeps from call to call. */
void train(int epochs, int samples, float rate, const float *x, const float *y, int32_t *order, uint64_t *random,
           float *p, float *history, float *best, float *best_loss) {
    for (int epoch = 0; epoch < epochs; epoch++) {
        float sum = 0;
        if (BATCH < samples) shuffle(order, samples, random);
        for (int start = 0; start < samples; start += BATCH) {
            const int rows = samples - start < BATCH ? samples - start : BATCH;
            for (int r = 0; BATCH < samples && r < rows; r++) {
                memcpy(batch_x + r * S0, x + (int64_t)order[start + r] * S0, S0 * sizeof(float));
                memcpy(batch_y + r * OUTPUTS, y + (int64_t)order[start + r] * OUTPUTS, OUTPUTS * sizeof(float));
            }
            const float *xs = BATCH < samples ? batch_x : x, *ys = BATCH < samples ? batch_y : y;
            sum += rows * (rows == BATCH ? gradient(BATCH, p, xs, ys) : gradient(rows, p, xs, ys));
            for (int i = 0; i < PARAMETERS; i++) p[i] -= rate * gradients[i];
        }
        history[epoch] = sum / samples;
        if (best && history[epoch] < *best_loss) {
            *best_loss = history[epoch];
            memcpy(best, p, PARAMETERS * sizeof(float));
        }
    }
}
