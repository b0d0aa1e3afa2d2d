import threading

import pytest

from cry_tf.data.decoding import ahead


def test_results_come_in_order_with_errors_in_their_place():
    def work(item):
        if item == 3:
            raise OSError("three")
        return item * item

    found = list(ahead(work, range(50), threads=3))
    assert [item for item, _ in found] == list(range(50))
    assert all(result == item**2 for item, result in found if item != 3)
    assert isinstance(found[3][1], OSError)


def test_an_error_of_another_kind_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda item: 1 // item, [1, 0]))


def test_the_work_runs_only_a_bounded_way_ahead():
    begun = []
    lock = threading.Lock()

    def work(item):
        with lock:
            begun.append(item)

    results = ahead(work, range(1000), threads=2)
    next(results)
    assert len(begun) <= 10
    results.close()
