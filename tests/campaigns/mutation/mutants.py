"""The bugs: in which function, what stands there, what takes its place, and what kind of bug that is."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change of one function; ``syntax`` says how it is found. ``old`` stands in the function exactly once."""

    where: str  # the function's qualified name, whatever its module: Dense.backward
    old: str  # an expression, or a whole statement
    new: str  # an expression, or one or several statements
    bug: str


# fmt: off
MUTANTS = [
    # the four equations
    Mutant("_shares_of_the_mean", "scale / samples", "scale", "BP: the 1/n of the mean is missing"),
    Mutant("_shares_of_the_mean", "scale / samples", "scale / (samples + 1)", "BP: 1/(n + 1) for 1/n"),
    Mutant("_shares_of_the_mean", "sample_shares(weights, samples, dtype, where)", "jnp.asarray(weights, dtype) / samples", "BP: weights not normalized"),
    Mutant("_shares_of_the_mean", "sample_shares(weights, samples, dtype, where)", "sample_shares(weights**2, samples, dtype, where)", "BP: weights squared"),
    Mutant("_shares_of_the_mean", "sample_shares(weights, samples, dtype, where)", "sample_shares(weights[::-1], samples, dtype, where)", "BP: weights of other samples"),
    Mutant("sample_shares", "scaled / jnp.where(total == 0, 1, total)", "scaled / samples", "mean: weights not normalized"),
    Mutant("Objective.by_hand", "self.loss.gradient(output, y)", "-self.loss.gradient(output, y)", "BP1: wrong sign"),
    Mutant("Objective.by_hand", "jax.tree.map(lambda g, p: g + _if_any_counts(weights, p), gradients, shrinking)", "gradients", "penalty's gradient dropped"),
    Mutant("Objective.by_hand", "jax.tree.map(lambda g, p: g + _if_any_counts(weights, p), gradients, shrinking)", "jax.tree.map(jnp.subtract, gradients, shrinking)", "penalty's gradient subtracted"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(delta, 0, x, 0) * (1 + 1e-12)", "BP3: all wrong by 1e-12"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(delta, 0, x, 0).at[0, 0].multiply(1 + 1e-12)", "BP3: one weight wrong by 1e-12"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(delta, 0, x, 0).at[-1, -1].multiply(0.9)", "BP3: one weight wrong by a tenth"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(delta[1:], 0, x[1:], 0)", "BP3: the first sample dropped"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(x, 0, delta, 0).reshape(params.weight.shape)", "BP3: a transposition"),
    Mutant("Dense.backward", "_contract(delta, 0, x, 0)", "_contract(delta, 0, jnp.roll(x, 1, axis=0), 0)", "BP3: a^(l-1) of another sample"),
    Mutant("Dense.backward", "jnp.sum(delta, axis=0)", "jnp.mean(delta, axis=0)", "BP4: mean for sum"),
    Mutant("Dense.backward", "jnp.sum(delta, axis=0)", "jnp.zeros_like(params.bias)", "BP4: no bias gradient"),
    Mutant("Dense.backward", "jnp.sum(delta, axis=0)", "jnp.sum(delta, axis=0).at[0].multiply(1 + 1e-12)", "BP4: one bias wrong by 1e-12"),
    Mutant("Dense.backward", "_contract(delta, 1, weight, 0)", "-_contract(delta, 1, weight, 0)", "BP2: wrong sign"),
    Mutant("Dense.backward", "_contract(delta, 1, weight, 0)", "_contract(delta, 1, weight.T.reshape(weight.shape), 0)", "BP2: w for its transpose"),
    Mutant("Chain.backward", "gradients.append(gradient)", "gradients.append(gradient)\ndy = dy * 1.001", "BP2: δ wrong by a thousandth a layer"),
    Mutant("Chain.backward", "zip(self.layers, params, cache, strict=True)", "zip(self.layers, params, [cache[0] * 1.01, *cache[1:]], strict=True)", "BP: a stale cache in the first layer"),
    # activations
    Mutant("Activation.backward", "dy * self.derivative(z)", "dy", "BP2: σ′ dropped"),
    Mutant("Activation.backward", "dy * self.derivative(z)", "dy * self.derivative(self(z))", "BP2: σ′(a) for σ′(z)"),
    Mutant("Sigmoid.derivative", "self.value(z) * self.value(-z)", "self.value(z) * (1 + self.value(z))", "sigmoid: a sign in σ(1 − σ)"),
    Mutant("Sigmoid.derivative", "self.value(z) * self.value(-z)", "self.value(z) ** 2", "sigmoid: σ² for σ(1 − σ)"),
    Mutant("Tanh.derivative", "(1 - a) * (1 + a)", "(1 - a) * (1 - a)", "tanh: a sign in 1 − tanh²"),
    Mutant("Tanh.derivative", "(1 - a) * (1 + a)", "1 - a", "tanh: the square forgotten"),
    Mutant("Linear.derivative", "jnp.ones_like(z)", "jnp.full_like(z, 1 + 1e-12)", "linear: 1 wrong by 1e-12"),
    Mutant("SiLU.derivative", "e * ((1 - x) + small)", "e * (1 + small)", "SiLU: the product rule's second term"),
    Mutant("GELU.derivative", "tail_ratio(x) - x * DENSITY_AT_0", "tail_ratio(x) + x * DENSITY_AT_0", "GELU: a sign"),
    Mutant("GELU.derivative", "x * DENSITY_AT_0", "x * 0.5 * DENSITY_AT_0", "GELU: the density's factor"),
    Mutant("LeakyReLU.derivative", "jnp.where(z < 0, jnp.full_like(z, self.negative_slope), jnp.ones_like(z))", "jnp.where(z < 0, jnp.ones_like(z), jnp.full_like(z, self.negative_slope))", "leaky ReLU: branches swapped"),
    Mutant("ReLU.derivative", "jnp.where(z < 0, jnp.zeros_like(z), jnp.ones_like(z))", "jnp.ones_like(z)", "ReLU: no kink in the derivative"),
    Mutant("ELU.derivative", "self.alpha * jnp.exp(_negative_part(z))", "jnp.exp(_negative_part(z))", "ELU: α dropped"),
    Mutant("ELU.derivative", "self.alpha * jnp.exp(_negative_part(z))", "self.alpha * jnp.expm1(_negative_part(z))", "ELU: the value for the derivative"),
    Mutant("PReLU.backward", "jnp.sum(dy * self.slope_derivative(params, z))", "jnp.mean(dy * self.slope_derivative(params, z))", "PReLU: mean for sum in the slope"),
    Mutant("PReLU.backward", "dy * self.z_derivative(params, z)", "dy * jnp.abs(self.z_derivative(params, z)) * 1.001", "PReLU: δ wrong by a thousandth"),
    Mutant("Softmax.backward", "exponential * (dy - mean) / total", "exponential * ((1 - exponential / total) * dy) / total", "softmax: the Jacobian's diagonal alone"),
    Mutant("Softmax.backward", "jnp.sum(exponential * dy, axis=-1, keepdims=True) / total", "jnp.sum(dy, axis=-1, keepdims=True)", "softmax: a factor in the sum"),
    # losses
    Mutant("Quadratic.gradient", "a - y", "y - a", "quadratic: wrong sign"),
    Mutant("SquaredError.gradient", "2 * (a - y)", "a - y + (a - y) * (1 - 1e-11)", "squared error: 2 wrong by 1e-11"),
    Mutant("MeanSquaredError.gradient", "(2 / a.shape[-1]) * (a - y)", "2 * (a - y)", "mean squared error: 1/m missing"),
    Mutant("MeanSquaredError.gradient", "(2 / a.shape[-1]) * (a - y)", "(2 / a.shape[0]) * (a - y)", "mean squared error: batch for outputs"),
    Mutant("BinaryCrossEntropy._gradient", "_over(1 - y, _at_least(least, 1 - a)) - _over(y, a)", "-_over(y, a)", "cross-entropy: the second term"),
    Mutant("BinaryCrossEntropy._gradient", "_over(1 - y, _at_least(least, 1 - a)) - _over(y, a)", "_over(1 - y, _at_least(least, 1 - a)) + _over(y, a)", "cross-entropy: a sign"),
    Mutant("SigmoidCrossEntropy.gradient", "(1 - y) * sigmoid(z) - y * sigmoid(-z)", "(1 - y) * sigmoid(z) - y * sigmoid(z)", "sigmoid cross-entropy: σ(z) for σ(−z)"),
    Mutant("SoftmaxCrossEntropy.gradient", "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y", "softmax(z) - y", "softmax cross-entropy: Σ y taken for 1"),
    Mutant("SoftmaxCrossEntropy.gradient", "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) - y", "softmax(z) * jnp.sum(y, axis=-1, keepdims=True) * (1 - y) - y", "softmax cross-entropy: a factor too many"),
    Mutant("Hinge.gradient", "-y * relu.derivative(1 - y * z)", "-y", "hinge: the margin forgotten"),
    # layers
    Mutant("LayerNorm.backward", "(g - _mean(g) - normalized * _mean(g * normalized)) * inverse", "(g - normalized * _mean(g * normalized)) * inverse", "layer norm: the mean's term"),
    Mutant("LayerNorm.backward", "(g - _mean(g) - normalized * _mean(g * normalized)) * inverse", "(g - _mean(g)) * inverse", "layer norm: the variance's term"),
    Mutant("LayerNorm.backward", "jnp.sum(delta * normalized, axis=others)", "jnp.sum(delta, axis=others)", "layer norm: x̂ missing in the scale"),
    Mutant("LayerNorm.backward", "_along(_wide(params.scale), dy.ndim) * delta", "delta", "layer norm: the scale missing in δ"),
    Mutant("Dropout.backward", "self._masked(mask, dy)", "dy", "dropout: the mask forgotten in backward"),
    Mutant("Dropout.backward", "self._masked(mask, dy)", "mask * dy", "dropout: 1/(1 − rate) forgotten in backward"),
    Mutant("Residual.backward", "dy + branch_dx", "branch_dx", "residual: the skip's δ missing"),
    Mutant("Residual.backward", "dy + branch_dx", "dy", "residual: the branch's δ missing"),
    # penalties
    Mutant("_L1.derivative", "jnp.sign(w)", "jnp.sign(w) * jnp.abs(w)", "l1: w for its sign"),
    Mutant("_L2.norm", "0.5 * jnp.sum(w**2)", "jnp.sum(w**2)", "l2: the half forgotten in the value"),
    Mutant("_Norm.gradient", "jnp.asarray(strength, w.dtype) * self.derivative(w)", "self.derivative(w)", "penalty: strength missing in the gradient"),
    # optimizers
    Mutant("sgd", "-learning_rate * g", "learning_rate * g", "sgd: ascent"),
    Mutant("momentum", "momentum * at.velocity - learning_rate * g", "momentum * at.velocity - (1 - momentum) * learning_rate * g", "momentum: damped as a mean"),
    Mutant("momentum", "momentum * at.velocity - learning_rate * g", "momentum * (at.velocity - learning_rate * g)", "momentum: α on the gradient too"),
    Mutant("momentum", "return v, {'velocity': v}", "return v, {'velocity': at.velocity}", "momentum: a stale velocity"),
    Mutant("nesterov", "(1 + momentum) * v - momentum * at.velocity", "v", "Nesterov: no look-ahead"),
    Mutant("nesterov", "(1 + momentum) * v - momentum * at.velocity", "(1 + momentum) * v - momentum * v", "Nesterov: the new velocity twice"),
    Mutant("rmsprop_nesterov", "{'mean_square': r, 'velocity': v}", "{'mean_square': r, 'velocity': at.velocity}", "RMSProp Nesterov: a stale velocity"),
    Mutant("without_lookahead.theta", "phi_wide - momentum * v", "phi_wide + momentum * v", "Nesterov: θ recovered with the wrong sign"),
    Mutant("adagrad", "at.sum_of_squares + g * g", "at.sum_of_squares + jnp.abs(g)", "AdaGrad: the square forgotten"),
    Mutant("rmsprop", "decay * at.mean_square + (1 - decay) * g * g", "(1 - decay) * at.mean_square + decay * g * g", "RMSProp: the decay swapped"),
    Mutant("rmsprop", "epsilon + jnp.sqrt(r)", "jnp.sqrt(epsilon + r)", "RMSProp: ε inside the root"),
    Mutant("adam", "s / (1 - decay1**at.t)", "s / (1 - decay1)", "Adam: the correction without the power"),
    Mutant("adam", "r / (1 - decay2**at.t)", "r", "Adam: r not corrected"),
    Mutant("adam", "r / (1 - decay2**at.t)", "r / (1 - decay2 ** (at.t + 1))", "Adam: t counted from 2"),
    Mutant("adam", "decay1 * at.mean + (1 - decay1) * g", "decay2 * at.mean + (1 - decay2) * g", "Adam: the decays mixed up"),
    Mutant("adam", "{'mean': s, 'mean_square': r}", "{'mean': s_hat, 'mean_square': r}", "Adam: the corrected mean kept"),
    Mutant("adamw", "learning_rate * weight_decay * at.theta", "weight_decay * at.theta", "AdamW: the rate missing in the decay"),
    Mutant("apply_updates", "p + u.astype(p.dtype)", "p - u.astype(p.dtype)", "updates subtracted"),
    Mutant("clip_by_global_norm", "c / jnp.where(too_large, root, 1)", "c / jnp.where(too_large, root, 1) ** 2", "clipping: the norm squared"),
    Mutant("_Cosine.__call__", "(1 + jnp.cos(jnp.pi * progress)) / 2", "jnp.cos(jnp.pi * progress / 2)", "cosine schedule: a quarter wave"),
    # training
    Mutant("Step.__call__", "state._replace(params=params, optimizer_state=optimizer_state, step=next_count(state.step))", "state._replace(params=params, step=next_count(state.step))", "training: a stale optimizer state"),
    Mutant("Step.__call__", "state._replace(params=params, optimizer_state=optimizer_state, step=next_count(state.step))", "state._replace(params=params, optimizer_state=optimizer_state)", "training: steps not counted"),
    Mutant("Step.__call__", "apply_updates(state.params, updates)", "apply_updates(apply_updates(state.params, updates), updates)", "training: the update twice"),
    # running statistics
    Mutant("Objective._of_trained", "jnp.zeros_like(p) if fixed else leaf", "leaf", "statistics: a gradient of what is not trained"),
    Mutant("Objective.statistics.learned", "new is not old", "new is old", "statistics: taken for what is trained"),
    Mutant("Step.__call__", "network.learn(params, cache)", "params", "statistics: not learned"),
    Mutant("Chain.forward", "layer.call(layer_params, x, key=self.key_of(index, key), weights=weights)", "layer.call(layer_params, x, key=self.key_of(index, key))", "weights that do not reach the layers"),
]
# fmt: on
