"""An independent OPC UA client (asyncua), run by the tests.

    client.py keys NAME...                     makes certificates NAME.der with keys NAME.pem
    client.py walk URL KEYS PASSWORD           walks the whole state machine, and prints its ledger
    client.py refusals URL KEYS PASSWORD       checks that forbidden requests are refused

The script asks the test for what it cannot do itself: it prints `DO WHAT`, and reads `done`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
from pathlib import Path

from asyncua import Client, ua
from asyncua.common.events import get_filter_from_event_type
from asyncua.crypto import security_policies
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.ua import uatypes
from cryptography.x509.oid import ExtendedKeyUsageOID

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
INSTANCES = "urn:inspectd:opcua:instances"
PATIENCE = 180

STATES = {"Preoperational": 5028, "Halted": 5029, "Error": 5030, "Operational": 5031}
AUTOMATIC = {"Initialized": 5056, "Ready": 5057, "SingleExecution": 5058, "ContinuousExecution": 5059}


def say(text: str) -> None:
    print(text, flush=True)


async def ask(what: str) -> None:
    say(f"DO {what}")
    answer = await asyncio.to_thread(sys.stdin.readline)
    assert answer == "done\n", answer


async def make_keys(names: list[str]) -> None:
    for name in names:
        await setup_self_signed_certificate(
            Path(f"{name}.pem"),
            Path(f"{name}.der"),
            f"urn:test:{name}",
            socket.gethostname(),
            [ExtendedKeyUsageOID.CLIENT_AUTH],
            {"commonName": f"test {name}"},
        )
        thumbprint = hashlib.sha1(Path(f"{name}.der").read_bytes()).hexdigest()
        say(f"THUMBPRINT {name} {thumbprint}")


async def new_client(
    url: str, keys: str, policy=security_policies.SecurityPolicyBasic256Sha256
) -> Client:
    client = Client(url, timeout=30)
    client.application_uri = f"urn:test:{keys}"
    client.session_timeout = 60_000
    await client.set_security(policy, f"{keys}.der", f"{keys}.pem")
    return client


class Box:
    """A connection, and the nodes of the systems."""

    def __init__(self, url: str, keys: str, user: str, password: str):
        self.url, self.keys, self.user, self.password = url, keys, user, password

    async def __aenter__(self) -> "Box":
        self.client = await new_client(self.url, self.keys)
        self.client.set_user(self.user)
        self.client.set_password(self.password)
        await self.client.connect()
        self.types = await self.client.get_namespace_index(MACHINE_VISION)
        self.instances = await self.client.get_namespace_index(INSTANCES)
        # asyncua knows a TrimmedString of OPC UA itself, and leaves out the one of OPC 40100-1 because its name is the same.
        uatypes.basetype_by_datatype[ua.NodeId(3017, self.types)] = "TrimmedString"
        await self.client.load_data_type_definitions()
        return self

    async def __aexit__(self, *error) -> None:
        await self.client.disconnect()

    def node(self, path: str):
        return self.client.get_node(ua.NodeId(path, self.instances))

    def type_node(self, number: int):
        return self.client.get_node(ua.NodeId(number, self.types))

    async def call(self, path: str, *arguments):
        parent, _, _ = path.rpartition("/")
        result = await self.node(parent).call_method(self.node(path), *arguments)
        return result

    async def vision_state(self, system: str) -> str:
        return (await self.node(f"{system}/VisionStateMachine/CurrentState").read_value()).Text

    async def automatic_state(self, system: str) -> str | None:
        path = f"{system}/VisionStateMachine/AutomaticModeStateMachine/CurrentState"
        return (await self.node(path).read_value()).Text

    async def is_in(self, system: str, state: str) -> None:
        """Checks texts and ids of the state."""
        vision = "Operational" if state in AUTOMATIC else state
        machine = f"{system}/VisionStateMachine"
        assert await self.vision_state(system) == vision, (system, state)
        found = await self.node(f"{machine}/CurrentState/Id").read_value()
        assert found == ua.NodeId(STATES[vision], self.types), found
        if state in AUTOMATIC:
            assert await self.automatic_state(system) == state
            path = f"{machine}/AutomaticModeStateMachine/CurrentState/Id"
            found = await self.node(path).read_value()
            assert found == ua.NodeId(AUTOMATIC[state], self.types), found

    async def until(self, system: str, state: str) -> None:
        for _ in range(PATIENCE * 10):
            if await self.vision_state(system) == state or await self.automatic_state(system) == state:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{system} is not {state}")

    # Methods.

    async def change(self, system: str, name: str) -> None:
        inner = "AutomaticModeStateMachine/" if name in ("Stop", "Abort") else ""
        path = f"{system}/VisionStateMachine/{inner}{name}"
        error = await self.call(path, ua.Variant(1, ua.VariantType.Int32), "the test")
        assert error == 0, error

    async def select(self, system: str) -> None:
        assert await self.call(f"{system}/VisionStateMachine/SelectModeAutomatic") == 0

    async def prepare(self, system: str, recipe: str):
        return await self.call(
            f"{system}/RecipeManagement/PrepareRecipe",
            ua.RecipeIdExternalDataType(Id=recipe),
            ua.RecipeIdInternalDataType(),
        )

    async def unprepare(self, system: str, recipe: str):
        return await self.call(
            f"{system}/RecipeManagement/UnprepareRecipe",
            ua.RecipeIdExternalDataType(Id=recipe),
            ua.RecipeIdInternalDataType(),
        )

    async def start(self, system: str, name: str, part: str = "", meas: str = "") -> str:
        job, error = await self.call(
            f"{system}/VisionStateMachine/AutomaticModeStateMachine/{name}",
            ua.MeasIdDataType(Id=meas),
            ua.PartIdDataType(Id=part),
            ua.RecipeIdExternalDataType(),
            ua.ProductIdDataType(),
            ua.Variant([], ua.VariantType.Variant, is_array=True),
        )
        assert error == 0
        return job.Id

    async def result(self, system: str, result_id: str):
        handle, result, error = await self.call(
            f"{system}/ResultManagement/GetResultById",
            ua.ResultIdDataType(Id=result_id),
            ua.Variant(1000, ua.VariantType.Int32),
        )
        assert error == 0
        assert await self.release(system, handle) == 0
        return result

    async def release(self, system: str, handle: int):
        return await self.call(
            f"{system}/ResultManagement/ReleaseResultHandle", ua.Variant(handle, ua.VariantType.UInt32)
        )

    async def results(self, system: str, state=0, part="", job="", start=0, maximum=0, recipe=""):
        return await self.call(
            f"{system}/ResultManagement/GetResultListFiltered",
            ua.Variant(state, ua.VariantType.Int32),
            ua.MeasIdDataType(),
            ua.PartIdDataType(Id=part),
            ua.RecipeIdExternalDataType(Id=recipe),
            ua.RecipeIdInternalDataType(),
            ua.ConfigurationIdDataType(),
            ua.ConfigurationIdDataType(),
            ua.ProductIdDataType(),
            ua.JobIdDataType(Id=job),
            ua.Variant(maximum, ua.VariantType.UInt32),
            ua.Variant(start, ua.VariantType.UInt32),
            ua.Variant(1000, ua.VariantType.Int32),
        )

    async def recipes(self, system: str, prepared: int = 2):
        return await self.call(
            f"{system}/RecipeManagement/GetRecipeListFiltered",
            ua.RecipeIdExternalDataType(),
            ua.ProductIdDataType(),
            ua.Variant(prepared, ua.VariantType.Int32),
            ua.Variant(0, ua.VariantType.UInt32),
            ua.Variant(0, ua.VariantType.UInt32),
            ua.Variant(1000, ua.VariantType.Int32),
        )


async def refused(call, *names: str) -> None:
    """Checks that a call fails with one of these status codes."""
    try:
        await call
    except ua.UaStatusCodeError as error:
        found = ua.status_codes.get_name_and_doc(error.code)[0]
        assert found in names, f"{found} in place of {names}"
        say(f"refused with {found}")
    else:
        raise AssertionError(f"accepted in place of {names}")


class Events:
    """The events of the systems, in their order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue = asyncio.Queue()

    def event_notification(self, event) -> None:
        self.queue.put_nowait(event)

    def status_change_notification(self, status) -> None:
        raise AssertionError(status)

    async def next(self):
        return await asyncio.wait_for(self.queue.get(), PATIENCE)

    async def rest(self) -> list:
        """Takes all events, until none has arrived for some seconds."""
        found = []
        try:
            while True:
                found.append(await asyncio.wait_for(self.queue.get(), 3))
        except asyncio.TimeoutError:
            return found

    async def expect(self, types: int, *numbers: int) -> list:
        """Takes the next events, whose types must be these."""
        found = []
        for number in numbers:
            event = await self.next()
            assert event.EventType == ua.NodeId(number, types), (number, event.EventType, event.Message)
            found.append(event)
        return found


