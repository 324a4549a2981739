"""The MES of the plant: it runs a continuous job over OPC UA, and keeps a ledger of all results."""

from __future__ import annotations

import asyncio
import contextlib

from asyncua import ua
from client import AUTOMATIC, RESULT_READY, Box, Events, Ledger

LOST = (ConnectionError, asyncio.TimeoutError, OSError, ua.UaError)


class Notifications(Events):
    """Events of a server that may be killed: the subscription then ends."""

    def status_change_notification(self, status) -> None:
        print(f"MES: the subscription has ended: {status.Status}", flush=True)


class Mes:
    """Runs until it is stopped; after each interruption it reads what it missed."""

    def __init__(self, url: str, keys: str, password: str) -> None:
        self.url, self.keys, self.password = url, keys, password
        self.ledger = Ledger()
        self.events = 0
        """Results that arrived as events."""
        self.interruptions = 0
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        while not self.stopped.is_set():
            try:
                async with self._box() as box:
                    await self._work(box)
            except LOST as error:
                self.interruptions += 1
                print(f"MES: interrupted: {error!r}", flush=True)
                await asyncio.sleep(0.3)

    def _box(self) -> Box:
        return Box(self.url, self.keys, "mes", self.password)

    async def _work(self, box: Box) -> None:
        events = Notifications()
        subscription = await box.client.create_subscription(100, events)
        await subscription.subscribe_events(box.node("belt"), [box.type_node(RESULT_READY)], queuesize=1000,
                                            where_clause_generation=False)
        while not self.stopped.is_set():
            if await box.automatic_state("belt") != "ContinuousExecution":
                await self._operate(box)
                await self._read_missed(box, "belt")
            with contextlib.suppress(asyncio.TimeoutError):
                event = await asyncio.wait_for(events.queue.get(), 1)
                if event.EventType == ua.NodeId(RESULT_READY, box.types):
                    self.ledger.add(event)
                    self.events += 1

    async def _operate(self, box: Box) -> None:
        """Brings the system to the continuous job from any state."""
        while not self.stopped.is_set():
            state = await box.vision_state("belt")
            state = await box.automatic_state("belt") if state == "Operational" else state
            try:
                if state in ("Error", "Halted"):
                    await box.change("belt", "Reset")
                elif state == "Preoperational":
                    await box.select("belt")
                elif state == "Initialized":
                    await box.prepare("belt", "normal")
                elif state == "Ready":
                    await box.start("belt", "StartContinuous")
                else:
                    assert state in AUTOMATIC, state
                    return
            except ua.UaStatusCodeError as error:
                print(f"MES: {state}: {error}", flush=True)
                await asyncio.sleep(0.3)

    async def _read_missed(self, box: Box, system: str) -> None:
        """Reads the list of results, the newest first, until a page has no new result."""
        try:
            await self._read(box, system, until_known=True)
        except ua.UaStatusCodeError as error:
            # The daemon does not answer again: the list is read after its restart.
            print(f"MES: the list of {system}: {error}", flush=True)

    async def _read(self, box: Box, system: str, until_known: bool) -> None:
        start, complete = 0, False
        while not complete:
            complete, count, handle, listed, error = await box.results(system, start=start, maximum=50)
            assert error == 0
            known = len(self.ledger.entries)
            for result in listed:
                self.ledger.add(result)
            await box.release(system, handle)
            if until_known and len(self.ledger.entries) == known:
                return
            start += count

    async def read_all(self) -> None:
        """Reads all results of both systems."""
        async with self._box() as box:
            for system in ("belt", "gate"):
                await self._read(box, system, until_known=False)
