from .attachment import Attachment as Attachment
from .binding.format_strings import col as col
from .bubble import Bubble as Bubble
from .contacts import (
    Contact as Contact,
    Contacts as Contacts,
)
from .interactive import (
    AddressMessage as AddressMessage,
    CtaUrl as CtaUrl,
    Flow as Flow,
    Header as Header,
    ListMessage as ListMessage,
    LocationRequest as LocationRequest,
    ReplyButtons as ReplyButtons,
)
from .location import Location as Location
from .reaction import Reaction as Reaction
from .rules import FileLink as FileLink
from .schema.part import (
    Content as Content,
    Part as Part,
    free as free,
    items as items,
    leaf as leaf,
    nested as nested,
)
from .template import Template as Template
from .text import Text as Text
