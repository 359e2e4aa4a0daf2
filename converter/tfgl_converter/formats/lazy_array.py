"""Where LazyArray was before; it is ``tfgl.io.lazy_array`` now."""

from tfgl.io.lazy_array import Array, LazyArray

__all__ = ["Array", "LazyArray"]
