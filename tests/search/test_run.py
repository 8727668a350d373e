import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.ending import Ending
from tests.search import problems

each_kind = pytest.mark.parametrize("method", problems.METHODS[1::2], ids=lambda method: method.init.maker)


@each_kind
def test_a_run_is_its_steps_and_compiled_as_not(method):
    result = problems.run(method, steps=3)
    state = method.init(problems.valleys, problems.near_one, jax.random.key(0))
    history = []
    for _ in range(3):
        state = method.step(problems.valleys, state)
        history.append(state.best.cost)
    numbers = [
        [leaf for leaf in jax.tree.leaves(each) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
        for each in (result.state, state)
    ]
    chex.assert_trees_all_close(*numbers, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.history, history, rtol=1e-5)
    assert (result.steps, result.reason) == (3, "completed")
    assert result.cost == result.history[-1]
    assert result.cost <= result.history[0]


@each_kind
def test_evaluations_are_counted(method):
    """The count equals the number of calls of the cost, at the start and in every step."""
    asked = []

    def counted(params):
        jax.debug.callback(lambda each: asked.append(each), params)
        return problems.valleys(params)

    state = method.init(counted, problems.near_one, jax.random.key(0))
    for _ in range(2):
        state = method.step(counted, state)
    jax.effects_barrier()
    at_start = 2 if method.init.maker == "restarts" else 1  # restarts evaluates gradients too
    points = state.current.cost.size
    assert len(asked) == (at_start + 2) * points
    assert state.evaluations == 3 * points


@each_kind
def test_dtypes_and_trees_are_kept(method, x64):
    for dtype in ("bfloat16", "float32", "float64"):
        result = jax.eval_shape(
            lambda key, dtype=dtype: problems.run(
                method, problems.cost, lambda key: problems.start(key, dtype), key=key, steps=2
            ),
            jax.random.key(0),
        )
        chex.assert_trees_all_equal_shapes_and_dtypes(
            result.params, jax.eval_shape(lambda key, dtype=dtype: problems.start(key, dtype), jax.random.key(0))
        )
        wide = jnp.float64 if dtype == "float64" else jnp.float32
        assert result.cost.dtype == result.history.dtype == wide
        for name in ("steps", "evaluations", "improved", "outcome"):
            assert getattr(result, name).dtype == jnp.int32


@each_kind
def test_one_key_explains_a_run_and_another_is_another(method):
    one, same, other = (problems.run(method, key=jax.random.key(seed), steps=3) for seed in (1, 1, 2))
    chex.assert_trees_all_equal(one[:-1], same[:-1])
    assert one.params != other.params


@each_kind
def test_keys_are_mapped_over_and_every_run_is_as_alone(method):
    keys = jax.random.split(jax.random.key(0), 4)
    mapped = jax.vmap(lambda key: problems.run(method, key=key, steps=8, goal=-0.28))(keys)
    assert mapped.history.shape == (4, 8)
    for index, key in enumerate(keys):
        alone = problems.run(method, key=key, steps=8, goal=-0.28)
        np.testing.assert_allclose(mapped.params[index], alone.params, rtol=1e-5)
        np.testing.assert_allclose(mapped.history[index], alone.history, rtol=1e-5)
        assert (mapped.steps[index], mapped.reason[index]) == (alone.steps, alone.reason)
        assert mapped.evaluations[index] == alone.evaluations


FAMILIES = {
    "annealing": lambda n: fn.annealing(n, 1 - n / 10, scale=n, scale_decay=1 - n / 10, move_rate=n),
    "genetic": lambda n: fn.genetic(
        5, tournament=1 + n, crossover_rate=n, mutation_rate=n, scale=n, scale_decay=1 - n / 10, elite=int(4 * n)
    ),
    "restarts": lambda n: fn.restarts(fn.adam(n, decay1=n), starts=4),
}


@pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)
def test_other_settings_and_limits_compile_nothing_and_a_sweep_is_a_map(make):
    traces = []

    def traced(x):
        traces.append(x)
        return problems.valleys(x)

    results = [problems.run(make(0.5), traced, goal=-1.0, patience=50, min_delta=0.1)]
    first = len(traces)
    results.append(problems.run(make(0.25), traced, goal=-2, patience=60, min_delta=0.2))
    results.append(problems.run(make(0.75), traced))
    assert len(traces) == first
    assert len({float(result.params) for result in results}) == 3
    if make is not FAMILIES["genetic"]:  # its elite is an integer
        sweep = jax.vmap(lambda n: problems.run(make(n), traced))(jnp.array([0.5, 0.25, 0.75]))
        np.testing.assert_allclose(sweep.params, [result.params for result in results], rtol=1e-4)


