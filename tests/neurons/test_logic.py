import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet import neurons

TRUTH = {
    "nand": lambda a, b: not (a and b),
    "and_": lambda a, b: a and b,
    "or_": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
}
A, B = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])


@pytest.mark.parametrize("name", TRUTH)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32", "bfloat16"])
def test_gates_have_their_truth_tables_and_keep_the_dtype(name, dtype):
    output = getattr(neurons, name)(jnp.asarray(A, dtype), jnp.asarray(B, dtype))
    assert output.dtype == jnp.dtype(dtype)
    assert [bool(bit) for bit in output] == [bool(TRUTH[name](a, b)) for a, b in zip(A, B, strict=True)]


def test_not_and_the_adders_have_their_truth_tables():
    assert neurons.not_(jnp.array([0, 1])).tolist() == [1, 0]
    for a, b in itertools.product((0, 1), repeat=2):
        total, carry = neurons.half_adder(a, b)
        assert int(total) + 2 * int(carry) == a + b
    for a, b, c in itertools.product((0, 1), repeat=3):
        total, carry = neurons.full_adder(a, b, c)
        assert int(total) + 2 * int(carry) == a + b + c


COUNTS = [
    (neurons.nand, 2, 1),
    (neurons.not_, 1, 1),
    (neurons.and_, 2, 2),
    (neurons.or_, 2, 3),
    (neurons.xor, 2, 4),
    (neurons.half_adder, 2, 5),
    (neurons.full_adder, 3, 9),
]


def primitives(program):
    """Yield every primitive of a jaxpr except those inside a NAND."""
    for equation in program.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        inner = [each for each in inner if hasattr(each, "eqns")]
        if equation.params.get("name") == "nand":
            yield "nand"
        elif inner:
            for each in inner:
                yield from primitives(each)
        else:
            yield equation.primitive.name


@pytest.mark.parametrize(("gate", "inputs", "count"), COUNTS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_gates_are_built_from_nand_alone(gate, inputs, count):
    found = list(primitives(jax.make_jaxpr(gate)(*[0] * inputs).jaxpr))
    assert found == ["nand"] * count
    assert neurons.nand_count(gate, *[jnp.zeros(3)] * inputs) == count


def test_the_adder_has_nine_nands_a_bit_and_else_only_moves_bits():
    bits = jnp.zeros((2, 5), jnp.uint8)
    assert neurons.nand_count(neurons.ripple_carry_adder, bits, bits) == 45
    moving = {"transpose", "slice", "squeeze", "broadcast_in_dim", "reshape"}
    assert set(primitives(jax.make_jaxpr(neurons.ripple_carry_adder)(bits, bits).jaxpr)) - moving == {"nand"}
    assert neurons.nand_count(jnp.add, 1, 2) == 0
    assert neurons.nand_count(lambda a, b: neurons.xor(neurons.and_(a, b), neurons.not_(a)), 0, 1) == 4 + 2 + 1


def test_the_adder_adds_every_pair_of_8_bit_numbers_in_one_call():
    x, y = np.divmod(np.arange(256 * 256), 256)
    totals = neurons.add(jnp.asarray(x, jnp.uint8), jnp.asarray(y, jnp.uint8), bits=8)
    assert totals.shape == (65536,)
    np.testing.assert_array_equal(totals, x + y)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_adder_adds_every_pair_of_other_widths(bits):
    x, y = np.divmod(np.arange(4**bits), 2**bits)
    np.testing.assert_array_equal(neurons.add(x.reshape(2, -1), y.reshape(2, -1), bits), (x + y).reshape(2, -1))


def test_the_widest_sums_are_right():
    numbers = np.random.default_rng(0).integers(0, 2**30, (2, 500), np.int64)
    numbers[:, 0] = 2**30 - 1
    totals = neurons.add(*numbers.astype(np.int32), bits=30)
    np.testing.assert_array_equal(np.asarray(totals, np.int64), numbers.sum(axis=0))
    with pytest.raises(ValueError, match=r"add: expected at most 30 bits, as int32 holds, got 31"):
        neurons.add(1, 1, bits=31)
    with pytest.raises(ValueError, match=r"from_bits: expected at most 31 bits, as int32 holds, got 32"):
        neurons.from_bits(jnp.zeros(32))


def test_sums_are_wider_in_64_bit_mode(x64):
    x, y = 2**62 - 1, 2**62 - 5
    assert int(neurons.add(x, y, bits=62)) == x + y


def test_the_circuits_map_and_compile_like_any_function():
    x, y = jnp.arange(24).reshape(2, 3, 4), jnp.arange(24)[::-1].reshape(2, 3, 4)
    expected = np.full((2, 3, 4), 23)

    def add(x, y):
        return neurons.add(x, y, bits=5)

    np.testing.assert_array_equal(add(x, y), expected)
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.vmap(add)))(x, y), expected)


