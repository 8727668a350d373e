"""Pictures for reports and for the examples: curves, surfaces with paths on them, images, confusion matrices.

Every function draws on Matplotlib axes that it is given and returns nothing; ``figure`` makes the axes and ``save``
writes the picture. No global state of Matplotlib is used or changed. Colours are those of Okabe and Ito, "Color
Universal Design" (2008), which people with any kind of colour vision tell apart, and lines differ in dashes as well.
Matplotlib is imported where it is used: ``pip install 'funcnet[plot]'``.
"""

from .charts import bars as bars
from .charts import curves as curves
from .charts import decision as decision
from .charts import paths as paths
from .charts import surface as surface
from .figures import COLOURS as COLOURS
from .figures import DASHES as DASHES
from .figures import DIVERGING as DIVERGING
from .figures import MARKERS as MARKERS
from .figures import divided as divided
from .figures import figure as figure
from .figures import save as save
from .pictures import confusion as confusion
from .pictures import diagram as diagram
from .pictures import images as images
