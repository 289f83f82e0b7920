"""The approval card in a browser: shown by a host in a sandbox, answered by a person, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from dragoman.agents import Context, agent
from dragoman.auth import LOCAL
from dragoman.memory.model import RunView

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

Show = Callable[..., AbstractAsyncContextManager[Any]]


class Address(BaseModel):
    """Where it goes."""

    street: str = Field(description="With the number")
    speed: Literal["slow", "fast"]
    floor: int | None = Field(default=None, ge=0)
    weight: float = 1.5
    gift: bool = False


@agent(title="Refund an order", description="Refund an order; a person decides")
async def refund(ctx: Context, order_id: str, amount: float) -> str:
    approval = await ctx.approve(f"Refund {amount:g} for {order_id}?", payload={"order": order_id, "amount": amount})
    return f"refunded {amount:g} ({approval.comment})" if approval.approved else f"declined ({approval.comment})"


@agent(description="Ask one of a few")
async def choose(ctx: Context) -> str:
    return "chosen: " + await ctx.ask("Which?", choices=["this", "that"])


@agent(description="Ask for several fields, then for a note")
async def ship(ctx: Context) -> dict[str, Any]:
    address: Address = await ctx.interrupt("Where to?", schema=Address, key="address")
    note = await ctx.ask("A note?", key="note")
    return {"address": address.model_dump(), "note": note}


@agent(description="Ask for JSON")
async def configure(ctx: Context) -> int:
    schema = {"type": "array", "items": {"type": "object"}, "minItems": 2}
    rows: list[Any] = await ctx.interrupt("The rows?", schema=schema, key="rows")
    return len(rows)


@agent(description="Ask with what an attacker wrote")
async def attacked(ctx: Context, text: str) -> str:
    await ctx.approve(text, payload={text: text, "nested": [text]})
    return text


@agent(description="Answer at once")
async def quick(ctx: Context) -> str:
    return "done at once"


REFUND = {"order_id": "o-7", "amount": 250}


async def _view(page: Any, run_id: str) -> RunView:
    view: RunView = await page.engine.view(LOCAL, run_id)
    return view


async def test_a_waiting_refund_is_shown_and_approved_and_goes_on(hosted: Show) -> None:
    async with hosted(refund) as page:
        run_id = await page.start("refund", REFUND)
        shown = await page.shows("Refund 250 for o-7?")
        assert "Refund an order" in shown
        assert "Waits for your answer." in shown
        assert all(part in shown for part in ("order", "o-7", "amount", "250"))
        await page.fill("Comment", "go ahead")
        await page.press("Approve")
        shown = await page.shows("Succeeded.")
        assert "refunded 250 (go ahead)" in shown
        context = await page.until("seen.find((m) => m.method === 'ui/update-model-context')?.params.content[0].text")
        view = await _view(page, run_id)
    assert view.run.output == "refunded 250 (go ahead)"
    assert "answered in the approval card: approved" in context
    assert run_id in context


async def test_a_refund_that_is_rejected_is_not_made(hosted: Show) -> None:
    async with hosted(refund) as page:
        run_id = await page.start("refund", REFUND)
        await page.fill_when_shown("Comment", "too much")
        await page.press("Reject")
        assert "declined (too much)" in await page.shows("Succeeded.")
        assert (await _view(page, run_id)).run.output == "declined (too much)"


async def test_a_choice_is_a_button_each(hosted: Show) -> None:
    async with hosted(choose) as page:
        await page.start("choose", {})
        await page.press("that")
        assert "chosen: that" in await page.shows("Succeeded.")


async def test_fields_are_those_of_the_schema_and_one_question_follows_another(hosted: Show) -> None:
    async with hosted(ship) as page:
        run_id = await page.start("ship", {})
        assert "With the number" in await page.shows("Where to?")
        await page.fill("street", "Canal 1")
        await page.fill("speed", "fast")
        await page.fill("floor", 3)
        await page.fill("gift", True)
        await page.press("Send")
        await page.shows("A note?")
        await page.fill("Answer", "Ring twice.\nThen wait.")
        await page.press("Send")
        await page.shows("Succeeded.")
        view = await _view(page, run_id)
    address = {"street": "Canal 1", "speed": "fast", "floor": 3, "weight": 1.5, "gift": True}
    assert view.run.output == {"address": address, "note": "Ring twice.\nThen wait."}


async def test_a_field_that_is_missing_or_does_not_fit_keeps_the_form(hosted: Show) -> None:
    async with hosted(ship) as page:
        run_id = await page.start("ship", {})
        await page.shows("Where to?")
        await page.press("Send")
        assert await page.card("document.querySelector('input').matches(':invalid')")
        assert await page.run("seen.filter((m) => m.params?.name === 'run_answer').length") == 0
        assert len((await _view(page, run_id)).open_interrupts) == 1


async def test_any_other_schema_is_asked_for_as_json_and_what_is_wrong_with_it_is_told(hosted: Show) -> None:
    async with hosted(configure) as page:
        await page.start("configure", {})
        assert "JSON that fits this schema" in await page.shows("The rows?")
        await page.fill("Answer", "[{")
        await page.press("Send")
        await page.shows("This is not JSON.")
        await page.fill("Answer", "[{}]")
        await page.press("Send")
        await page.shows("rows")
        await page.card_until("document.getElementById('alert').textContent.includes('2 item')")
        assert await page.card("document.querySelector('textarea').value") == "[{}]"
        await page.fill("Answer", "[{}, {}]")
        await page.press("Send")
        assert "2" in await page.shows("Succeeded.")


async def test_what_was_answered_elsewhere_is_told_and_not_answered_again(hosted: Show) -> None:
    async with hosted(refund) as page:
        run_id = await page.start("refund", REFUND)
        await page.shows("Refund 250 for o-7?")
        (asked,) = (await _view(page, run_id)).open_interrupts
        await page.engine.answer(LOCAL, run_id, {asked.key: {"approved": False, "comment": "by another"}})
        await page.engine.wait(LOCAL, run_id, 20)
        await page.press("Approve")
        shown = await page.shows("It was answered already.")
        assert "declined (by another)" in shown
        assert (await _view(page, run_id)).run.output == "declined (by another)"


ATTACK = """<img src="https://evil.example/x.png" onerror="window.hit=1"><script>window.hit=1</script>\
<style>*{}</style>"><iframe src="https://evil.example"></iframe><a href="javascript:window.hit=1">x</a>"""


