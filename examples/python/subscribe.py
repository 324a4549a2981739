#!/usr/bin/env python3
"""Subscribes to inspectd's verdicts without generated code: the daemon provides the message descriptors (gRPC
server reflection). Prints one JSON object per verdict on standard output.

    subscribe.py [--server HOST:PORT] [--camera ID]... [--decision pass|reject|review|fault]... [--limit N]

Exit codes: 0 finished, 1 the request was rejected, 2 invalid arguments, 69 the daemon is not reachable or the
connection was lost.
"""

import argparse
import json
import os
import sys

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_database import DescriptorDatabase
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

ANSWER_TIMEOUT_S = 10
SERVICE, METHOD = "inspectd.v1.InspectionService", "StreamVerdicts"


class Reflection(DescriptorDatabase):
    """Descriptors from the server, through grpc.reflection.v1.

    The package grpcio-reflection supports only v1alpha. Both versions have the same messages, so this class
    sends v1alpha messages to the v1 method.
    """

    def __init__(self, channel):
        self._call = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )

    def services(self):
        """Returns the names of all services."""
        response = self._ask(list_services="")
        return [service.name for service in response.list_services_response.service]

    def FindFileByName(self, name):
        return self._file(file_by_filename=name)

    def FindFileContainingSymbol(self, symbol):
        return self._file(file_containing_symbol=symbol)

    def _file(self, **question):
        files = self._ask(**question).file_descriptor_response.file_descriptor_proto
        if not files:
            raise KeyError(next(iter(question.values())))
        return FileDescriptorProto.FromString(files[0])

    def _ask(self, **question):
        request = ServerReflectionRequest(**question)
        return next(self._call(iter([request]), timeout=ANSWER_TIMEOUT_S))


def stream(channel, pool, cameras, decisions):
    """Calls StreamVerdicts and returns the stream of messages."""
    method = pool.FindServiceByName(SERVICE).methods_by_name[METHOD]
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_stream(
        f"/{SERVICE}/{METHOD}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    enumeration = method.input_type.fields_by_name["decisions"].enum_type
    numbers = [enumeration.values_by_name[f"DECISION_{name.upper()}"].number for name in decisions]
    return call(request_class(camera_ids=cameras, decisions=numbers))


def run(arguments):
    channel = grpc.insecure_channel(arguments.server)
    reflection = Reflection(channel)
    print("services:", ", ".join(reflection.services()), file=sys.stderr)
    pool = DescriptorPool(reflection)
    seen = 0
    for response in stream(channel, pool, arguments.camera, arguments.decision):
        event = response.WhichOneof("event")
        if event == "gap":
            reason = "lost with the journal" if response.gap.last_sequence else "read too slowly"
            print(f"{response.gap.missed} verdicts missed: {reason}", file=sys.stderr)
        if event != "verdict":
            continue
        verdict = json_format.MessageToDict(response.verdict, preserving_proto_field_name=True)
        print(json.dumps(verdict), flush=True)
        seen += 1
        if seen == arguments.limit:
            break


def parse():
    parser = argparse.ArgumentParser(description="Prints inspectd's verdicts as JSON lines.")
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT")
    parser.add_argument("--camera", action="append", default=[], metavar="ID")
    decisions = ["pass", "reject", "review", "fault"]
    parser.add_argument("--decision", action="append", default=[], choices=decisions)
    parser.add_argument("--limit", type=int, metavar="N", help="exit after N verdicts")
    arguments = parser.parse_args()
    if arguments.limit is not None and arguments.limit < 1:
        parser.error("--limit must be 1 or more")
    return arguments


def main():
    arguments = parse()
    try:
        run(arguments)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Otherwise Python reports the error a second time when it flushes standard output on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            print(f"no daemon at {arguments.server}: {error.details()}", file=sys.stderr)
            return 69
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
