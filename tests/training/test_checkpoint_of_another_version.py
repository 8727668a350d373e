"""A checkpoint that another Python and another JAX wrote is read and gone on with."""

import shutil
from pathlib import Path

import jax
import numpy as np

import funcnet as fn

# Written by this module on Python 3.11 with JAX 0.10.1: run(3, folder).
WRITTEN = Path(__file__).parent / "checkpoint_of_jax_0.10.1.safetensors"
NETWORK = fn.Sequential(fn.Dense(4), fn.tanh, fn.Dropout(0.2), fn.LayerNorm(), fn.Dense(2))


def run(epochs, folder=None):
    x = np.arange(60, dtype=np.float32).reshape(20, 3) / 64
    settings = {"early_stopping": fn.EarlyStopping(patience=20), "penalty": fn.l2(1e-3), "metrics": [fn.metrics.r2]}
    return fn.fit(
        NETWORK,
        fn.quadratic,
        fn.adam(fn.schedules.cosine(0.01, 100)),
        (x, x[:, :2] ** 2),
        key=jax.random.key(0),
        epochs=epochs,
        batch_size=8,
        validation=(x[:5], x[:5, :2] ** 2),
        checkpoint=None if folder is None else fn.Checkpoint(folder),
        progress=False,
        **settings,
    )


def test_it_is_read_and_the_run_goes_on_as_on_this_version(tmp_path):
    shutil.copy(WRITTEN, tmp_path / "checkpoint-0000000003.safetensors")
    resumed, whole = run(8, tmp_path), run(8)
    assert len(resumed.history["loss"]) == 8
    for name, column in whole.history.items():  # 7e-7 between JAX 0.10.1 and 0.12.0.1
        np.testing.assert_allclose(resumed.history[name], column, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), resumed.params, whole.params)
