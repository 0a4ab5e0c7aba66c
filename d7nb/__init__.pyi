from . import (
    content as content,
    errors as errors,
    events as events,
    filters as filters,
    plugins as plugins,
    testing as testing,
)
from .api.client import Client as Client
from .api.error_codes import reasons as reasons
from .content import (
    AddressMessage as AddressMessage,
    Attachment as Attachment,
    Contact as Contact,
    Contacts as Contacts,
    CtaUrl as CtaUrl,
    Flow as Flow,
    Header as Header,
    ListMessage as ListMessage,
    Location as Location,
    LocationRequest as LocationRequest,
    Reaction as Reaction,
    ReplyButtons as ReplyButtons,
    Template as Template,
    Text as Text,
    col as col,
)
from .content.assignment import by_column as by_column
from .delivery import Delivery as Delivery
from .errors import D7Error as D7Error
from .ledger import Ledger as Ledger
from .planning.planner import (
    plan as plan,
)
from .planning.plans import (
    Plan as Plan,
)
from .plugins import hookimpl as hookimpl
from .plugins.row_filter import row_filter as row_filter
from .privacy import options as options
from .recipients import check_numbers as check_numbers
from .sandbox import Sandbox as Sandbox
from .tables.reader import read_table as read_table

__version__: str
