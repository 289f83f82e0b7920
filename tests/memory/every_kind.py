"""A tenant that has something of everything a ledger keeps, made through the ledger's own verbs."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.memory.assistants import AssistantPatch, NewAssistant
from dragoman.memory.crons import Cron
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact, NewEvent, NewInterrupt, NewStep, Submission
from dragoman.memory.model import ApiKey, Failure, FailureKind, InterruptKind, RunStatus, StepStatus
from dragoman.memory.outbox import DeliveryStatus, Move, NewDeadLetter, NewDelivery
from dragoman.memory.setup import RunSetup
from dragoman.memory.threads import Revision, ThreadTtl

WORKER = "worker-1"
PERSON = "person-4711"


@dataclass(frozen=True)
class Made:
    """What was made."""

    tenant: str
    waiting: str
    done: str
    running: str
    queued: str
    thread: str


async def make(ledger: Ledger, tenant: str = "acme", person: str = PERSON) -> Made:
    """Make it; ``person`` is whose it is."""
    waiting = await _waiting(ledger, tenant, person)
    done, thread = await _done(ledger, tenant, person)
    running = await ledger.submit(_new(tenant, person, input=[1]), WORKER)
    queued = await ledger.submit(_new(tenant, person, wake_at=now_micros() + 3_600_000_000, thread_id=thread))
    await _kept(ledger, tenant, person, thread)
    return Made(tenant, waiting, done, running.run.id, queued.run.id, thread)


def _new(tenant: str, person: str, **fields: object) -> Submission:
    known: dict[str, object] = {"agent": "refunds", "agent_version": "1", "run_id": uuid7(), "subject": person}
    return Submission(tenant=tenant, **{**known, **fields})  # type: ignore[arg-type]


async def _waiting(ledger: Ledger, tenant: str, person: str) -> str:
    born = await ledger.submit(
        _new(
            tenant,
            person,
            input={"order": "ä\u0000\u2028", "amount": 1.5, "none": None},
            idempotency_key=f"key of {person}",
            metadata={"n": 1, "s": "x" * 200, "flag": True, "owner": person},
            thread_metadata={"title": "one"},
            setup=RunSetup(config={"a": [1]}, pause_before=("*",)),
        ),
        WORKER,
    )
    assert born.lease is not None
    later = now_micros() + 3_600_000_000
    asked = NewInterrupt("pay", InterruptKind.APPROVAL, "Pay?", {"type": "boolean"}, None, later)
    steps = [NewStep("load", StepStatus.FINISHED, "d1", {"id": 1}), NewStep("sleep", StepStatus.STARTED, "d2", 5)]
    await ledger.commit(born.lease, Batch(steps=steps, events=[NewEvent("progress", {"at": 0.1})], emitted=1))
    await ledger.commit(born.lease, Batch(interrupts=[asked], change=Change(RunStatus.WAITING, wake_at=later)))
    return born.run.id


async def _done(ledger: Ledger, tenant: str, person: str) -> tuple[str, str]:
    born = await ledger.submit(_new(tenant, person, message={"role": "user", "content": f"I am {person}"}), WORKER)
    assert born.lease is not None
    long = [{"role": "user", "content": f"{n} " * 300} for n in range(3)]
    for message in long:
        await ledger.commit(born.lease, Batch(messages=[message], steps=[NewStep(message["content"][:1], _FINISHED)]))
    asked = NewInterrupt("null", InterruptKind.INPUT, "Anything?", {}, {"by": person})
    await ledger.commit(born.lease, Batch(interrupts=[asked], change=Change(RunStatus.WAITING)))
    await ledger.answer(tenant, born.run.id, {"null": None}, person)
    [(lease, _, _)] = [one for one in await ledger.claim(WORKER, 10) if one[1].id == born.run.id]
    kept = [NewArtifact("a", "a.bin", "application/octet-stream", bytes(range(256))), NewArtifact("b", "b", "t/x", b"")]
    failed = NewStep("bad", StepStatus.FAILED, failure=Failure(FailureKind.ERROR, "no", "ValueError"))
    await ledger.commit(lease, Batch(artifacts=kept, steps=[failed], values={"seen": True}))
    await _deliveries(ledger, tenant, born.run.id)
    await ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED, output={"by": person})))
    return born.run.id, born.run.thread_id


_FINISHED = StepStatus.FINISHED


async def _deliveries(ledger: Ledger, tenant: str, run_id: str) -> None:
    for id in ("dead", "active"):
        new = NewDelivery(tenant, run_id, id, "test", "https://receiver.example/hook", {"shown": 1}, {"token": "s"})
        await ledger.add_delivery(new, 10)
    claimed = await ledger.claim_delivery(tenant, run_id, "dead", WORKER, 60.0)
    assert claimed is not None
    letter = NewDeadLetter(2, 0, 3, "refused", b"\x00body")
    await ledger.move_delivery(claimed.lease, Move(1, 0, DeliveryStatus.DEAD, 3, None, "refused", letter))


async def _kept(ledger: Ledger, tenant: str, person: str, thread: str) -> None:
    await ledger.put_item(tenant, ("users", person), "likes", {"tea": "Darjeeling Ärger", "by": person})
    await ledger.put_item(tenant, ("shared",), "expires", {"n": 1}, ttl_s=3600.0)
    await ledger.put_item(tenant, ("shared",), "unseen", {"text": "hidden"}, index=False)
    await ledger.remember(tenant, "mcp.session", f"session-{person}", {"subject": person}, 3600.0)
    await ledger.add_key(ApiKey(f"k-{tenant}", tenant, person, frozenset({"*"}), now_micros()), tenant.encode() * 8)
    await ledger.create_assistant(NewAssistant(tenant, "one", "refunds", "One", metadata={"owner": person}))
    await ledger.update_assistant(tenant, "one", AssistantPatch(name="Two", context={"c": 1}))
    later = now_micros() + 86_400_000_000
    cron = Cron(tenant, "daily", "test", "one", "@daily", thread, person, payload={"input": {}}, next_at=later)
    await ledger.add_cron(cron, 10)
    made = await ledger.create_thread(tenant, None, {"owner": person}, {"n": 1}, ttl=ThreadTtl(60.0))
    await ledger.revise_thread(tenant, made.id, [Revision(values={"n": 2}, metadata={"source": "test"})])
