"""Saved functions and pickles: what is kept, what is refused."""

import copy
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import phintys
import phintys.tensor as T
import pytest


def train_function():
    rng = np.random.default_rng(0)
    w = phintys.shared(rng.standard_normal((3, 2)), name="w")
    b = phintys.shared(np.zeros(2), name="b")
    x, y = T.dmatrix("x"), T.ivector("y")
    p = T.nnet.softmax(T.dot(x, w) + b)
    cost = T.nnet.categorical_crossentropy(p, y).mean()
    gw, gb = phintys.grad(cost, [w, b])
    step = phintys.function(
        [x, y], cost, updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)], name="train"
    )
    return step, w, b


def train_data():
    rng = np.random.default_rng(1)
    return rng.standard_normal((5, 3)), rng.integers(0, 2, 5).astype("int32")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "f.phy"


def round_trip(f, path):
    f.save(path)
    return phintys.load(path)


def test_loaded_function_gives_the_same_bits(path):
    x, y = T.dmatrices("x", "y")
    f = phintys.function([x, y], T.exp(x) * y + x.sum(axis=0))
    g = round_trip(f, path)
    a, b = np.random.default_rng(0).standard_normal((2, 4, 3))
    assert g(a, b).tobytes() == f(a, b).tobytes()


def test_training_goes_on_from_the_saved_state(path):
    step, _, _ = train_function()
    data = train_data()
    for _ in range(3):
        step(*data)
    loaded = round_trip(step, path)
    for _ in range(5):
        assert loaded(*data) == step(*data)


def test_loaded_state_is_a_copy(path):
    step, w, _ = train_function()
    loaded = round_trip(step, path)
    before = w.get_value()
    loaded(*train_data())
    np.testing.assert_array_equal(w.get_value(), before)


def test_counter_whose_output_is_the_old_value(path):
    state = phintys.shared(0, name="state")
    inc = T.lscalar("inc")
    f = phintys.function([inc], state, updates=[(state, state + inc)])
    f(5)
    g = round_trip(f, path)
    assert g(1) == 5
    assert g(1) == 6
    assert state.get_value() == 5


def test_names_keywords_and_defaults(path):
    x, rate = T.dscalars("x", "rate")
    f = phintys.function([x, phintys.In(rate, value=0.5, name="rate")], x * rate)
    g = round_trip(f, path)
    assert g(4) == 2
    assert g(x=4, rate=0.25) == 1
    with pytest.raises(TypeError):
        g(4, nothing=1)


def test_kinds_of_outputs(path):
    x = T.dscalar("x")
    assert float(round_trip(phintys.function([x], x + 1), path)(1)) == 2
    as_list = round_trip(phintys.function([x], [x + 1, x * 3]), path)(2)
    assert isinstance(as_list, list)
    assert [float(v) for v in as_list] == [3, 6]
    as_dict = round_trip(phintys.function([x], {"a": x + 1, "b": x * 3}), path)(2)
    assert {k: float(v) for k, v in as_dict.items()} == {"a": 3, "b": 6}


def test_constants_of_all_dtypes(path):
    for dtype in "bool int8 int32 int64 uint8 uint16 float16 float32 float64".split():
        value = np.array([[0, 1], [1, 0]], dtype=dtype)
        g = round_trip(phintys.function([], T.constant(value) + T.zeros((), dtype=dtype)), path)
        np.testing.assert_array_equal(g(), value)


def test_load_accepts_paths_text_and_bytes(path):
    x = T.dscalar("x")
    phintys.function([x], x + 1).save(str(path))
    assert phintys.load(str(path))(1) == 2
    assert phintys.load(path)(1) == 2
    assert phintys.load(path.read_bytes())(1) == 2


def test_saved_file_holds_no_path_of_the_machine(path):
    x = T.dscalar("x")
    phintys.function([x], x + 1).save(path)
    assert os.path.dirname(os.path.abspath(__file__)).encode() not in path.read_bytes()


def test_saving_replaces_the_file_and_leaves_nothing_else(path):
    x = T.dscalar("x")
    phintys.function([x], x + 1).save(path)
    phintys.function([x], x + 2).save(path)
    assert phintys.load(path)(1) == 3
    assert os.listdir(path.parent) == [path.name]


def test_error_in_a_loaded_function_names_the_users_line(path):
    x, y = T.dmatrices("x", "y")
    g = round_trip(phintys.function([x, y], T.dot(x, y)), path)
    with pytest.raises(ValueError, match=r"test_save_load\.py:\d+"):
        g(np.zeros((2, 3)), np.zeros((2, 3)))


def test_truncated_and_damaged_files_are_refused(path):
    train_function()[0].save(path)
    whole = path.read_bytes()
    for n in list(range(0, 300)) + list(range(300, len(whole), 97)):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match=r"f\.phy"):
            phintys.load(path)
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match="damaged"):
        phintys.load(path)


def test_missing_file_is_an_os_error(path):
    with pytest.raises(OSError, match="none"):
        phintys.load(path.with_name("none.phy"))


def test_pickle_keeps_state(path):
    step, _, _ = train_function()
    data = train_data()
    step(*data)
    loaded = pickle.loads(pickle.dumps(step))
    assert [loaded(*data) for _ in range(3)] == [step(*data) for _ in range(3)]


def test_pickle_and_load_in_a_fresh_process(path):
    step, _, _ = train_function()
    data = train_data()
    step(*data)
    pickled = path.with_suffix(".pkl")
    pickled.write_bytes(pickle.dumps((step, data)))
    step.save(path)
    expected = step(*data)
    code = (
        "import pickle, sys, phintys\n"
        "f, data = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(repr((float(f(*data)), float(phintys.load(sys.argv[2])(*data)))))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(pickled), str(path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert out.strip() == repr((float(expected), float(expected)))


def test_copy_shares_state():
    state = phintys.shared(0, name="state")
    f = phintys.function([], state, updates=[(state, state + 1)])
    g = copy.copy(f)
    assert float(f()) == 0
    assert float(g()) in (0.0, 1.0)


def test_saving_while_other_threads_train_gives_consistent_snapshots(path):
    a = phintys.shared(np.zeros(1000), name="a")
    b = phintys.shared(np.zeros(1000), name="b")
    f = phintys.function([], [a, b], updates=[(a, a + 1), (b, b + 1)])
    stop = threading.Event()

    def train():
        while not stop.is_set():
            f()

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(20):
            first, second = round_trip(f, path)()
            np.testing.assert_array_equal(first, second)
            assert np.ptp(first) == 0
    finally:
        stop.set()
        thread.join()
