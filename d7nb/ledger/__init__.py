"""The durable record of intents and outcomes that keeps the first promise: nobody gets it twice.

Rows are claimed in one transaction before their request leaves, and what came of it is recorded in one after. From the
bottom up: `faults` (what can go wrong, in words), `places` (where the ledger lives), `tables` (what it keeps), `keys`
(rows' keys), `database` (transactions, schema, secret), `processes` (who else lives), `states` (what a stored request
says about its rows), `claims` (a run and its claims), `lookup` (what is known of a plan's rows), `news` (what comes in
after a send), `heard` (what of it concerns a plan's rows), `people` (who wrote, and who opted out), `showing` (all of
it as frames), `store` (the ledger itself).
"""

from __future__ import annotations

from d7nb.errors import LedgerError
from d7nb.ledger.claims import LEEWAY, LIFETIME, OTHER_TEXT, Claim, Run
from d7nb.ledger.heard import Heard
from d7nb.ledger.lookup import Known
from d7nb.ledger.news import Aside
from d7nb.ledger.store import Ledger, opened
from d7nb.ledger.tables import HEARD, SETTLED

__all__ = [
    "HEARD",
    "LEEWAY",
    "LIFETIME",
    "OTHER_TEXT",
    "SETTLED",
    "Aside",
    "Claim",
    "Heard",
    "Known",
    "Ledger",
    "LedgerError",
    "Run",
    "opened",
]