def test_a_cost_that_holds_its_data_compiles_once():
    traces = []

    def distance(target, x):
        traces.append(x)
        return (x - target) ** 2

    results = [
        problems.run(fn.annealing(0.1), jax.tree_util.Partial(distance, jnp.float32(target)), steps=100)
        for target in (1.0, 0.5, 2.0)
    ]
    assert len(traces) == 2  # the start's and the steps'
    np.testing.assert_allclose([float(result.params) for result in results], [1.0, 0.5, 2.0], atol=0.2)


@each_kind
def test_a_cost_that_is_not_finite_never_wins(method):
    def cost(bad, x):
        return jnp.where(x < 1, bad, x)

    for bad in (jnp.nan, -jnp.inf, jnp.inf):
        function = jax.tree_util.Partial(cost, jnp.float32(bad))
        result = problems.run(method, function, lambda key: 1 + jax.random.uniform(key), steps=40)
        assert 1 <= result.cost < 1.6
        assert result.params == result.cost
        assert np.isfinite(result.history).all()


@each_kind
def test_a_run_without_a_finite_cost_says_so(method):
    result = problems.run(method, lambda x: x * jnp.nan, steps=3)
    assert result.reason == "non-finite cost"
    assert np.isinf(result.cost)
    assert 0.5 <= result.params <= 1.5  # a starting point


@pytest.mark.parametrize("method", [fn.annealing(1.0, scale=0.5), fn.genetic(6, scale=0.5, mutation_rate=1.0)])
def test_a_search_finds_out_of_where_the_cost_is_not_finite(method):
    result = problems.run(method, lambda x: jnp.where(x > 0.5, jnp.nan, x**2), lambda _: jnp.array(0.6), steps=100)
    assert result.cost < 0.25
    assert result.reason == "completed"


def test_restarts_that_all_diverge_keep_the_best_and_say_so():
    result = problems.run(fn.restarts(fn.sgd(1.0), 2), lambda x: x**4, lambda _: jnp.array(10.0), steps=30)
    assert (result.reason, result.params, result.cost) == ("non-finite cost", 10, 10000)


@pytest.mark.parametrize("steps", [7, 300])
def test_the_goal_ends_a_run_and_the_history_stays(steps):
    method = fn.restarts(fn.sgd(0.1), starts=1)
    goal = 0.01

    def cost(x):
        return x**2

    result = problems.run(method, cost, lambda _: jnp.array(1.0), steps=steps, goal=goal)
    expected = 0.64 ** np.arange(1, steps + 1)  # x ← x − 0.2x
    needed = int(np.argmax(expected <= goal)) + 1 if (expected <= goal).any() else steps
    assert result.steps == needed
    assert result.reason == ("goal reached" if expected[needed - 1] <= goal else "completed")
    expected[needed:] = expected[needed - 1]
    np.testing.assert_allclose(result.history, expected, rtol=1e-4)
    assert result.evaluations == needed + 1


def test_a_run_of_more_than_a_block_is_its_steps():
    """Steps, counts and history are right across blocks: x ← 0.999x, whose cost is 0.999^(2t)."""
    method = fn.restarts(fn.sgd(0.0005), starts=1)
    result = problems.run(method, lambda x: x**2, lambda _: jnp.array(1.0), steps=700, goal=0.998001**520 * 1.0001)
    assert result.steps in (519, 520, 521)
    np.testing.assert_allclose(result.history, 0.998001 ** np.minimum(np.arange(1, 701), int(result.steps)), rtol=1e-3)


def test_a_start_at_the_goal_takes_no_step():
    result = problems.run(fn.annealing(1.0), goal=1e9)
    assert (result.steps, result.evaluations, result.reason) == (0, 1, "goal reached")
    np.testing.assert_array_equal(result.history, np.full(20, result.cost))


