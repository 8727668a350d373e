"""Independent answers: the textbook's equations in NumPy float64, with plain loops and none of funcnet's code."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def index_form_backprop(weights, biases, x, y):
    """Gradients of the mean of half squared errors of a sigmoid network, index by index (Rumelhart et al., 1986).

    Output layer: δ_k = o_k(1 − o_k)(o_k − t_k); hidden: δ_j = o_j(1 − o_j) Σ_k δ_k w_kj; ∂/∂w_kj = δ_k o_j.
    """
    n = len(x)
    weight_gradients = [np.zeros_like(w) for w in weights]
    bias_gradients = [np.zeros_like(b) for b in biases]
    cost = 0.0
    for sample in range(n):
        outputs = [x[sample]]
        for w, b in zip(weights, biases, strict=True):
            o = np.zeros(len(b))
            for k in range(len(b)):
                z = b[k]
                for j in range(w.shape[1]):
                    z += w[k, j] * outputs[-1][j]
                o[k] = sigmoid(z)
            outputs.append(o)
        delta = np.zeros(len(outputs[-1]))
        for k, (o, t) in enumerate(zip(outputs[-1], y[sample], strict=True)):
            cost += 0.5 * (o - t) ** 2 / n
            delta[k] = o * (1 - o) * (o - t)
        for layer in reversed(range(len(weights))):
            below = np.zeros(weights[layer].shape[1])
            for k in range(len(delta)):
                bias_gradients[layer][k] += delta[k] / n
                for j in range(len(below)):
                    o = outputs[layer][j]
                    weight_gradients[layer][k, j] += delta[k] * o / n
                    below[j] += o * (1 - o) * delta[k] * weights[layer][k, j]
            delta = below
    return cost, weight_gradients, bias_gradients


def sgd(theta, gradient, steps, learning_rate):
    """θ ← θ − ηg."""
    for t in range(1, steps + 1):
        theta = theta - learning_rate * gradient(theta, t)
    return theta


def momentum(theta, gradient, steps, learning_rate, momentum):
    """v ← αv − ηg; θ ← θ + v."""
    v = np.zeros_like(theta)
    for t in range(1, steps + 1):
        v = momentum * v - learning_rate * gradient(theta, t)
        theta = theta + v
    return theta


def rmsprop(theta, gradient, steps, learning_rate, decay, epsilon):
    """r ← ρr + (1 − ρ)g²; θ ← θ − ηg/(ε + √r)."""
    r = np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        r = decay * r + (1 - decay) * g * g
        theta = theta - learning_rate * g / (epsilon + np.sqrt(r))
    return theta


def adam(theta, gradient, steps, learning_rate, decay1, decay2, epsilon):
    """s ← ρ₁s + (1 − ρ₁)g; r ← ρ₂r + (1 − ρ₂)g²; θ ← θ − ηŝ/(ε + √r̂), with t from 1 in the correction."""
    s, r = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        s = decay1 * s + (1 - decay1) * g
        r = decay2 * r + (1 - decay2) * g * g
        s_hat, r_hat = s / (1 - decay1**t), r / (1 - decay2**t)
        theta = theta - learning_rate * s_hat / (epsilon + np.sqrt(r_hat))
    return theta


def nesterov(theta, gradient, steps, learning_rate, momentum):
    """The two-point form: g at θ + αv; v ← αv − ηg; θ ← θ + v."""
    v = np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta + momentum * v, t)
        v = momentum * v - learning_rate * g
        theta = theta + v
    return theta


def adagrad(theta, gradient, steps, learning_rate, epsilon):
    """r ← r + g²; θ ← θ − ηg/(ε + √r)."""
    r = np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        r = r + g * g
        theta = theta - learning_rate * g / (epsilon + np.sqrt(r))
    return theta


def rmsprop_nesterov(theta, gradient, steps, learning_rate, decay, momentum, epsilon):
    """The two-point form: g at θ + αv; r ← ρr + (1 − ρ)g²; v ← αv − ηg/(ε + √r); θ ← θ + v."""
    v, r = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta + momentum * v, t)
        r = decay * r + (1 - decay) * g * g
        v = momentum * v - learning_rate * g / (epsilon + np.sqrt(r))
        theta = theta + v
    return theta


def adamw(theta, gradient, steps, learning_rate, decay1, decay2, epsilon, weight_decay):
    """s, r, ŝ, r̂ as in ``adam``; θ ← θ − η(ŝ/(ε + √r̂) + λθ)."""
    s, r = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta, t)
        s = decay1 * s + (1 - decay1) * g
        r = decay2 * r + (1 - decay2) * g * g
        s_hat, r_hat = s / (1 - decay1**t), r / (1 - decay2**t)
        theta = theta - learning_rate * (s_hat / (epsilon + np.sqrt(r_hat)) + weight_decay * theta)
    return theta


def calibration_error(confidence, right, weights, bins):
    """Σ_b (n_b/n) |accuracy_b − confidence_b|, bin by bin (Guo et al., 2017, equation 3)."""
    error = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidence) if (b / bins < c or b == 0) and c <= (b + 1) / bins]
        n = sum(weights[i] for i in inside)
        if n > 0:
            accuracy = sum(weights[i] * right[i] for i in inside) / n
            error += n / sum(weights) * abs(accuracy - sum(weights[i] * confidence[i] for i in inside) / n)
    return error
