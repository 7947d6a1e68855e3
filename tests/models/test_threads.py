import os
import subprocess
import sys
import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from napari_intseg.models.classical.random_walker import one_thread_of_blas


@pytest.mark.parametrize(("given", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_wait_quietly_unless_the_user_says_otherwise(given, expected):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    code = (
        "import os; from napari_intseg import load_model; load_model('random-walker'); "
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


def test_blas_computes_with_one_thread_meanwhile_and_as_before_afterwards():
    def threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        assert before
        with one_thread_of_blas():
            assert set(threads()) == {1}
        assert threads() == before


def test_one_thread_at_a_time_is_inside_and_leaves_what_it_found():
    def threads():
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    inside, order = threading.Event(), []

    def second():
        inside.wait()
        with one_thread_of_blas():
            order.append("second")

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=second)
        other.start()
        with one_thread_of_blas():
            inside.set()
            other.join(0.2)
            order.append("first")
            with one_thread_of_blas():
                assert threads() == {1}, "the same thread may come in again"
        other.join()
        assert order == ["first", "second"]
        assert threads() == {2}
