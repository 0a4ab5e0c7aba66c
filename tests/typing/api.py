"""Never run: the public face as a user writes it, for the type checker alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import assert_type

import pandas as pd

import d7nb
from d7nb import Attachment, Contact, Contacts, Location, ReplyButtons, Template, Text, by_column, col
from d7nb.accessor import Accessor
from d7nb.errors import Interrupted, Unauthorized
from d7nb.events import META, InboundShape, receiver

people = d7nb.read_table("customers.csv")
assert_type(people, pd.DataFrame)

text = Text("Hi {name}", preview_url=True)
Text(col("greeting"))
Attachment("image", url=col("picture"), caption="For {name}")
Location(25.2, "55.3", name=col("branch"))
ReplyButtons("Coming?", [{"id": "y", "title": "Yes"}, "No"], header="Visit")
Contacts([Contact(name={"formatted_name": "Ali", "first_name": "Ali"}, phones=["+12025550123"])])
Template("offer", "en", body_parameters=["{name}", col("code")], limited_time_offer=datetime(2027, 1, 1).astimezone())
Text()  # type: ignore[call-arg]
Text("Hi", footer="no")  # type: ignore[call-arg]

plan = d7nb.plan(people, by_column("kind", {"a": text}), to="phone", originator=col("from"), campaign="x")
assert_type(plan, d7nb.Plan)
assert_type(plan.summary, dict[str, int])
assert_type(plan.problems, pd.DataFrame)
assert_type(plan.rows, pd.DataFrame)

assert_type(d7nb.reasons(), pd.DataFrame)

client = d7nb.Client("x")
assert_type(client.download("id", "picture.png", limit=10**6), Path)
assert_type(client.balance(), float)
client.mark_read("id", typing=True)

with d7nb.Sandbox() as sandbox:
    try:
        delivery = plan.send(sandbox.client(rate=None), confirm=3)
    except Interrupted as interrupted:
        delivery = interrupted.delivery
    except Unauthorized as error:
        print(error.status, error.code, error.rows)
    else:
        assert_type(delivery, d7nb.Delivery)
        assert_type(delivery.frame, pd.DataFrame)

receiver(d7nb.Ledger(), "secret", inbound=[META, InboundShape(sender="from", text=("text", "caption"))])
receiver(d7nb.Ledger())  # type: ignore[call-arg]
InboundShape()  # type: ignore[call-arg]

# The function and the accessor have one signature: a misspelt option is an error at both. What ``people.d7`` is, the
# stubs of pandas can't know; it is an Accessor.
d7nb.plan(people, text, originater="+12025550100")  # type: ignore[call-arg]
Accessor(people).plan(text, originater="+12025550100")  # type: ignore[call-arg]
assert_type(Accessor(people).plan(text, to="phone", originator="+12025550100"), d7nb.Plan)
