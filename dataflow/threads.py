"""How many threads multiply matrices."""

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def one_thread() -> None:
    """Let NumPy, which must be imported, multiply matrices in one thread from now on, in the whole process.

    Workers run in parallel already, and the matrices of a window are small. The threads of OpenBLAS wait for
    each other in busy loops, so beside a busy process they take several times the CPU.
    """
    threadpool_limits(limits=1, user_api="blas")
