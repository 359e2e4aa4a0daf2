"""Where LazyArray was before; it is ``tfgl.ir.lazy_array`` now."""

from tfgl.ir.lazy_array import Array, LazyArray

__all__ = ["Array", "LazyArray"]
