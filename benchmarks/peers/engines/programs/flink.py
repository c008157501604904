"""Windows with PyFlink, as its documentation writes them: an event-time window of the DataStream API and a
``ProcessWindowFunction``.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import orjson
from pyflink.common import Configuration, Duration, Encoder, TypeInformation, Types
from pyflink.common.time import Time
from pyflink.common.watermark_strategy import TimestampAssigner, WatermarkStrategy
from pyflink.datastream import OutputTag, RuntimeExecutionMode, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink, FileSource, RollingPolicy, StreamFormat
from pyflink.datastream.functions import MapFunction, ProcessWindowFunction, RuntimeContext
from pyflink.datastream.window import SlidingEventTimeWindows, TimeWindow, TumblingEventTimeWindows

from benchmarks.peers.engines.programs.work import TASK, NullEmbedder, note_late, scored

Event = tuple[str, int, str, bytes]


def event_type() -> TypeInformation:
    return Types.TUPLE([Types.STRING(), Types.LONG(), Types.STRING(), Types.PICKLED_BYTE_ARRAY()])


class Embed(MapFunction):
    def open(self, runtime_context: RuntimeContext) -> None:
        self._embedder = NullEmbedder()

    def map(self, value: str) -> Event:
        event = orjson.loads(value)
        return event["key"], event["ts"], event["id"], self._embedder.embed(event["text"]).tobytes()


class TimeOf(TimestampAssigner):
    def extract_timestamp(self, value: Event, record_timestamp: int) -> int:
        return value[1]


class Score(ProcessWindowFunction[Event, str, str, TimeWindow]):
    def process(
        self, key: str, context: "ProcessWindowFunction.Context[TimeWindow]", elements: Iterable[Event]
    ) -> Iterable[str]:
        _, _, ids, vectors = zip(*elements, strict=True)
        yield scored(key, context.window().start, ids, vectors)


def configuration() -> Configuration:
    """With ``live``: a checkpoint each second, and the newest one after a restart."""
    options = Configuration()
    if TASK["live"]:
        folder = Path(TASK["state"])
        options.set_string("execution.checkpointing.dir", folder.as_uri())
        options.set_string("execution.checkpointing.interval", "1 s")
        options.set_string(
            "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"
        )
        # Workers get events and send windows in bundles of 1,000 by default, and a small stream has fewer.
        options.set_string("python.fn-execution.bundle.size", "10")
        options.set_string("python.fn-execution.bundle.time", "100")
        done = sorted(folder.glob("*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
        if done:
            options.set_string("execution.state-recovery.path", done[-1].parent.as_uri())
    return options


def main() -> None:
    env = StreamExecutionEnvironment.get_execution_environment(configuration())
    env.set_runtime_mode(RuntimeExecutionMode.STREAMING)
    env.set_parallelism(1)
    env.set_python_executable(sys.executable)
    files = FileSource.for_record_stream_format(StreamFormat.text_line_format(), TASK["input"])
    if TASK["live"]:
        # Files that are found together are read in any order.
        files = files.monitor_continuously(Duration.of_millis(100))
    times = WatermarkStrategy.for_bounded_out_of_orderness(
        Duration.of_seconds(TASK["delay_s"])
    ).with_timestamp_assigner(TimeOf())
    length, slide = (Time.seconds(TASK[name]) for name in ("length_s", "slide_s"))
    assigner = (
        TumblingEventTimeWindows.of(length)
        if TASK["length_s"] == TASK["slide_s"]
        else SlidingEventTimeWindows.of(length, slide)
    )
    # A type that Java knows already cannot be sent to the workers.
    late = OutputTag("late", event_type())
    lines = (
        env.from_source(files.build(), WatermarkStrategy.no_watermarks(), "read")
        .map(Embed(), event_type())
        .assign_timestamps_and_watermarks(times)
        .key_by(lambda event: event[0], Types.STRING())
        .window(assigner)
        .side_output_late_data(late)
        .process(Score(), Types.STRING())
    )
    lines.sink_to(
        FileSink.for_row_format(TASK["output"], Encoder.simple_string_encoder())
        .with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy())
        .build()
    )
    if TASK["live"]:
        lines.get_side_output(late).map(lambda event: note_late(event[2]), Types.STRING()).print()
    env.execute("engine")


if __name__ == "__main__":
    main()
