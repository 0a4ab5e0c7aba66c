from .app import (
    LARGEST_BODY as LARGEST_BODY,
    receiver as receiver,
)
from .foreground import serve as serve
from .shapes import META as META, SANDBOX as SANDBOX, SHAPES as SHAPES, InboundShape as InboundShape
from .stop_words import STOP_WORDS as STOP_WORDS
