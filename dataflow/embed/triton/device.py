"""On which device a model server runs a model."""

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from dataflow.embed import repository
from dataflow.embed.triton.client import Connection, is_refusal
from dataflow.settings import Embed


def device(options: Embed, version: str) -> str:
    """``cpu`` or ``gpu``: where the server of ``options`` runs the ``version`` (a number) of its model; empty
    if the server does not say.

    The encoder decides, if the model has one, because the model itself only tokenises. Raises
    ``grpc.RpcError``.
    """
    connection = Connection(options)
    try:
        try:
            config = connection.config(version, options.model + repository.ENCODER_SUFFIX)
        except grpc.RpcError as error:
            if not is_refusal(error):
                raise
            config = connection.config(version)
    finally:
        connection.close()
    kinds = {group.kind for group in config.instance_group}
    if ModelInstanceGroup.KIND_GPU in kinds:
        return "gpu"
    return "cpu" if kinds == {ModelInstanceGroup.KIND_CPU} else ""
