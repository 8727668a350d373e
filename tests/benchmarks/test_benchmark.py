import doctest
import json
from dataclasses import replace

import benchmark
import jax
import numpy as np
import peers
import pytest
from peers import PEERS, floor, process, report
from peers.c_peer import PlainLoop
from peers.funcnet_peer import LOSSES, Autodiff, Backprop, Floats
from peers.judge import accuracy_of, judge, loss_of, outputs_of
from peers.numpy_peer import Numpy
from peers.recipes import RECIPES, initial_weights, load, prepare, scaled, whole_batches
from peers.serve import begun, peak_memory, turn, work_of

import funcnet as fn

SMALL = {"hidden": "relu", "sizes": (64, 12, 10), "batch_size": 100}  # of the digits, with a partial last batch
QUICK = {
    "linear": replace(RECIPES["linear"], epochs=200),
    "xor": replace(RECIPES["xor"], epochs=500),
    "digits": replace(RECIPES["digits_one"], **SMALL, optimizer="rmsprop", learning_rate=0.01, epochs=5),
    "predict": replace(RECIPES["predict"], data="digits", sizes=(64, 12, 10), epochs=2),
}


def judged(recipe, peer_class, folder):
    """Follow the recipe in this process; return the judge's figures."""
    prepare(recipe, folder)
    read, arrays = load(folder)
    assert read == recipe
    peer = begun(peer_class, recipe, dict(arrays))
    assert turn(peer, recipe, recipe.epochs) > 0
    return judge(recipe, arrays, work_of(peer, recipe)), peer, arrays


@pytest.mark.parametrize(("name", "tolerance"), [("linear", 1e-4), ("xor", 1e-4), ("predict", 1e-5), ("digits", 0.2)])
def test_both_routes_and_plain_numpy_learn_the_same(name, tolerance, tmp_path):
    recipe = QUICK[name]
    ours, peer, arrays = judged(recipe, Autodiff, tmp_path)
    start = loss_of(recipe, outputs_of(recipe, initial_weights(recipe, arrays), arrays["x"]), arrays["y"])
    assert name == "predict" or ours["loss"] < 0.8 * start
    in_c = (PlainLoop,) if name in PEERS["C loop"].recipes and not PEERS["C loop"].missing() else ()
    for other in (Backprop, Floats, Numpy, *in_c):
        theirs, other_peer, _ = judged(recipe, other, tmp_path)
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=tolerance)
        if tolerance < 1e-3:
            for mine, its in zip(peer.weights(), other_peer.weights(), strict=True):
                np.testing.assert_allclose(mine[0], its[0], rtol=1e-3, atol=1e-5)
                np.testing.assert_allclose(mine[1], its[1], rtol=1e-3, atol=1e-5)
    if name == "digits":
        assert ours["accuracy"] > 0.85


@pytest.mark.skipif(bool(PEERS["C loop"].missing()), reason="no C compiler")
def test_the_loop_in_c_leaves_subnormal_numbers_alone(tmp_path):
    judged(QUICK["xor"], PlainLoop, tmp_path)
    assert np.float32(1e-40) * np.float32(0.5) > 0


IN_BATCHES = replace(
    RECIPES["digits_one"], hidden="tanh", sizes=(64, 12, 10), batch_size=100, learning_rate=0.1, epochs=8
)
OTHERS = [name for name, entry in PEERS.items() if entry.library != "funcnet"]


@pytest.fixture(scope="module")
def ours():
    """Return funcnet's loss of that recipe, whose last batch is partial."""
    return process.measure(IN_BATCHES, ["funcnet autodiff"], 1)["funcnet autodiff"]["loss"]


@pytest.mark.parametrize("contender", OTHERS)
def test_every_setting_of_every_peer_learns_the_same(contender, ours):
    if PEERS[contender].missing():
        pytest.skip(PEERS[contender].missing())
    figures = process.measure(IN_BATCHES, [contender], 1)[contender]
    assert figures.get("error") is None
    assert figures["loss"] == pytest.approx(ours, rel=0.1)


def test_a_contender_takes_part_in_its_recipes_alone():
    assert process.measure(replace(QUICK["linear"], epochs=1), ["keras, 100 steps", "flax scan"], 1) == {}


def test_rows_of_an_epoch_are_whole_batches_and_a_rest():
    full, rest = whole_batches(IN_BATCHES, np.random.default_rng(0), 250)
    assert full.shape == (2, 100)
    np.testing.assert_array_equal(np.sort(np.concatenate([full.ravel(), rest])), np.arange(250))


def test_without_a_compiler_the_loop_in_c_is_left_out(monkeypatch):
    monkeypatch.setattr(peers, "C_COMPILERS", ("no_such_cc", "no_such_gcc"))
    assert PEERS["C loop"].missing() == "no C compiler found: no_such_cc or no_such_gcc"


@pytest.mark.parametrize("peer_class", [Autodiff, Numpy])
def test_a_second_round_goes_on_where_the_first_ended(peer_class, tmp_path):
    recipe = replace(QUICK["xor"], epochs=40)
    whole, *_ = judged(replace(recipe, epochs=80), peer_class, tmp_path)
    _, peer, arrays = judged(recipe, peer_class, tmp_path)
    peer.train(40)
    assert judge(recipe, arrays, work_of(peer, recipe))["loss"] == pytest.approx(whole["loss"], rel=1e-6)