# The numbers of types of events.
JOB_STARTED, STATE_CHANGED, ERROR, ERROR_RESOLVED = 1013, 1018, 1019, 1020
RECIPE_PREPARED, READY, RESULT_READY, ACQUISITION_DONE = 1022, 1023, 1024, 1025
ALL = (JOB_STARTED, STATE_CHANGED, ERROR, ERROR_RESOLVED, RECIPE_PREPARED, READY, RESULT_READY, ACQUISITION_DONE)


def content(result) -> dict:
    return {pair.Key.Name: pair.Value for pair in unwrap(result.ResultContent)}


def unwrap(values) -> list:
    """Values of a list of variants, or of structures."""
    return [value.Value if isinstance(value, ua.Variant) else value for value in values]


def plain(value):
    return value.Value if isinstance(value, ua.Variant) else value


class Ledger:
    """The ledger of the client, by the id of the result: part and decision."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[str, str]] = {}

    def add(self, result) -> None:
        part = result.PartId.Id if result.PartId is not None else ""
        decision = plain(content(result)["Decision"])
        entry = (part, decision)
        known = self.entries.get(result.ResultId.Id, entry)
        if known != entry:
            # The daemon was killed before it knew that its PASS was published; the event had said PASS.
            unconfirmed = plain(content(result).get("FaultReason")) == "unconfirmed"
            assert unconfirmed and known == (part, "PASS"), f"{result.ResultId.Id}: {known} and {entry}"
        self.entries[result.ResultId.Id] = entry
        # A part that was not judged is never a good result.
        assert (result.ResultState == 4) == (decision == "FAULT"), (result.ResultState, decision)


async def subscribe(box: Box, system: str) -> Events:
    events = Events()
    subscription = await box.client.create_subscription(100, events)
    # Without a where clause: that of asyncua compares ids of nodes, which the library of the server cannot do (docs/opcua.md).
    types = [box.type_node(number) for number in ALL]
    await subscription.subscribe_events(box.node(system), types, queuesize=1000, where_clause_generation=False)
    return events


async def subscribe_to_type(box: Box, system: str, number: int) -> Events:
    """Events of one type and its subtypes, by the operator OfType."""
    events = Events()
    subscription = await box.client.create_subscription(100, events)
    of_type = ua.ContentFilterElement()
    of_type.FilterOperator = ua.FilterOperator.OfType
    of_type.FilterOperands = [ua.LiteralOperand(Value=ua.Variant(ua.NodeId(number, box.types)))]
    event_filter = await get_filter_from_event_type([box.type_node(number)], where_clause_generation=False)
    event_filter.WhereClause.Elements = [of_type]
    await subscription.subscribe_events(box.node(system), evfilter=event_filter, queuesize=1000)
    return events


async def walk(url: str, keys: str, password: str) -> None:
    ledger = Ledger()
    async with Box(url, keys, "engineer", password) as box:
        assert await box.node("top").read_type_definition() == ua.NodeId(1003, box.types)
        events = await subscribe(box, "top")
        await box.until("top", "Preoperational")
        await recipes_and_modes(box, events)
        await single_jobs(box, events, ledger)
        await read_results(box, ledger)
        await configuration(box, ledger)
        await continuous_job(box, ledger)
        await halt_and_reset(box, events)
        await outage(box, events)
        await remove_recipe(box)
        await all_results(box, ledger)
    say("LEDGER " + json.dumps(ledger.entries))


async def recipes_and_modes(box: Box, events: Events) -> None:
    await box.is_in("top", "Preoperational")
    await refused(box.start("top", "StartSingleJob", "p0"), "BadInvalidState")
    await refused(box.prepare("top", "strict"), "BadInvalidState")
    await box.select("top")
    await box.is_in("top", "Initialized")
    await events.expect(box.types, STATE_CHANGED)
    await refused(box.select("top"), "BadInvalidState")
    await refused(box.change("top", "Stop"), "BadInvalidState")
    complete, count, _, listed, error = await box.recipes("top")
    assert (complete, count, error) == (True, 3, 0), (complete, count, error)
    assert [recipe.Id for recipe in listed] == ["lenient", "spare", "strict"], listed
    await refused(box.prepare("top", "unknown"), "BadNotFound")
    await refused(box.prepare("top", ""), "BadInvalidArgument")
    internal, completed, error = await box.prepare("top", "strict")
    assert (internal.Id, internal.Version, completed, error) == ("strict", "1", True, 0)
    assert internal.HashAlgorithm == "SHA-256" and len(internal.Hash) == 32
    changed, prepared = await events.expect(box.types, STATE_CHANGED, RECIPE_PREPARED)
    assert (changed.FromState.Text, changed.ToState.Text) == ("Initialized", "Ready")
    assert prepared.InternalId.Hash == internal.Hash
    await box.is_in("top", "Ready")
    _, count, _, listed, _ = await box.recipes("top", prepared=1)
    assert count == 1 and listed[0].Hash == internal.Hash
    # The content must be the one that the client names.
    other = ua.RecipeIdInternalDataType(Id="strict", Hash=b"\0" * 32)
    path = "top/RecipeManagement/PrepareRecipe"
    await refused(box.call(path, ua.RecipeIdExternalDataType(), other), "BadNoMatch")
    await box.unprepare("top", "strict")
    await box.is_in("top", "Initialized")
    await box.prepare("top", "strict")
    await events.expect(box.types, STATE_CHANGED, STATE_CHANGED, RECIPE_PREPARED)


async def single_jobs(box: Box, events: Events, ledger: Ledger) -> None:
    results = await subscribe_to_type(box, "top", RESULT_READY)
    for number in range(8):
        part = f"p{number}"
        job = await box.start("top", "StartSingleJob", part, meas=f"m{number}")
        found = await events.expect(
            box.types, STATE_CHANGED, JOB_STARTED, ACQUISITION_DONE, RESULT_READY, STATE_CHANGED, READY
        )
        for event in (found[1], found[2], found[3], found[5]):
            assert event.JobId.Id == job, (event.JobId, job)
        result = found[3]
        assert result.PartId.Id == part and result.MeasId.Id == f"m{number}"
        assert result.IsSimulated is True and result.IsPartial is False
        assert result.InternalRecipeId.Id == "strict"
        ledger.add(result)
        await results.expect(box.types, RESULT_READY)
        await box.is_in("top", "Ready")
    await refused(box.start("top", "StartSingleJob", "x" * 200), "BadInvalidArgument")
    # Two jobs at the same time: the second one is refused while the first one has not ended.
    first, second = await asyncio.gather(
        box.start("top", "StartSingleJob", "p8"),
        box.start("top", "StartSingleJob", "p9"),
        return_exceptions=True,
    )
    started = [it for it in (first, second) if isinstance(it, str)]
    assert len(started) >= 1, (first, second)
    await box.until("top", "Ready")
    for event in await events.rest():
        if event.EventType == ua.NodeId(RESULT_READY, box.types):
            ledger.add(event)


async def read_results(box: Box, ledger: Ledger) -> None:
    for result_id, (part, decision) in list(ledger.entries.items()):
        result = await box.result("top", result_id)
        assert result.PartId.Id == part and plain(content(result)["Decision"]) == decision
        assert result.InternalConfigurationId.HashAlgorithm == "SHA-256"
        assert result.ProcessingTimes.StartTime <= result.ProcessingTimes.EndTime <= result.CreationTime
    complete, count, handle, listed, error = await box.results("top", part="p3")
    assert (complete, count, error) == (True, 1, 0)
    result = listed[0]
    shown = content(result)
    assert {"Decision", "Score", "Threshold", "RegionBoxes"} <= set(shown), shown
    assert len(plain(shown["RegionBoxes"])) == 4 * len(plain(shown["RegionPeaks"]))
    assert await box.release("top", handle) == 0
    await refused(box.release("top", handle), "BadNotFound")
    # Field by field.
    outputs = await box.call(
        "top/ResultManagement/GetResultComponentsById",
        ua.ResultIdDataType(Id=result.ResultId.Id),
        ua.Variant(1000, ua.VariantType.Int32),
    )
    assert len(outputs) == 17 and outputs[4] == 1 and outputs[6].Id == "p3", outputs
    assert outputs[12].Id == result.JobId.Id
    _, count, _, listed, _ = await box.results("top", job=result.JobId.Id)
    assert count == 1 and listed[0].ResultId == result.ResultId
    # No result is being processed or aborted: a verdict is complete, or failed.
    for state, least in ((1, 8), (2, 0), (3, 0)):
        _, count, _, _, _ = await box.results("top", state=state)
        assert count >= least and (least or count == 0), (state, count)
    _, count, _, _, _ = await box.results("top", recipe="lenient")
    assert count == 0
    # Pages, the newest first.
    complete, count, _, first, _ = await box.results("top", maximum=3)
    assert (complete, count) == (False, 3)
    _, _, _, second, _ = await box.results("top", start=2, maximum=3)
    assert first[2].ResultId == second[0].ResultId
    unknown = result.ResultId.Id.rsplit("/", 1)[0] + "/999999"
    for wrong in (unknown, "box-8/x/1", "", "x" * 200):
        await refused(box.result("top", wrong), "BadNotFound")
    # The result of another system.
    await refused(box.result("belt", result.ResultId.Id), "BadNotFound")


async def continuous_job(box: Box, ledger: Ledger) -> None:
    events = await subscribe(box, "belt")
    await box.select("belt")
    await box.prepare("belt", "lenient")
    await events.expect(box.types, STATE_CHANGED, STATE_CHANGED, RECIPE_PREPARED)
    job = await box.start("belt", "StartContinuous")
    await box.is_in("belt", "ContinuousExecution")
    await events.expect(box.types, STATE_CHANGED, JOB_STARTED)
    await refused(box.start("belt", "StartContinuous"), "BadInvalidState")
    results = []
    while len(results) < 12:
        _, event = await events.expect(box.types, ACQUISITION_DONE, RESULT_READY)
        assert event.JobId.Id == job
        ledger.add(event)
        results.append(event)
    # The recipe is active on the line; frames that were captured before it have the previous recipe.
    assert results[-1].InternalRecipeId.Id == "lenient", results[-1].InternalRecipeId
    # Another system cannot run continuously with another recipe: the line has one.
    await refused(box.start("top", "StartContinuous"), "BadInvalidState")
    _, count, _, listed, _ = await box.results("belt", job=job)
    assert count >= 12 and all(result.JobId.Id == job for result in listed), count
    await box.change("belt", "Stop")
    await box.is_in("belt", "Ready")
    seen = []
    while READY not in seen:
        event = await events.next()
        seen.append(event.EventType.Identifier)
        if seen[-1] == RESULT_READY:
            ledger.add(event)
    again = await box.start("belt", "StartContinuous")
    assert again != job
    await box.change("belt", "Abort")
    await box.is_in("belt", "Ready")


async def halt_and_reset(box: Box, events: Events) -> None:
    await box.change("top", "Halt")
    await box.is_in("top", "Halted")
    await refused(box.change("top", "Halt"), "BadInvalidState")
    await refused(box.start("top", "StartSingleJob", "p"), "BadInvalidState")
    await box.change("top", "Reset")
    await box.is_in("top", "Preoperational")
    halted, reset = await events.expect(box.types, STATE_CHANGED, STATE_CHANGED)
    assert (halted.ToState.Text, reset.FromState.Text) == ("Halted", "Halted")
    # The recipe has to be prepared again.
    await box.select("top")
    await refused(box.start("top", "StartSingleJob", "p"), "BadInvalidState")
    await box.prepare("top", "strict")
    await events.expect(box.types, STATE_CHANGED, STATE_CHANGED, RECIPE_PREPARED)


async def outage(box: Box, events: Events) -> None:
    await ask("kill")
    changed, error = await events.expect(box.types, STATE_CHANGED, ERROR)
    assert (changed.FromState.Text, changed.ToState.Text) == ("Operational", "Error")
    assert error.Severity >= 500 and error.Message.Text, error.Message
    await box.is_in("top", "Error")
    state = await box.node("top/SystemState").read_value()
    assert state.State == 5 and state.StateDescription, state
    await refused(box.start("top", "StartSingleJob", "p"), "BadInvalidState")
    await refused(box.change("top", "Reset"), "BadCommunicationError")
    await refused(box.results("top"), "BadCommunicationError")
    await ask("start")
    await events.expect(box.types, ERROR_RESOLVED)
    await box.is_in("top", "Error")
    await box.change("top", "Reset")
    await box.is_in("top", "Preoperational")
    await box.select("top")
    await box.prepare("top", "strict")
    await events.expect(box.types, STATE_CHANGED, STATE_CHANGED, STATE_CHANGED, RECIPE_PREPARED)
    await box.start("top", "StartSingleJob", "after")
    await events.expect(
        box.types, STATE_CHANGED, JOB_STARTED, ACQUISITION_DONE, RESULT_READY, STATE_CHANGED, READY
    )


async def configuration(box: Box, ledger: Ledger) -> None:
    """The active configuration is that of the results."""
    path = "top/ConfigurationManagement"
    newest = (await box.results("top", maximum=1))[3][0].InternalConfigurationId
    _, count, handle, listed, error = await box.call(
        f"{path}/GetConfigurationList",
        ua.Variant(0, ua.VariantType.UInt32),
        ua.Variant(0, ua.VariantType.UInt32),
        ua.Variant(0, ua.VariantType.Int32),
    )
    assert (count, error) == (1, 0) and listed[0].InternalId == newest, (listed, newest)
    assert await box.call(f"{path}/ReleaseConfigurationHandle", ua.Variant(handle, ua.VariantType.UInt32)) == 0
    _, found, _ = await box.call(f"{path}/GetConfigurationById", newest, ua.Variant(0, ua.VariantType.Int32))
    assert found == listed[0]
    assert (await box.node(f"{path}/ActiveConfiguration").read_value()).InternalId == newest
    assert await box.call(f"{path}/ActivateConfiguration", newest) == 0
    other = ua.ConfigurationIdDataType(Id="0" * 64)
    await refused(box.call(f"{path}/ActivateConfiguration", other), "BadNotFound")


async def remove_recipe(box: Box) -> None:
    path = "top/RecipeManagement/RemoveRecipe"
    await refused(box.call(path, ua.RecipeIdExternalDataType(Id="strict")), "BadInvalidState")
    assert await box.call(path, ua.RecipeIdExternalDataType(Id="spare")) == 0
    await refused(box.call(path, ua.RecipeIdExternalDataType(Id="spare")), "BadNotFound")
    _, count, _, _, _ = await box.recipes("top")
    assert count == 2, count


async def all_results(box: Box, ledger: Ledger) -> None:
    """Reads what the client missed: results that were made while no job ran, or while the client was not connected."""
    for system in ("top", "belt"):
        start, complete = 0, False
        while not complete:
            complete, count, handle, listed, error = await box.results(system, start=start, maximum=50)
            assert error == 0
            for result in listed:
                ledger.add(result)
            await box.release(system, handle)
            start += count


async def refusals(url: str, keys: str, password: str) -> None:
    await policies(url, keys, password)
    await roles(url, keys, password)
    await users(url, keys)
    await strangers(url, password)


async def policies(url: str, keys: str, password: str) -> None:
    for policy in (
        security_policies.SecurityPolicyBasic256Sha256,
        security_policies.SecurityPolicyAes128Sha256RsaOaep,
        security_policies.SecurityPolicyAes256Sha256RsaPss,
    ):
        client = await new_client(url, keys, policy)
        client.set_user("viewer")
        client.set_password(password)
        async with client:
            assert await client.nodes.server_state.read_value() == 0
        say(f"connected with {policy.URI}")
    # Without security the server returns only its endpoints, none of which is without security.
    client = Client(url, timeout=10)
    endpoints = await client.connect_and_get_server_endpoints()
    modes = {endpoint.SecurityMode for endpoint in endpoints}
    assert modes == {ua.MessageSecurityMode.SignAndEncrypt}, modes
    assert len(endpoints) == 3
    assert all(f":{url.rpartition(':')[2]}/" in endpoint.EndpointUrl for endpoint in endpoints), endpoints
    client = Client(url, timeout=10)
    client.set_user("engineer")
    client.set_password(password)
    await fails(client.connect())


async def fails(call) -> None:
    """Checks that a connection fails, whichever error the client reports."""
    try:
        await call
    except (ua.UaError, ConnectionError, asyncio.TimeoutError, OSError) as error:
        say(f"failed with {type(error).__name__}: {error}")
    else:
        raise AssertionError("accepted")


async def roles(url: str, keys: str, password: str) -> None:
    denied = "BadUserAccessDenied"
    async with Box(url, keys, "viewer", password) as box:
        await refused(box.select("top"), denied)
        await refused(box.change("top", "Halt"), denied)
        await refused(box.change("top", "Reset"), denied)
        await refused(box.start("top", "StartSingleJob", "p"), denied)
        await refused(box.start("top", "StartContinuous"), denied)
        await refused(box.change("top", "Stop"), denied)
        await refused(box.change("top", "Abort"), denied)
        await refused(box.prepare("top", "strict"), denied)
        await refused(box.unprepare("top", "strict"), denied)
        _, _, _, _, error = await box.results("top")
        assert error == 0
        # No user may write variables.
        node = box.node("top/VisionStateMachine/CurrentState")
        await refused(node.write_value(ua.LocalizedText("Ready")), "BadUserAccessDenied", "BadNotWritable", "BadServiceUnsupported")
    async with Box(url, keys, "operator", password) as box:
        await box.select("top")
        await refused(box.prepare("top", "strict"), denied)
        await refused(box.change("top", "Reset"), denied)
        await box.change("top", "Halt")
    async with Box(url, keys, "engineer", password) as box:
        await box.change("top", "Reset")


async def users(url: str, keys: str) -> None:
    for user, password in (("viewer", "wrong"), ("viewer", ""), ("nobody", "correct horse"), ("person", "correct horse")):
        client = await new_client(url, keys)
        client.set_user(user)
        client.set_password(password)
        await fails(client.connect())
    # Anonymous.
    client = await new_client(url, keys)
    await fails(client.connect())
    # A user with a certificate, on a connection of the application.
    client = await new_client(url, keys)
    await client.load_client_certificate("person.der")
    await client.load_private_key("person.pem")
    async with client:
        assert await client.nodes.server_state.read_value() == 0
    client = await new_client(url, keys)
    await client.load_client_certificate("stranger.der")
    await client.load_private_key("stranger.pem")
    await fails(client.connect())


async def strangers(url: str, password: str) -> None:
    client = await new_client(url, "stranger")
    client.set_user("viewer")
    client.set_password(password)
    await fails(client.connect())
    await ask("trust")
    async with Box(url, "stranger", "viewer", password) as box:
        await box.vision_state("top")


def main() -> None:
    command, *arguments = sys.argv[1:]
    commands = {"keys": lambda *names: make_keys(list(names)), "walk": walk, "refusals": refusals}
    asyncio.run(commands[command](*arguments))


if __name__ == "__main__":
    main()
