import numpy as np
import pytest

from funcnet.ending import Ending, ending


@pytest.mark.parametrize("one", Ending)
def test_an_ending_is_its_words_and_has_a_number(one):
    assert one == one.value == str(one)
    assert repr(one) == repr(one.value)
    assert ending(one.number) is one
    assert ending(np.int32(one.number)) is one


def test_many_endings_come_in_the_shape_of_their_numbers():
    numbers = np.array([[Ending.COMPLETED.number, Ending.GOAL_REACHED.number]])
    assert ending(numbers).tolist() == [["completed", "goal reached"]]
    assert ending(numbers)[0, 1] is Ending.GOAL_REACHED
