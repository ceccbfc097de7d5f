"""Points moved by hand stay when a slider draws new points; leaving the tied preset restores K."""

import numpy as np

from fastcls.demo._knn_state import KnnController, KnnState
from fastcls.demo._linear_state import LinearController


def test_moved_points_stay_when_the_numbers_of_points_and_classes_change():
    controller = KnnController()
    fresh = controller.state
    controller.move(7, -250, 111)
    controller.move(58, 20, -290)
    for change in ({"n": 59}, {"n": 200}, {"n": 60}, {"classes": 5}, {"classes": 2}, {"classes": 3}):
        controller.renew(**change)
        assert list(controller.state.points[7]) == [-250, 111], change
        assert list(controller.state.points[58]) == [20, -290], change
        assert controller.state.codes[7] == fresh.codes[7]
    others = np.delete(np.arange(60), [7, 58])
    np.testing.assert_array_equal(controller.state.points[others], fresh.points[others])
    controller.renew(n=20)  # its number is gone
    assert not (controller.state.points == [20, -290]).all(axis=1).any()
    controller.renew(n=60)  # and comes back, with its place
    assert list(controller.state.points[58]) == [20, -290]
    controller.renew(classes=5)
    assert set(controller.state.codes) == set(range(5))
    for redraw in (lambda c: c.another(), lambda c: c.renew(preset="ring"), lambda c: c.reset()):
        again = KnnController()
        again.move(7, -250, 111)
        redraw(again)
        assert not (again.state.points == [-250, 111]).all(axis=1).any()
        again.renew(n=61)
        assert not (again.state.points == [-250, 111]).all(axis=1).any()


def test_points_of_a_text_stay_when_others_are_added():
    controller = KnnController(KnnState.of_text("classes=2&points=-299,0,1;299,7,0;5,5,0"))
    controller.renew(n=30)
    assert len(controller.state.points) == 30
    np.testing.assert_array_equal(controller.state.points[:3], [[-299, 0], [299, 7], [5, 5]])
    assert list(controller.state.codes[:3]) == [1, 0, 0]
    controller.renew(n=31)
    np.testing.assert_array_equal(controller.state.points[:3], [[-299, 0], [299, 7], [5, 5]])


def test_leaving_the_tie_restores_k():
    controller = KnnController(KnnState(k=9))
    controller.renew(preset="tie")
    assert controller.state.k == 2
    controller.renew(preset="ring")
    assert controller.state.k == 9
    controller.renew(preset="tie")
    controller.another()  # which leaves the tie, if not its preset
    controller.renew(preset="random")
    assert controller.state.k == 9
    controller.renew(preset="tie")
    controller.set(k=4)  # chosen by hand: kept
    controller.renew(preset="parity")
    assert controller.state.k == 4
    controller.renew(preset="tie")
    controller.renew(classes=3)
    assert (controller.state.preset, controller.state.k) == ("random", 4)
    controller.renew(preset="tie")
    controller.reset()
    controller.renew(preset="ring")
    assert controller.state.k == 9
    given = KnnController(KnnState.of_text("preset=tie&k=2"))
    given.renew(preset="ring")
    assert given.state.k == 2  # K was given


def test_moved_points_and_weights_stay_when_the_number_of_classes_changes():
    controller = LinearController()
    first = controller.state
    controller.move(4, -222, 33)
    controller.set_weight(1, 0, 7.25)
    controller.take_step()
    W = controller.state.W
    for classes in (4, 5, 3):
        controller.set_classes(classes)
        assert len(controller.state.points) == 4 * classes == len(controller.state.codes)
        assert list(controller.state.points[4]) == [-222, 33]
        np.testing.assert_array_equal(controller.state.W[:3], W)
    others = np.delete(np.arange(12), 4)
    np.testing.assert_array_equal(controller.state.points[others], first.points[others])
    controller.reset()
    controller.set_classes(4)
    assert list(controller.state.points[4]) != [-222, 33]
