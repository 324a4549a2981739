"""An independent host of Sparkplug B (pysparkplug, paho), run by the tests.

    sparkplug_host.py PORT GROUP NODE LEDGER             an observer
    sparkplug_host.py PORT GROUP NODE LEDGER HOST_ID     a primary host application, which publishes its STATE

It checks every message of the edge node against Sparkplug 3.0, and appends a JSON object for each to the ledger: what the
message says, or `fault`. It reads commands from standard input: `rebirth` asks the node for its birth certificates, `leave`
goes offline in order. It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from pysparkplug._protobuf import DataType, Payload

NAMESPACE = "spBv1.0"
# The fields of a value by the type of its metric.
FIELDS = {
    DataType.Int64: "long_value",
    DataType.UInt64: "long_value",
    DataType.Double: "double_value",
    DataType.Boolean: "boolean_value",
    DataType.String: "string_value",
}
DEVICE_METRICS = {
    "Id": DataType.String,
    "Sequence": DataType.UInt64,
    "RunId": DataType.String,
    "Decision": DataType.String,
    "Score": DataType.Double,
    "Threshold": DataType.Double,
    "FaultReason": DataType.String,
    "PartId": DataType.String,
    "FrameId": DataType.UInt64,
}


class Fault(Exception):
    """A message violates the standard."""


def require(condition: bool, text: str) -> None:
    if not condition:
        raise Fault(text)


class Model:
    """What a host knows of the edge node."""

    def __init__(self) -> None:
        self.bd_seq: int | None = None
        self.last_bd_seq: int | None = None
        self.forget()

    def forget(self) -> None:
        """After a new connection to the broker nothing is known until the next NBIRTH."""
        self.known = False
        self.alive = False
        self.seq = 0
        # By alias: the device (None: the node), the name and the type of the metric.
        self.aliases: dict[int, tuple[str | None, str, int]] = {}
        self.devices: set[str] = set()

    def handle(self, kind: str, device: str | None, message: mqtt.MQTTMessage) -> dict[str, Any]:
        payload = Payload()
        payload.ParseFromString(message.payload)
        require(not message.retain, "retained")
        require(message.qos == (1 if kind == "NDEATH" else 0), f"QoS {message.qos}")
        if kind == "NDEATH":
            return self.death(payload)
        require(payload.HasField("seq") and payload.HasField("timestamp"), "no seq or timestamp")
        if kind == "NBIRTH":
            return self.birth(payload)
        if not self.known:
            return {"unknown": True}
        require(self.alive, "a message of a dead node")
        require(payload.seq == (self.seq + 1) % 256, f"seq {payload.seq} after {self.seq}")
        self.seq = payload.seq
        if kind == "DBIRTH":
            assert device is not None
            self.devices.add(device)
            values = self.declare(device, payload)
            for name, datatype in DEVICE_METRICS.items():
                found = [one for one in payload.metrics if one.name == name]
                require(len(found) == 1 and found[0].datatype == datatype, f"no {name}")
            return values
        if kind == "DDATA":
            require(device in self.devices, "data of a device without DBIRTH")
        else:
            require(kind == "NDATA" and device is None, f"unexpected {kind}")
        return self.data(device, payload)

    def birth(self, payload: Any) -> dict[str, Any]:
        require(payload.seq == 0, f"NBIRTH with seq {payload.seq}")
        names = {metric.name: metric for metric in payload.metrics}
        require("bdSeq" in names and names["bdSeq"].datatype == DataType.Int64, "no bdSeq")
        rebirth = names.get("Node Control/Rebirth")
        require(rebirth is not None and not rebirth.HasField("alias"), "no Node Control/Rebirth")
        assert rebirth is not None
        require(rebirth.datatype == DataType.Boolean and not rebirth.boolean_value, "a wrong Rebirth")
        number = names["bdSeq"].long_value
        require(0 <= number <= 255, f"bdSeq {number}")
        again = self.alive and number == self.bd_seq
        require(again or number != self.last_bd_seq, f"bdSeq {number} for two connections")
        self.forget()
        self.known = self.alive = True
        self.bd_seq = self.last_bd_seq = number
        self.declare(None, payload)
        return {"bd_seq": number, "rebirth": again}

    def death(self, payload: Any) -> dict[str, Any]:
        require(not payload.HasField("seq"), "NDEATH with seq")
        numbers = [one.long_value for one in payload.metrics if one.name == "bdSeq"]
        require(len(numbers) == 1, "NDEATH without bdSeq")
        if self.known and self.alive:
            require(numbers[0] == self.bd_seq, f"NDEATH {numbers[0]} of NBIRTH {self.bd_seq}")
        self.alive = False
        return {"bd_seq": numbers[0]}

    def declare(self, device: str | None, payload: Any) -> dict[str, Any]:
        values = {}
        for metric in payload.metrics:
            require(bool(metric.name) and metric.datatype in FIELDS, f"a birth with {metric}")
            require(metric.HasField("timestamp"), f"{metric.name} has no timestamp")
            require(not metric.is_historical, f"{metric.name} of a birth is historical")
            if metric.HasField("alias"):
                known = self.aliases.get(metric.alias, (device, metric.name))[:2]
                require(known == (device, metric.name), f"alias {metric.alias} of two metrics")
                self.aliases[metric.alias] = (device, metric.name, metric.datatype)
            values[metric.name] = self.value(metric, metric.datatype)
        return {"values": values}

    def data(self, device: str | None, payload: Any) -> dict[str, Any]:
        values, times, historical = {}, set(), set()
        for metric in payload.metrics:
            require(not metric.HasField("name"), "a name where an alias suffices")
            require(metric.alias in self.aliases, f"unknown alias {metric.alias}")
            owner, name, datatype = self.aliases[metric.alias]
            require(owner == device, f"alias of {owner} in data of {device}")
            values[name] = self.value(metric, datatype)
            times.add(metric.timestamp)
            historical.add(metric.is_historical)
        require(len(times) == 1 and len(historical) == 1, "metrics of one verdict differ")
        return {"values": values, "time": times.pop(), "historical": historical.pop()}

    @staticmethod
    def value(metric: Any, datatype: int) -> Any:
        field = metric.WhichOneof("value")
        if metric.is_null:
            require(field is None, f"null with {field}")
            return None
        require(field == FIELDS[datatype], f"type {datatype} as {field}")
        return getattr(metric, field)


class Host:
    """An observer, or a primary host application."""

    def __init__(self, port: int, group: str, node: str, ledger: str, host_id: str | None) -> None:
        self.group, self.node = group, node
        self.state_topic = f"{NAMESPACE}/STATE/{host_id}" if host_id else None
        self.started = int(time.time() * 1000)
        self.ledger = open(ledger, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.model = Model()
        self.client = mqtt.Client(f"host-{host_id}-{self.started}", clean_session=True)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self.connected
        self.client.on_subscribe = self.subscribed
        self.client.on_message = self.received
        if self.state_topic:
            self.client.will_set(self.state_topic, self.state(False), qos=1, retain=True)
        self.client.connect("127.0.0.1", port, keepalive=10)
        self.client.loop_start()

    def write(self, entry: dict[str, Any]) -> None:
        with self.lock:
            self.ledger.write(json.dumps(entry) + "\n")
            self.ledger.flush()

    def state(self, online: bool) -> str:
        return json.dumps({"online": online, "timestamp": self.started})

    def connected(self, client: mqtt.Client, _data: Any, _flags: Any, code: int) -> None:
        if code != 0:
            self.write({"event": "fault", "fault": f"CONNACK {code}"})
            return
        self.model.forget()
        client.subscribe([(f"{NAMESPACE}/{self.group}/#", 1), (f"{NAMESPACE}/STATE/#", 1)])

    def subscribed(self, client: mqtt.Client, *_: Any) -> None:
        if self.state_topic:
            client.publish(self.state_topic, self.state(True), qos=1, retain=True)
        self.write({"event": "online"})

    def received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if levels[1] == "STATE":
            online = json.loads(message.payload)["online"]
            self.write({"event": "STATE", "host": levels[2], "online": online})
            return
        kind, device = levels[2], levels[4] if len(levels) > 4 else None
        if kind == "NCMD":
            return
        entry: dict[str, Any] = {"event": kind, "device": device}
        try:
            if levels[3] != self.node:
                raise Fault(f"another node {levels[3]}")
            entry |= self.model.handle(kind, device, message)
        except Fault as fault:
            entry |= {"event": "fault", "fault": f"{message.topic}: {fault}"}
        self.write(entry)

    def rebirth(self) -> None:
        payload = Payload()
        payload.timestamp = int(time.time() * 1000)
        metric = payload.metrics.add()
        metric.name, metric.datatype = "Node Control/Rebirth", DataType.Boolean
        metric.boolean_value = True
        topic = f"{NAMESPACE}/{self.group}/NCMD/{self.node}"
        self.client.publish(topic, payload.SerializeToString(), qos=0)

    def leave(self) -> None:
        assert self.state_topic, "an observer has no STATE"
        published = self.client.publish(self.state_topic, self.state(False), qos=1, retain=True)
        published.wait_for_publish(10)
        self.client.disconnect()
        self.write({"event": "left"})


def main() -> None:
    port, group, node, ledger, *rest = sys.argv[1:]
    host = Host(int(port), group, node, ledger, rest[0] if rest else None)
    for line in sys.stdin:
        getattr(host, {"rebirth": "rebirth", "leave": "leave"}[line.strip()])()


main()
