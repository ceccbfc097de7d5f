"""Work that threads and forked processes do once between them: the first does it, the others wait."""

import os
import threading

import pytest

from fastcls._storage import once as module
from fastcls._storage.once import Once


@pytest.fixture(params=["with locks of files", "without"])
def locks(request, monkeypatch):
    if request.param == "without":
        monkeypatch.setattr(module, "fcntl", None)  # as on Windows


def test_the_first_does_it_and_no_other(locks):
    once = Once()
    assert not once.is_set
    for wanted in (True, False, False):
        with once.unless_set() as mine:
            assert mine is wanted
            assert once.is_set is not wanted
    assert once.is_set


def test_work_that_fails_is_left_to_the_next(locks):
    once = Once()

    def fail():
        with once.unless_set() as mine:
            return 1 / (not mine)

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not once.is_set
    with once.unless_set() as mine:
        assert mine
    assert once.is_set


def test_threads_wait_for_the_one_that_does_it(locks):
    once, found, begun, may_end = Once(), [], threading.Event(), threading.Event()

    def work():
        with once.unless_set() as mine:
            if mine:
                begun.set()
                assert may_end.wait(60)
            found.append((mine, once.is_set))

    threads = [threading.Thread(target=work) for _ in range(4)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    assert found == []
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert found == [(True, False), *[(False, True)] * 3]


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_it_for_its_parent_and_inherits_no_lock():
    once = Once()
    with once._threads:  # as if another thread of the parent were at it
        child = os.fork()
        if not child:
            with once.unless_set() as mine:
                status = int(not mine)
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    assert once.is_set
    with once.unless_set() as mine:
        assert not mine
