"""Reading of JAX programs (jaxprs): one interpreter, what calls and loops hold, and which operations are known."""

from .calls import CALLS as CALLS
from .calls import CONTROL as CONTROL
from .calls import Scan as Scan
from .calls import called_name as called_name
from .calls import called_program as called_program
from .calls import operations as operations
from .calls import scan_of as scan_of
from .calls import walk as walk
from .interpreter import interpret as interpret
from .interpreter import listed as listed
from .interpreter import run as run
from .interpreter import unrolled as unrolled
from .known import KNOWN as KNOWN
from .known import NoRuleError as NoRuleError
from .known import is_known as is_known
from .known import name_of as name_of
from .known import rule_of as rule_of
