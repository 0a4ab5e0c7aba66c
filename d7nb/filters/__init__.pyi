from .base import (
    RowFilter as RowFilter,
    reasons as reasons,
)
from .people import (
    Allow as Allow,
    Consent as Consent,
    Duplicates as Duplicates,
    OptOut as OptOut,
)
from .times import (
    Cap as Cap,
    QuietHours as QuietHours,
    ServiceWindow as ServiceWindow,
)
