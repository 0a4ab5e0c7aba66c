from .foreground import serve as serve
from .inbox import INBOUND_FIELDS as INBOUND_FIELDS
from .server import Sandbox as Sandbox