@pytest.mark.parametrize(("optimizer", "hidden"), [("sgd", "relu"), ("adam", "sigmoid"), ("rmsprop", "tanh")])
def test_every_optimizer_and_activation_is_the_same_by_hand(optimizer, hidden, tmp_path):
    recipe = replace(QUICK["digits"], optimizer=optimizer, hidden=hidden, batch_size=None, epochs=4)
    (ours, *_), (theirs, *_) = judged(recipe, Autodiff, tmp_path), judged(recipe, Numpy, tmp_path)
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4)


@pytest.mark.parametrize(("loss", "outputs"), [("softmax", 10), ("sigmoid", 1), ("quadratic", 1)])
def test_the_judge_says_what_evaluate_says(loss, outputs, tmp_path):
    recipe = replace(RECIPES["digits_one"], loss=loss, sizes=(64, 12, outputs), hidden="tanh")
    prepare(recipe, tmp_path)
    arrays = load(tmp_path)[1]
    if outputs == 1:
        arrays["labels_test"] = arrays["labels_test"] % 2
        arrays["y_test"] = arrays["labels_test"][:, None].astype(np.float32)
    weights = initial_weights(recipe, arrays)
    network = fn.mlp(recipe.sizes, hidden=fn.tanh)
    params = (
        fn.DenseParams(*map(jax.numpy.asarray, weights[0])),
        (),
        fn.DenseParams(*map(jax.numpy.asarray, weights[1])),
    )
    test = scaled(recipe, arrays["x_test"]), arrays["y_test"]
    told = fn.evaluate(network, LOSSES[loss], params, test, metrics=[fn.accuracy] if loss != "quadratic" else [])
    answers = outputs_of(recipe, weights, arrays["x_test"])
    assert loss_of(recipe, answers, test[1]) == pytest.approx(told["loss"], rel=1e-5)
    assert accuracy_of(recipe, answers, arrays["labels_test"]) == pytest.approx(told.get("accuracy"))


def test_units():
    assert RECIPES["mnist"].units(60_000) == 2
    assert RECIPES["zero_one"].units(12_665) == 5 * 396
    assert RECIPES["linear"].units(100) == 1000
    assert RECIPES["cold"].units(60_000) == 1


def test_memory_is_that_of_this_process():
    before = peak_memory()
    held = np.ones(8_000_000)
    assert peak_memory() >= before
    assert peak_memory() > held.nbytes


def figures(median, loss, memory=100.0):
    return {
        "seconds": [median], "median": median, "min": median, "max": median,
        "loss": loss, "memory": memory, "accuracy": 0.9, "start_up": 1.0,
    }  # fmt: skip


def test_no_ratio_where_losses_disagree():
    results = {"funcnet autodiff": figures(1.0, 0.020), "keras": figures(9.0, 0.022), "flax": figures(0.1, 2.3)}
    told = report.table(RECIPES["mnist"], results).splitlines()
    assert told[0] == RECIPES["mnist"].title
    assert told[2].endswith("1.00 ×")
    assert told[3].endswith("9.00 ×")
    assert told[4].endswith("losses disagree")
    rows = {row["against"]: row for row in report.summary(RECIPES, {"mnist": results})}
    assert (rows["keras"]["measured"], rows["keras"]["met"]) == (9.0, True)
    assert (rows["flax"]["measured"], rows["flax"]["met"], rows["flax"]["why"]) == (None, False, "losses disagree")


def test_the_examples_in_the_report_are_right():
    assert doctest.testmod(report) == (0, 2 + 2 + 4)


def test_a_loss_that_is_not_a_number_disagrees():
    reference = figures(1.0, 0.02)
    assert report.ratio(RECIPES["mnist"], figures(3.0, float("nan")), reference) is None


def test_every_row_that_is_asked_is_told():
    results = {name: {contender: figures(2.0, 0.02) for contender in PEERS} for name in RECIPES}
    for of in results.values():
        of["funcnet autodiff"] = figures(1.0, 0.02, memory=80.0)
    rows = report.summary(RECIPES, results, {"epoch_seconds": 0.9})
    assert len(rows) == len(report.ASKED) + 5
    told = report.summary_table(rows)
    measured = {(row["workload"], row["against"]): row["measured"] for row in rows}
    assert measured["mnist", "the floor"] == 0.9
    assert measured["zero_one", "backprop to autodiff"] == 0.5
    assert measured["zero_one", "float32 to bytes"] == 2.0
    assert measured["mnist", "keras, peak memory"] == 0.8
    assert measured["cold", "torch eager"] == 2.0
    lines = [line for line in told.splitlines() if "torch eager" in line and line.startswith("mnist")]
    assert lines[0].split() == ["mnist", "torch", "eager", "≥", "3", "2.00", "missed"]