async def test_what_an_attacker_wrote_is_shown_as_text_and_nothing_is_asked_of_anyone(hosted: Show) -> None:
    async with hosted(attacked) as page:
        await page.start("attacked", {"text": ATTACK})
        shown = await page.shows('onerror="window.hit=1"')
        assert shown.count("<script>window.hit=1</script>") >= 3
        assert await page.card("document.querySelectorAll('img, iframe, a, main script, main style').length") == 0
        await page.press("Approve")
        assert "javascript:window.hit=1" in await page.shows("Succeeded.")
        assert await page.card("window.hit === undefined && document.querySelectorAll('img, iframe, a').length === 0")
        # What the policy is for: even a script in the card reaches nobody.
        assert await page.card("fetch('https://evil.example/').then(() => 'reached', () => 'refused')") == "refused"
    # The fixture has looked at every request of page and frame.


async def test_a_result_that_is_there_at_once_is_shown(hosted: Show) -> None:
    async with hosted(quick) as page:
        await page.start("quick", {})
        assert "done at once" in await page.shows("Succeeded.")


async def test_the_card_wears_the_hosts_theme_and_says_its_size(hosted: Show) -> None:
    context = {
        "theme": "dark",
        "styles": {
            "variables": {
                "--color-background-primary": "rgb(1, 2, 3)",
                "--color-text-primary": "url(https://evil.example/x)",
                "background": "red",
            }
        },
    }
    async with hosted(refund) as page:
        await page.start("refund", REFUND, context)
        await page.shows("Refund 250")
        assert await page.card("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 3)"
        assert await page.card("document.documentElement.style.colorScheme") == "dark"
        assert await page.card("document.documentElement.style.getPropertyValue('--color-text-primary')") == ""
        await page.run("post({method: 'ui/notifications/host-context-changed', params: {theme: 'light'}})")
        await page.card_until("document.documentElement.style.colorScheme === 'light'")
        height = await page.until("seen.findLast((m) => m.method === 'ui/notifications/size-changed')?.params.height")
        assert 50 < height < 1000
        await page.run("post({id: 'bye', method: 'ui/resource-teardown', params: {}})")
        assert await page.until("seen.some((m) => m.id === 'bye' && m.result)")


async def test_a_message_that_is_not_the_hosts_is_not_heard(hosted: Show) -> None:
    async with hosted(refund) as page:
        await page.start("refund", REFUND)
        await page.shows("Refund 250")
        forged = "{content: [{type: 'text', text: 'FORGED'}]}"
        message = f"{{jsonrpc: '2.0', method: 'ui/notifications/tool-result', params: {forged}}}"
        await page.card(f"(() => {{ window.postMessage({message}, '*'); }})()")
        await page.card("new Promise((done) => setTimeout(done, 0)).then(() => true)")
        assert "FORGED" not in await page.card("document.body.innerText")