def test_bits_and_back():
    numbers = np.arange(300, dtype=np.int32).reshape(3, 100)
    bits = neurons.to_bits(numbers, bits=40)  # more than an int32 has: zeros
    expected = [[[n >> place & 1 for place in range(40)] for n in row] for row in numbers.tolist()]
    np.testing.assert_array_equal(bits, expected)
    np.testing.assert_array_equal(neurons.from_bits(bits[..., :9]), numbers)
    narrow = neurons.to_bits(jnp.array([255], jnp.uint8), bits=9)
    assert (narrow.dtype, narrow.tolist()) == (jnp.uint8, [[1] * 8 + [0]])
    assert neurons.from_bits(narrow.astype(bool)).tolist() == [255]


def test_what_are_no_bits_is_named():
    zeros = jnp.zeros((2, 2), jnp.int32)
    with pytest.raises(ValueError, match=r"^xor: expected bits that are 0 or 1, got 2 at index \(0, 1\)"):
        neurons.xor(zeros, zeros.at[0, 1].set(2))
    with pytest.raises(ValueError, match=r"^not_: expected bits that are 0 or 1, got nan$"):
        neurons.not_(jnp.nan)
    with pytest.raises(fn.ShapeError, match=r"^or_: expected bits of one shape, got \(2, 2\) and \(2,\)"):
        neurons.or_(zeros, zeros[0])
    with pytest.raises(
        fn.DtypeError, match=r"^full_adder: expected bits of one boolean, integer or floating dtype, got"
    ):
        neurons.full_adder(zeros, zeros, zeros.astype(bool))
    with pytest.raises(fn.DtypeError, match=r"got complex128"):
        neurons.not_(1j)
    with pytest.raises(fn.ShapeError, match=r"^ripple_carry_adder: expected bits of shape \(\.\.\., n\), n at least 1"):
        neurons.ripple_carry_adder(0, 1)
    with pytest.raises(
        fn.ShapeError, match=r"^from_bits: expected bits of shape \(\.\.\., n\), n at least 1, got \(\)"
    ):
        neurons.from_bits(1)
    with pytest.raises(ValueError, match=r"^from_bits: expected bits that are 0 or 1, got 3"):
        neurons.from_bits([3])


def test_what_are_no_numbers_of_so_many_bits_is_named():
    with pytest.raises(ValueError, match=r"^add: expected numbers from 0 to 255, of 8 bits, got 256"):
        neurons.add(jnp.array([1, 256]), jnp.array([1, 1]), bits=8)
    with pytest.raises(ValueError, match=r"^to_bits: expected numbers from 0 to 7, of 3 bits, got -1"):
        neurons.to_bits(jnp.array([0, -1]), bits=3)
    with pytest.raises(fn.DtypeError, match=r"^to_bits: expected numbers of an integer dtype, got float64"):
        neurons.to_bits(1.0, bits=3)
    with pytest.raises(fn.ShapeError, match=r"^add: expected x and y of one shape, got \(2,\) and \(\)"):
        neurons.add(jnp.array([1, 2]), 1, bits=8)
    for bits in (0, -1):
        with pytest.raises(ValueError, match=r"expected bits to be an integer of at least 1"):
            neurons.add(0, 0, bits=bits)
    with pytest.raises(TypeError, match=r"expected bits to be an integer of at least 1, got 8.0"):
        neurons.to_bits(0, bits=8.0)


@pytest.mark.parametrize("number", [2**32 + 200, -(2**40)])
def test_a_number_that_a_narrower_dtype_would_wrap_is_refused(number):
    with pytest.raises(ValueError, match="numbers from 0 to 255, of 8 bits"):
        fn.neurons.add(np.array([number]), np.array([100]), 8)
    with pytest.raises(ValueError, match="numbers from 0 to 255, of 8 bits"):
        fn.neurons.to_bits(np.array([number]), 8)