def test_patience_ends_a_run_without_improvement():
    flat = problems.run(fn.annealing(1.0), lambda x: 0 * x, patience=5)
    assert (flat.steps, flat.improved, flat.reason) == (5, 0, "no improvement")
    # the cost 0.64^t gets better by less than 0.01 in a step first at t = 8, and patience counts from the reference
    slow = problems.run(
        fn.restarts(fn.sgd(0.1), 1), lambda x: x**2, lambda _: jnp.array(1.0), steps=100, patience=4, min_delta=0.01
    )
    costs, reference, improved, taken = 0.64 ** np.arange(101), 1.0, 0, 0
    while taken - improved < 4:
        taken += 1
        if reference - costs[taken] > 0.01:
            reference, improved = costs[taken], taken
    assert (slow.steps, slow.improved, slow.reason) == (taken, improved, "no improvement")
    assert slow.steps - slow.improved == 4
    np.testing.assert_allclose(slow.cost, costs[taken], rtol=1e-4)  # the best cost, less than min_delta lower
    last = problems.run(fn.annealing(1.0), lambda x: 0 * x, steps=5, patience=5)
    assert last.reason == "completed"


def test_reasons_of_many_runs_come_in_their_shape():
    goals = jnp.array([[-9.0, 9.0], [9.0, -9.0]])
    result = jax.vmap(jax.vmap(lambda goal: problems.run(fn.annealing(1.0), goal=goal, steps=2)))(goals)
    assert result.reason.tolist() == [["completed", "goal reached"], ["goal reached", "completed"]]
    assert all(isinstance(reason, Ending) for reason in result.reason.ravel())


def test_a_search_of_ones_own_runs_too():
    """Random search: any two functions whose state has the fields of the contract are a search."""
    sample = fn.annealing(1e9, 1.0, scale=3.0)
    own = fn.search.Search(init=lambda *args: sample.init(*args), step=lambda cost, state: sample.step(cost, state))
    assert problems.run(own, steps=50).cost <= problems.run(own, steps=5).cost


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"function": 3.0}, TypeError, "cost to be a function of the parameters, got a float"),
        ({"at": jnp.ones(2)}, TypeError, "start to be a function of a key, such as lambda key: params, got a Array"),
        ({"key": 0}, TypeError, r"key made by jax.random.key\(seed\), got 0"),
        ({"steps": 0}, ValueError, "steps to be an integer of at least 1, got 0"),
        ({"patience": 0}, ValueError, "patience to be an integer of at least 1, got 0"),
        ({"goal": float("nan")}, ValueError, "goal not to be NaN, got nan"),
        ({"goal": "low"}, TypeError, "goal to be a real number, got 'low'"),
        ({"min_delta": -1.0}, ValueError, "min_delta to be finite and at least 0, got -1.0"),
        ({"steps": 2**31 - 1}, ValueError, "steps for at most 2147483647 evaluations, got 2147483648"),
        ({"method": fn.sgd(0.1)}, TypeError, r"search to have init and step, as fn.genetic\(\) has, got a Optimizer"),
    ],
)
def test_wrong_arguments_are_named(changes, error, expected):
    with pytest.raises(error, match=f"^run: expected {expected}"):
        problems.run(**{"method": fn.annealing(1.0), **changes})


@each_kind
def test_wrong_costs_and_parameters_are_named(method):
    name = method.init.maker
    with pytest.raises(fn.ShapeError, match=rf"^{name}: expected the cost to be one number, of shape \(\), got \(2,\)"):
        problems.run(method, lambda x: x, lambda _: jnp.ones(2))
    with pytest.raises(fn.DtypeError, match=f"^{name}: expected the cost of a floating dtype, got int32"):
        problems.run(method, lambda x: (x > 0).astype(jnp.int32))
    with pytest.raises(fn.DtypeError, match=rf"^{name}: expected params\['n'\] of a floating dtype, got int32"):
        problems.run(method, lambda p: p["x"], lambda _: {"x": jnp.ones(()), "n": jnp.array(1)})
    with pytest.raises(ValueError, match=f"^{name}: expected start to return at least one array of parameters, got"):
        problems.run(method, lambda p: jnp.array(0.0), lambda _: ((), ()))
    with pytest.raises(TypeError, match=rf"^{name}: expected key made by jax.random.key\(seed\), got 0"):
        method.init(problems.valleys, problems.near_one, 0)


def test_a_cost_that_is_never_finite_reaches_no_goal():
    def cost(x):
        return x * jnp.nan

    def run(method):
        key, start = jax.random.key(0), lambda key: jnp.float32(1)
        return fn.search.run(method, cost, start, key=key, steps=2, goal=np.inf)

    assert [run(method).reason for method in (fn.annealing(1.0), fn.genetic(4))] == ["non-finite cost"] * 2