def test_the_best_setting_of_each_peer_is_told():
    results = {"funcnet autodiff": figures(1.0, 0.02), "funcnet float32": figures(1.2, 0.02),
               "keras": figures(5.0, 0.02), "keras, 100 steps": figures(2.0, 0.02),
               "torch eager": figures(3.0, 0.02), "torch compile": figures(0.1, 2.3),
               "flax": {"error": "not installed"}}  # fmt: skip
    line = report.best_table(RECIPES, {"zero_one": results}).splitlines()[-1]
    assert line.split(maxsplit=1)[1] == "float32 1.20 ×; keras, 100 steps 2.00 ×; torch eager 3.00 ×"


def test_the_chart_has_a_bar_for_every_ratio(tmp_path):
    results = {name: {contender: figures(2.0, 0.02) for contender in PEERS} for name in RECIPES}
    results["xor"]["keras"] = {"error": "ended with code 1"}
    assert report.draw(RECIPES, results, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    alone = {"xor": {"funcnet autodiff": figures(1.0, 0.02)}}
    assert not report.draw(RECIPES, alone, tmp_path / "none.png")


def test_floor_counts_the_products_of_a_step(monkeypatch):
    ways = floor.products((784, 512, 10), 128)
    assert list(ways) == [
        "layer 1, forward", "layer 1, weights' gradient",
        "layer 2, forward", "layer 2, weights' gradient", "layer 2, inputs' gradient",
    ]  # fmt: skip
    assert floor.parameters((784, 512, 10)) == 407_050
    monkeypatch.setattr(floor, "REPETITIONS", 1)
    random = np.random.default_rng(0)
    for library in ("numpy", "jax"):
        product, _ = floor.actions(library)
        for a_shape, b_shape, axis_a, axis_b in (way for both in floor.products((7, 5, 3), 4).values() for way in both):
            a, b = (random.normal(size=shape).astype(np.float32) for shape in (a_shape, b_shape))
            done = product(a, b, axis_a, axis_b)()
            np.testing.assert_allclose(done, np.tensordot(a, b, (axis_a, axis_b)), rtol=1e-4, atol=1e-5)
            assert floor.seconds_of(product(a, b, axis_a, axis_b)) > 0


def test_the_floor_is_the_sum_of_the_best():
    names = floor.products((784, 512, 10), 128)
    turns = [{"products": {name: [2e-3, seconds] for name in names}, "copy": copy}
             for seconds, copy in ((1e-3, 1e-4), (3e-3, 5e-5))]  # fmt: skip
    told = floor.summed({"numpy": turns[:1], "jax": turns[1:]}, RECIPES["mnist"], 60_000)
    assert {product["library"] for product in told["products"].values()} == {"numpy"}
    assert told["products"]["layer 1, forward"]["gflops"] == pytest.approx(2 * 128 * 784 * 512 / 1e-3 / 1e9)
    assert told["bandwidth"]["library"] == "jax"
    assert told["optimizer_seconds"] == pytest.approx(3 * 5e-5)  # six passes, and a copy is two
    assert told["epoch_seconds"] == pytest.approx(469 * (5e-3 + 1.5e-4))
    assert report.floor_table("mnist", told).splitlines()[-1].split() == ["an", "epoch", "2.42", "s"]
    assert told["step_seconds"] == pytest.approx(5e-3 + 1.5e-4)


def test_the_command_measures_in_processes_and_leaves_out_what_is_not_installed(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(process.PEERS, "keras", PEERS["keras"]._replace(library="no_such_library"))
    contenders = ["numpy", "funcnet autodiff", "keras"]
    arguments = ["--recipes", "linear", "--rounds", "2", "--contenders", *contenders]
    told = benchmark.main([*arguments, "--json", str(tmp_path / "all.json"), "--picture", str(tmp_path / "b.png")])
    linear = told["recipes"]["linear"]
    assert json.loads((tmp_path / "all.json").read_text()) == told
    assert list(linear) == contenders
    assert linear["numpy"]["loss"] == pytest.approx(linear["funcnet autodiff"]["loss"], rel=1e-4)
    assert len(linear["numpy"]["seconds"]) == 2
    assert linear["numpy"]["memory"] < linear["funcnet autodiff"]["memory"]
    assert linear["keras"] == {"error": "not installed: pip install -e '.[bench]'"}
    assert (tmp_path / "b.png").stat().st_size < 150_000
    assert "not installed" in capsys.readouterr().out


def test_a_contender_that_fails_is_told_by_its_last_line(tmp_path):
    (tmp_path / "recipe.json").write_text("{}")
    contender = process.Contender("numpy", tmp_path)
    contender.attempt(process.Contender.start)
    contender.attempt(process.Contender.run)
    contender.close()
    assert contender.figures == {"error": "ended with code 1: KeyError: 'sizes'"}


def test_a_contender_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    waits = tmp_path / "waits.py"
    waits.write_text("import sys\nsys.stdin.read()")
    monkeypatch.setattr(process, "BENCHMARK", waits)
    monkeypatch.setattr(process, "PATIENCE", 0.5)
    contender = process.Contender("numpy", tmp_path)
    contender.attempt(process.Contender.start)
    assert contender.figures == {"error": "no answer within 0.5 s"}
    assert contender.process.wait() != 0
    contender.close()
