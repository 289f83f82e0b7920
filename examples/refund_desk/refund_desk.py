"""A refund desk: looks an order up, weighs the risk, asks a person above a limit, pays once, writes a receipt.

A realistic agent for Dragoman. The payment provider is a file beside the database (``REFUND_DESK_LEDGER``) that
refuses a second payment under the same idempotency key, as real providers do.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from pydantic import BaseModel, Field

from dragoman.agents import Context, Rejected, Skill, agent, tool

APPROVAL_LIMIT = 100.0

_ORDERS = {
    "A-1001": ("Ada Lovelace", "a brass lamp", 39.90, 0),
    "A-1002": ("Grace Hopper", "a walnut desk", 480.00, 1),
    "A-1003": ("Mary Shelley", "a set of scalpels", 125.50, 4),
}


class Order(BaseModel):
    """An order as the shop knows it. Amounts are in euro."""

    id: str
    customer: str
    item: str
    paid: float
    earlier_refunds: int


class Refund(BaseModel):
    """What became of a request."""

    order_id: str
    status: str = Field(description="paid or declined")
    amount: float
    payment_id: str | None = None
    reason: str = ""


def payments_file() -> Path:
    """Where the payment provider keeps its book: a JSON line a payment."""
    return Path(os.environ.get("REFUND_DESK_LEDGER", "payments.jsonl"))


def payments() -> list[dict[str, object]]:
    """All payments made, oldest first."""
    path = payments_file()
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def load_order(order_id: str) -> Order:
    """Look an order up in the shop."""
    await asyncio.sleep(0.05)
    if order_id not in _ORDERS:
        raise Rejected(f"There is no order {order_id!r}; the shop has {', '.join(_ORDERS)}.")
    customer, item, paid, refunds = _ORDERS[order_id]
    return Order(id=order_id, customer=customer, item=item, paid=paid, earlier_refunds=refunds)


async def customer_risk(order: Order) -> float:
    """0 for a stranger to refunds, 1 for a regular."""
    await asyncio.sleep(0.05)
    return min(1.0, order.earlier_refunds / 5)


async def amount_risk(order: Order, amount: float) -> float:
    """The part of the order that is to be refunded, 0 to 1."""
    await asyncio.sleep(0.05)
    return min(1.0, amount / order.paid)


@tool(on_crash="retry")
async def pay(ctx: Context, order_id: str, amount: float) -> str:
    """Pay a refund. The provider takes an idempotency key: the same key again gives the first payment's id."""
    for payment in payments():
        if payment["key"] == ctx.idempotency_key:
            return str(payment["id"])
    payment_id = f"pay-{len(payments()) + 1:04d}"
    line = {"id": payment_id, "key": ctx.idempotency_key, "order": order_id, "amount": amount}
    with payments_file().open("a") as book:
        book.write(json.dumps(line) + "\n")
        book.flush()
        os.fsync(book.fileno())
    return payment_id


@agent(
    name="refund_desk",
    title="Refund desk",
    description="Refunds an order. Asks a person to approve amounts above 100 euro.",
    version="1.0.0",
    skills=[
        Skill(
            id="refund",
            name="Refund an order",
            description="Checks the order, weighs the risk, asks for approval where it is due, pays once.",
            tags=("payments", "support"),
            examples=("Refund 250 euro of order A-1002",),
        )
    ],
)
async def refund_desk(ctx: Context, order_id: str, amount: float = Field(gt=0)) -> Refund:
    """Refund ``amount`` euro of an order."""
    order = await ctx.step(load_order, order_id)
    if amount > order.paid:
        raise Rejected(f"The order was paid with {order.paid:.2f} euro; {amount:.2f} cannot be refunded.")
    await ctx.progress(1, 4, "order found")
    by_customer, by_amount = await ctx.gather(ctx.step(customer_risk, order), ctx.step(amount_risk, order, amount))
    risk = round((by_customer + by_amount) / 2, 2)
    await ctx.progress(2, 4, f"risk {risk:.2f}")
    if amount > APPROVAL_LIMIT:
        decision = await ctx.approve(
            f"Refund {amount:.2f} euro to {order.customer} for {order.item}?",
            payload={"order": order.model_dump(), "amount": amount, "risk": risk},
            key="approval",
        )
        if not decision.approved:
            reason = decision.comment or "not approved"
            return Refund(order_id=order.id, status="declined", amount=amount, reason=reason)
    payment_id = await ctx.step(pay, order.id, amount)
    await ctx.progress(3, 4, "paid")
    receipt = f"# Receipt {payment_id}\n\n{amount:.2f} euro were refunded to {order.customer} for {order.item}.\n"
    await ctx.artifact("receipt.md", receipt, mime_type="text/markdown")
    await ctx.progress(4, 4, "receipt written")
    return Refund(order_id=order.id, status="paid", amount=amount, payment_id=payment_id)
