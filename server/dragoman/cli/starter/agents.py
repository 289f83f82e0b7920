"""Two agents. Every async function under @agent is served over MCP, A2A and Agent Protocol."""

from pydantic import BaseModel

from dragoman.agents import Context, Rejected, agent

PAID = {"A-1": 480.0, "A-2": 39.9}


class Receipt(BaseModel):
    """What `refunds` gives back: its JSON Schema is told to clients."""

    order_id: str
    amount: float
    payment: str


@agent(description="Greets someone by name.")
async def greeter(ctx: Context, name: str) -> str:
    """The smallest agent: text in, text out."""
    return f"Hello, {name}!"


@agent(description="Refunds an order; above 100 a person has to approve.")
async def refunds(ctx: Context, order_id: str, amount: float) -> Receipt:
    """A step is done once, whatever crashes. A question waits as long as it takes, and holds nothing meanwhile."""
    paid = await ctx.step(load_order, order_id)
    if amount > paid:
        raise Rejected(f"Order {order_id} was paid with {paid:.2f}; {amount:.2f} cannot be refunded.")
    if amount > 100:
        decision = await ctx.approve(f"Refund {amount:.2f} of order {order_id}?", payload={"paid": paid})
        if not decision.approved:
            raise Rejected(f"The refund was declined. {decision.comment}".strip())
    payment = await ctx.step(pay, order_id, amount)
    return Receipt(order_id=order_id, amount=amount, payment=payment)


async def load_order(order_id: str) -> float:
    """Stands for a look-up in a shop."""
    if order_id not in PAID:
        raise Rejected(f"There is no order {order_id}; there are {', '.join(PAID)}.")
    return PAID[order_id]


async def pay(ctx: Context, order_id: str, amount: float) -> str:
    """Stands for a payment provider. Give it ctx.idempotency_key, and a payment sent twice is one payment."""
    return f"payment-{ctx.run_id[-8:]}"
