"""The bugs: in which file, what stands there, what is put in its place, and what kind of bug that is.

The text must stand in the file exactly once; ``test_mutants.py`` says so when the code moves on.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    file: str
    old: str
    new: str
    bug: str


NOTHING = Mutant("__init__.py", "", "", "no bug at all")

SMOOTH, PIECEWISE, PRELU, SOFTMAX = (f"activations/{f}.py" for f in ("smooth", "piecewise", "prelu", "rowwise"))
SQUARES, PROBABILITIES, LOGITS, MARGIN = (
    f"losses/{f}.py" for f in ("squared_errors", "probabilities", "logits", "margin")
)
DENSE, CHAIN, NORM, DROPOUT = (f"layers/{f}.py" for f in ("dense", "chain", "normalization", "dropout"))
DESCENT, LOOKAHEAD, ADAPTIVE = (f"optimizers/{f}.py" for f in ("gradient_descent", "nesterov_momentum", "adaptive"))
STEP = "training/step.py"

# fmt: off
MUTANTS = [
    # the four equations
    Mutant("objective.py", "1 / output.shape[0]", "1.0", "BP: the 1/n of the mean is missing"),
    Mutant("objective.py", "1 / output.shape[0]", "1 / (output.shape[0] + 1)", "BP: 1/(n + 1) for 1/n"),
    Mutant("objective.py", "shares(jnp.asarray(weights))", "(jnp.asarray(weights) / len(weights))", "BP: weights not normalized"),
    Mutant("objective.py", "shares(jnp.asarray(weights))", "shares(jnp.asarray(weights) ** 2)", "BP: weights squared"),
    Mutant("objective.py", "share.reshape(-1,", "share[::-1].reshape(-1,", "BP: weights of other samples"),
    Mutant("objective.py", "* self.loss.gradient(output, y)", "* -self.loss.gradient(output, y)", "BP1: wrong sign"),
    Mutant("objective.py", "jnp.add, gradients, self.penalty", "lambda g, p: g, gradients, self.penalty", "penalty's gradient dropped"),
    Mutant("objective.py", "jnp.add, gradients, self.penalty", "jnp.subtract, gradients, self.penalty", "penalty's gradient subtracted"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(delta, 0, x, 0) * (1 + 1e-12)", "BP3: all wrong by 1e-12"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(delta, 0, x, 0).at[0, 0].multiply(1 + 1e-12)", "BP3: one weight wrong by 1e-12"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(delta, 0, x, 0).at[-1, -1].multiply(0.9)", "BP3: one weight wrong by a tenth"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(delta[1:], 0, x[1:], 0)", "BP3: the first sample dropped"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(x, 0, delta, 0).reshape(params.weight.shape)", "BP3: a transposition"),
    Mutant(DENSE, "weight_gradient = _contract(delta, 0, x, 0)", "weight_gradient = _contract(delta, 0, jnp.roll(x, 1, axis=0), 0)", "BP3: a^(l-1) of another sample"),
    Mutant(DENSE, "jnp.sum(delta, axis=0)", "jnp.mean(delta, axis=0)", "BP4: mean for sum"),
    Mutant(DENSE, "jnp.sum(delta, axis=0)", "jnp.zeros_like(params.bias)", "BP4: no bias gradient"),
    Mutant(DENSE, "jnp.sum(delta, axis=0)", "jnp.sum(delta, axis=0).at[0].multiply(1 + 1e-12)", "BP4: one bias wrong by 1e-12"),
    Mutant(DENSE, "_contract(delta, 1, params.weight, 0)", "-_contract(delta, 1, params.weight, 0)", "BP2: wrong sign"),
    Mutant(DENSE, "_contract(delta, 1, params.weight, 0)", "_contract(delta, 1, params.weight.T.reshape(params.weight.shape), 0)", "BP2: w for its transpose"),
    Mutant(CHAIN, "gradients.append(gradient)", "gradients.append(gradient)\n            dy = dy * 1.001", "BP2: δ wrong by a thousandth a layer"),
    Mutant(CHAIN, "reversed(self.layers), reversed(params), reversed(cache)", "reversed(self.layers), reversed(params), [*reversed(cache[1:]), cache[0] * 1.01]", "BP: a stale cache in the first layer"),
    # activations
    Mutant("activations/base.py", "(), dy * self.derivative(z)", "(), dy", "BP2: σ′ dropped"),
    Mutant("activations/base.py", "(), dy * self.derivative(z)", "(), dy * self.derivative(self(z))", "BP2: σ′(a) for σ′(z)"),
    Mutant(SMOOTH, "self.value(z) * self.value(-z)", "self.value(z) * (1 + self.value(z))", "sigmoid: a sign in σ(1 − σ)"),
    Mutant(SMOOTH, "self.value(z) * self.value(-z)", "self.value(z) ** 2", "sigmoid: σ² for σ(1 − σ)"),
    Mutant(SMOOTH, "(1 - a) * (1 + a)", "(1 - a) * (1 - a)", "tanh: a sign in 1 − tanh²"),
    Mutant(SMOOTH, "(1 - a) * (1 + a)", "1 - a", "tanh: the square forgotten"),
    Mutant(SMOOTH, "return jnp.ones_like(z)", "return jnp.full_like(z, 1 + 1e-12)", "linear: 1 wrong by 1e-12"),
    Mutant(SMOOTH, "sigmoid.value(z) + z * sigmoid.derivative(z)", "sigmoid.value(z)", "SiLU: the product rule's second term"),
    Mutant(SMOOTH, "_normal_cdf(z) + z * density", "_normal_cdf(z) - z * density", "GELU: a sign"),
    Mutant(SMOOTH, "/ math.sqrt(2 * math.pi)", "/ math.sqrt(math.pi)", "GELU: the density's factor"),
    Mutant(PIECEWISE, "jnp.where(z < 0, jnp.full_like(z, self.negative_slope), jnp.ones_like(z))", "jnp.where(z < 0, jnp.ones_like(z), jnp.full_like(z, self.slope))", "leaky ReLU: branches swapped"),
    Mutant(PIECEWISE, "jnp.where(z < 0, jnp.zeros_like(z), jnp.ones_like(z))", "jnp.ones_like(z)", "ReLU: no kink in the derivative"),
    Mutant(PIECEWISE, "self.alpha * jnp.exp(_negative_part(z)), jnp.ones_like(z)", "jnp.exp(_negative_part(z)), jnp.ones_like(z)", "ELU: α dropped"),
    Mutant(PIECEWISE, "self.alpha * jnp.exp(_negative_part(z)), jnp.ones_like(z)", "self.alpha * jnp.expm1(_negative_part(z)), jnp.ones_like(z)", "ELU: the value for the derivative"),
    Mutant(PRELU, "jnp.sum(dy * self.slope_derivative(params, z))", "jnp.mean(dy * self.slope_derivative(params, z))", "PReLU: mean for sum in the slope"),
    Mutant(PRELU, "dy * self.z_derivative(params, z)", "dy * jnp.abs(self.z_derivative(params, z)) * 1.001", "PReLU: δ wrong by a thousandth"),
    Mutant(SOFTMAX, "(dy - mean)", "(1 - exponential / total) * dy", "softmax: the Jacobian's diagonal alone"),
    Mutant(SOFTMAX, "exponential * dy, axis=-1, keepdims=True) / total", "dy, axis=-1, keepdims=True)", "softmax: a factor in the sum"),
    # losses
    Mutant(SQUARES, "return a - y", "return y - a", "quadratic: wrong sign"),
    Mutant(SQUARES, "return 2 * (a - y)", "return a - y + (a - y) * (1 - 1e-11)", "squared error: 2 wrong by 1e-11"),
    Mutant(SQUARES, "(2 / a.shape[-1]) * (a - y)", "2 * (a - y)", "mean squared error: 1/m missing"),
    Mutant(SQUARES, "(2 / a.shape[-1]) * (a - y)", "(2 / a.shape[0]) * (a - y)", "mean squared error: batch for outputs"),
    Mutant(PROBABILITIES, "_over(1 - y, _absent(a)) - _over(y, _present(a))", "-_over(y, _present(a))", "cross-entropy: the second term"),
    Mutant(PROBABILITIES, "_over(1 - y, _absent(a)) - _over(y, _present(a))", "_over(1 - y, _absent(a)) + _over(y, _present(a))", "cross-entropy: a sign"),
    Mutant(LOGITS, "(1 - y) * sigmoid(z) - y * sigmoid(-z)", "(1 - y) * sigmoid(z) - y * sigmoid(z)", "sigmoid cross-entropy: σ(z) for σ(−z)"),
    Mutant(LOGITS, "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y", "softmax(z) - y", "softmax cross-entropy: Σ y taken for 1"),
    Mutant(LOGITS, "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y", "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) * (1 - y) - y", "softmax cross-entropy: a factor too many"),
    Mutant(MARGIN, "-y * relu.derivative(1 - y * z)", "-y", "hinge: the margin forgotten"),
    # layers
    Mutant(NORM, "(g - _mean(g) - normalized * _mean(g * normalized)) * inverse", "(g - normalized * _mean(g * normalized)) * inverse", "layer norm: the mean's term"),
    Mutant(NORM, "(g - _mean(g) - normalized * _mean(g * normalized)) * inverse", "(g - _mean(g)) * inverse", "layer norm: the variance's term"),
    Mutant(NORM, "jnp.sum(delta * normalized, axis=others)", "jnp.sum(delta, axis=others)", "layer norm: x̂ missing in the scale"),
    Mutant(NORM, "g = _along(_wide(params.scale), dy.ndim) * delta", "g = delta", "layer norm: the scale missing in δ"),
    Mutant(DROPOUT, "dy if mask is None else self._masked(mask, dy)", "dy", "dropout: the mask forgotten in backward"),
    Mutant(DROPOUT, "dy if mask is None else self._masked(mask, dy)", "dy if mask is None else mask * dy", "dropout: 1/(1 − rate) forgotten in backward"),
    Mutant("layers/residual.py", "gradients, dy + branch_dx", "gradients, branch_dx", "residual: the skip's δ missing"),
    Mutant("layers/residual.py", "gradients, dy + branch_dx", "gradients, dy", "residual: the branch's δ missing"),
    # penalties
    Mutant("penalties.py", "return jnp.sign(w)", "return jnp.sign(w) * jnp.abs(w)", "l1: w for its sign"),
    Mutant("penalties.py", "return 0.5 * jnp.sum(w**2)", "return jnp.sum(w**2)", "l2: the half forgotten in the value"),
    Mutant("penalties.py", "jnp.asarray(self.strength, w.dtype) * self.derivative(w)", "self.derivative(w)", "penalty: strength missing in the gradient"),
    # optimizers
    Mutant(DESCENT, "return -learning_rate * g, {}", "return learning_rate * g, {}", "sgd: ascent"),
    Mutant(DESCENT, "v = momentum * at.velocity - learning_rate * g", "v = momentum * at.velocity - (1 - momentum) * learning_rate * g", "momentum: damped as a mean"),
    Mutant(DESCENT, "v = momentum * at.velocity - learning_rate * g", "v = momentum * (at.velocity - learning_rate * g)", "momentum: α on the gradient too"),
    Mutant(DESCENT, 'return v, {"velocity": v}', 'return v, {"velocity": at.velocity}', "momentum: a stale velocity"),
    Mutant(LOOKAHEAD, 'return (1 + momentum) * v - momentum * at.velocity, {"velocity": v}', 'return v, {"velocity": v}', "Nesterov: no look-ahead"),
    Mutant(LOOKAHEAD, 'return (1 + momentum) * v - momentum * at.velocity, {"velocity": v}', 'return (1 + momentum) * v - momentum * v, {"velocity": v}', "Nesterov: the new velocity twice"),
    Mutant(LOOKAHEAD, '{"mean_square": r, "velocity": v}', '{"mean_square": r, "velocity": at.velocity}', "RMSProp Nesterov: a stale velocity"),
    Mutant(LOOKAHEAD, "phi_wide - momentum * v", "phi_wide + momentum * v", "Nesterov: θ recovered with the wrong sign"),
    Mutant(ADAPTIVE, "r = at.sum_of_squares + g * g", "r = at.sum_of_squares + jnp.abs(g)", "AdaGrad: the square forgotten"),
    Mutant(ADAPTIVE, "r = decay * at.mean_square + (1 - decay) * g * g", "r = (1 - decay) * at.mean_square + decay * g * g", "RMSProp: the decay swapped"),
    Mutant(ADAPTIVE, '(epsilon + jnp.sqrt(r)), {"mean_square": r}', 'jnp.sqrt(epsilon + r), {"mean_square": r}', "RMSProp: ε inside the root"),
    Mutant(ADAPTIVE, "s_hat = s / (1 - decay1**at.t)", "s_hat = s / (1 - decay1)", "Adam: the correction without the power"),
    Mutant(ADAPTIVE, "r_hat = r / (1 - decay2**at.t)", "r_hat = r", "Adam: r not corrected"),
    Mutant(ADAPTIVE, "r_hat = r / (1 - decay2**at.t)", "r_hat = r / (1 - decay2 ** (at.t + 1))", "Adam: t counted from 2"),
    Mutant(ADAPTIVE, "s = decay1 * at.mean + (1 - decay1) * g", "s = decay2 * at.mean + (1 - decay2) * g", "Adam: the decays mixed up"),
    Mutant(ADAPTIVE, '{"mean": s, "mean_square": r}', '{"mean": s_hat, "mean_square": r}', "Adam: the corrected mean kept"),
    Mutant(ADAPTIVE, "step - learning_rate * weight_decay * at.theta", "step - weight_decay * at.theta", "AdamW: the rate missing in the decay"),
    Mutant("optimizers/rule.py", "p + u.astype(p.dtype)", "p - u.astype(p.dtype)", "updates subtracted"),
    Mutant("optimizers/clipping.py", "factor = c / jnp.where(too_large, root, 1)", "factor = c / jnp.where(too_large, root, 1) ** 2", "clipping: the norm squared"),
    Mutant("optimizers/schedules.py", "share = (1 + jnp.cos(jnp.pi * progress)) / 2", "share = jnp.cos(jnp.pi * progress / 2)", "cosine schedule: a quarter wave"),
    Mutant(STEP, "optimizer_state=optimizer_state, step=state.step + 1", "step=state.step + 1", "training: a stale optimizer state"),
    Mutant(STEP, "optimizer_state=optimizer_state, step=state.step + 1", "optimizer_state=optimizer_state", "training: steps not counted"),
    Mutant(STEP, "params = apply_updates(state.params, updates)", "params = apply_updates(apply_updates(state.params, updates), updates)", "training: the update twice"),
]
# fmt: on


def apply(mutant, package):
    """Put the bug into the package in that folder."""
    path = package / mutant.file
    text = path.read_text()
    if mutant is not NOTHING:
        if text.count(mutant.old) != 1:
            raise ValueError(f"{mutant.file}: {mutant.old!r} stands there {text.count(mutant.old)} times, not once")
        path.write_text(text.replace(mutant.old, mutant.new))
