"""Which operations round, and which are exact.

A maximum, a selection or a sum of one term is exact. Moving its last bit would break what a program relies on, such as
that the largest of some numbers is one of them.
"""

from ..jaxprs import CONTROL


def _names(*groups: str) -> set[str]:
    return {name for group in groups for name in group.split()}


SUMMING_OPERATIONS = _names("dot_general conv_general_dilated reduce_sum cumsum reduce_window_sum scatter-add")
ROUNDED_OPERATIONS = (
    SUMMING_OPERATIONS
    | CONTROL
    | _names(
        "add add_any sub mul div rem square one_minus_square polynomial reduce_prod cumprod",
        "sqrt rsqrt cbrt pow integer_pow exp exp2 expm1 log log1p log2 logistic cumlogsumexp",
        "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh",
        "erf erfc erf_inv lgamma digamma",
    )
)
EXACT_OPERATIONS = _names(
    "broadcast_in_dim concatenate copy device_put dynamic_slice dynamic_update_slice gather iota optimization_barrier",
    "pad reshape rev scatter sharding_constraint slice split squeeze stack tile transpose unstack",
    "abs ceil clamp cummax cummin floor max min neg nextafter reduce_max reduce_min round select_n sign sort top_k",
    "bitcast_convert_type convert_element_type reduce_precision stop_gradient",
)
