"""On which device a model server runs a model."""

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from dataflow.embed import repository
from dataflow.embed.triton.client import Connection, cause, is_refusal
from dataflow.errors import OutageError
from dataflow.settings import Embed


def device(options: Embed, version: str) -> str:
    """``cpu`` or ``gpu``: where the server of ``options`` runs the ``version`` (a number) of its model; empty
    if the server does not say.

    The encoder decides, if the model has one, because the model itself only tokenises. Raises
    ``OutageError`` if the server does not answer.
    """
    connection = Connection(options)
    try:
        kinds = _kinds(connection, version, options.model + repository.ENCODER_SUFFIX)
        if kinds is None:
            kinds = _kinds(connection, version, options.model)
    except grpc.RpcError as error:
        raise OutageError(f"Triton at {options.url}: {cause(error)}") from None
    finally:
        connection.close()
    if ModelInstanceGroup.KIND_GPU in (kinds or ()):
        return "gpu"
    return "cpu" if kinds == {ModelInstanceGroup.KIND_CPU} else ""


def _kinds(connection: Connection, version: str, model: str) -> set[int] | None:
    """The kinds of the instances of a model; ``None`` if the server has no such config."""
    try:
        config = connection.config(version, model)
    except grpc.RpcError as error:
        if not is_refusal(error):
            raise
        return None
    return {group.kind for group in config.instance_group}
