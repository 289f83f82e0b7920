"""Two agents. Every async function under @agent is served over MCP, A2A and Agent Protocol."""

from pydantic import BaseModel

from dragoman.agents import Context, Rejected, agent

PRICES = {"pencil": 0.4, "chair": 89.0, "desk": 450.0}


class Receipt(BaseModel):
    """What `purchase` gives back: its JSON Schema is told to clients."""

    item: str
    quantity: int
    total: float
    order: str


@agent(description="Greets someone by name.")
async def greeter(ctx: Context, name: str) -> str:
    """The smallest agent: text in, text out."""
    return f"Hello, {name}!"


@agent(description="Buys office supplies; above 100 a person has to approve.")
async def purchase(ctx: Context, item: str, quantity: int = 1) -> Receipt:
    """A step is done once, whatever crashes. A question waits as long as it takes, and holds nothing meanwhile."""
    price = await ctx.step(look_up, item)
    total = round(price * quantity, 2)
    if total > 100:
        decision = await ctx.approve(
            f"Buy {quantity} x {item} for {total:.2f}?", payload={"item": item, "total": total}
        )
        if not decision.approved:
            raise Rejected(f"The purchase was declined. {decision.comment}".strip())
    order = await ctx.step(place_order, item, quantity)
    return Receipt(item=item, quantity=quantity, total=total, order=order)


async def look_up(item: str) -> float:
    """Stands for a call to a catalogue."""
    if item not in PRICES:
        raise Rejected(f"There is no {item}; there are {', '.join(PRICES)}.")
    return PRICES[item]


async def place_order(ctx: Context, item: str, quantity: int) -> str:
    """Stands for a call to a shop. Give it ctx.idempotency_key, and an order sent twice is one order."""
    return f"order-{ctx.run_id[-8:]}"
