"""What the converter calls itself in the files that it writes."""

from __future__ import annotations

from tfgl import __version__

CONVERTED_BY = f"tfgl converter v{__version__}"
# The release of the original whose formats these are.
COMPATIBLE_WITH = "4.22.0"
