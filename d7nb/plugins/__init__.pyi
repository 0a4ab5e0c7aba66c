from .hookspecs import hookimpl as hookimpl
from .registry import (
    content_types as content_types,
    current as current,
    filters as filters,
    register as register,
    table as table,
    unregister as unregister,
    using as using,
)
