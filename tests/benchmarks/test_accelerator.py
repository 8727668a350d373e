import json
import math
from itertools import count

import accelerator
import jax
import jax.numpy as jnp
import pytest

import funcnet as fn


def test_a_small_run_on_the_cpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(accelerator, "CALLS", 1)
    monkeypatch.setattr(accelerator, "LOOP_FLAGS", accelerator.LOOP_FLAGS[1:])  # half as many processes
    sizes = ["--width", "16", "--batch", "8", "--epochs", "2", "--samples", "60", "--recipes", "digits_one"]
    figures = accelerator.main([*sizes, "--json", str(tmp_path / "all.json")])
    assert json.loads((tmp_path / "all.json").read_text()) == figures
    assert list(figures["recipes"]) == ["digits_one"]
    assert list(figures["wide"]) == ["float32", "tf32", "bfloat16"]
    assert all(of["gradients"] <= 2e-6 for of in figures["recipes"].values())
    for of in figures["wide"].values():
        assert of["share"] == pytest.approx(of["rate"] / of["matrix rate"])
        operations = 2 * 8 * 16 * 16 * (3 * 5 - 1)
        assert of["rate"] * of["step"] == pytest.approx(operations)
    assert [(row["form"], row["flags"]) for row in figures["loops"]] == [
        (form, flags) for form in accelerator.FORMS for flags in accelerator.LOOP_FLAGS
    ]
    assert all(set(row["seconds"]) == {"linear", "xor"} for row in figures["loops"])
    told = capsys.readouterr().out
    assert told.startswith(f"{jax.devices()[0].device_kind} (cpu, ")
    assert "this is a CPU" in told


def figures(gradients=1e-7, last=0.5):
    run = {"first loss": 1.0, "last loss": last}
    return {"recipes": {"xor": {"gradients": gradients, "default": run, "highest": run}}, "wide": {"tf32": run}}


def test_what_is_wrong_is_told():
    assert accelerator.failures(figures()) == []
    assert accelerator.failures(figures(gradients=3e-6)) == [
        "xor: the gradients by hand differ from the automatic ones by 3.0e-06"
    ]
    assert "differ" in accelerator.failures(figures(gradients=math.nan))[0]
    for last in (1.0, math.nan):
        assert [line.split(":")[0] for line in accelerator.failures(figures(last=last))] == [
            "xor, default",
            "xor, highest",
            "wide, tf32",
        ]


def test_a_wrong_gradient_by_hand_is_seen():
    class Wrong(fn.Dense):
        def backward(self, params, cache, dy):
            (weight, bias), dx = super().backward(params, cache, dy)
            return fn.DenseParams(weight * 1.00001, bias), dx

    x, y = jax.random.normal(jax.random.key(0), (8, 3)), jnp.ones((8, 2))
    found = {}
    for layer in (fn.Dense(2), Wrong(2)):
        params, _ = layer.init(jax.random.key(1), (3,))
        found[type(layer)] = accelerator.gradients_differ(layer, fn.quadratic, params, x, y)
    assert found[fn.Dense] <= accelerator.TOLERANCE
    assert found[Wrong] == pytest.approx(1e-5, rel=0.1)


def test_the_steady_time_leaves_out_what_a_call_costs(monkeypatch):
    """A call takes 5 s and 2 s an epoch, by a clock that only the calls move."""
    clock = [0.0]
    calls = count()

    def fit(epochs):
        next(calls)
        clock[0] += 5.0 + 2.0 * epochs
        return fn.FitResult((), {"loss": list(range(epochs, 0, -1))}, None, "completed")

    monkeypatch.setattr(accelerator.time, "perf_counter", lambda: clock[0])
    seconds, first, last = accelerator.steady(fit, 1)
    assert seconds == pytest.approx(2.0)
    assert (first, last) == (5.0, 1.0)  # 1 + 4 epochs: the first longer call, of 15 s, to take twice the 7 s of one
    assert next(calls) == 1 + 3 * 4


def test_epochs_that_take_no_time_are_not_timed_for_ever(monkeypatch):
    monkeypatch.setattr(accelerator, "DOUBLINGS", 3)
    monkeypatch.setattr(accelerator, "median_seconds", lambda action, epochs: (1.0, None))
    with pytest.raises(RuntimeError, match="8 epochs take hardly longer than one"):
        accelerator.steady(lambda epochs: None, 1)


def test_a_flag_that_xla_does_not_know_is_told(monkeypatch):
    monkeypatch.setattr(accelerator, "LOOP_FLAGS", ("--xla_no_such_flag=1",))
    monkeypatch.setattr(accelerator, "FORMS", accelerator.FORMS[1:])
    rows = accelerator.loops(accelerator.parsed([]))
    assert "xla_no_such_flag" in rows[0]["error"]
    assert rows[0]["error"] in accelerator.loops_table(rows)
