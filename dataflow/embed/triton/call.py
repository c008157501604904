"""A request that was sent to the model server, and the way that its answer comes."""

from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]

from dataflow.embed.triton.region import Region, Slot
from dataflow.embed.triton.served import Response

_SHARED = ("shared_memory_region", "shared_memory_offset", "shared_memory_byte_size")


class Call:
    """A request whose embeddings come through the shared memory of ``slot``, or over gRPC without one.

    ``send`` sends a request and returns its future. ``lost`` is told the region that the server does not
    know, and why: after a restart it knows none. Then the request is sent again, without shared memory.
    """

    def __init__(
        self,
        request: Any,
        send: Callable[[Any], Any],
        slot: Slot | None = None,
        size: int = 0,
        lost: Callable[[Region, str], None] = lambda region, cause: None,
    ) -> None:
        self._request, self._send, self._slot, self._size, self._lost = request, send, slot, size, lost
        if slot:
            into = request.outputs[0].parameters
            into[_SHARED[0]].string_param = slot.region.name
            into[_SHARED[1]].int64_param = slot.offset
            into[_SHARED[2]].int64_param = size
        self._future = send(request)

    def result(self) -> Response:
        """Wait for the answer. Raises ``grpc.RpcError``."""
        slot, self._slot = self._slot, None
        if slot is None:
            return _response(self._future.result())
        try:
            answer = self._future.result()
        except grpc.RpcError as error:
            if "shared memory" not in str(error.details()):
                # The server may still write into the slot, so the slot is not freed.
                slot.region.given_up += 1
                raise
            self._lost(slot.region, str(error.details()))
            for name in _SHARED:
                del self._request.outputs[0].parameters[name]
            self._future = self._send(self._request)
            return _response(self._future.result())
        response = _response(answer)
        response.raw[:1] = [slot.read(self._size)]
        slot.region.free(slot)
        return response

    def cancel(self) -> None:
        """Do not wait for the answer."""
        self._future.cancel()
        if self._slot:
            self._slot.region.given_up += 1
            self._slot = None


def _response(answer: Any) -> Response:
    given = [f"{tensor.datatype} {list(tensor.shape)}" for tensor in answer.outputs]
    return Response(given, list(answer.raw_output_contents))
