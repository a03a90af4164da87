"""Walking, copying and editing graphs, as Theano's gof does."""

from collections import deque

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import FunctionGraph, _core
from phintys.compile.pfunc import rebuild_collect_shared
from phintys.gof import graph as g
from phintys.gof import utils
from phintys.gof.toolbox import AlreadyThere, Feature
from phintys.graph import basic as gb
from phintys.graph import clone_replace, graph_replace, vectorize_graph


def abc():
    return T.dscalars("a", "b", "c")


def evaluated(v, values):
    return phintys.function(list(values), v, on_unused_input="ignore")(*values.values())


# --- walks ------------------------------------------------------------------------------------


def test_inputs_and_ancestors():
    a, b, c = abc()
    d = a + b
    e = d * c
    assert g.inputs([e]) == [a, b, c]
    assert set(g.ancestors([e])) == {a, b, c, d, e}
    assert set(g.ancestors([e], blockers=[d])) == {c, d, e}
    assert g.inputs([e], blockers=[d]) == [c]
    one = T.constant(1.0)
    assert g.inputs([a + one]) == [a, one]
    assert gb.explicit_graph_inputs([a + one + phintys.shared(1.0)]) == [a]


def test_variables_ops_and_orphans_between():
    a, b, c = abc()
    d = a + b
    e = d * c
    assert set(g.variables([d], [e])) == {c, d, e}
    assert g.orphans([d], [e]) == [c]
    assert g.ops([d], [e]) == {e.owner}
    assert g.ops([a, b, c], [e]) == {d.owner, e.owner}
    found, orphans = g.variables_and_orphans([a], [e])
    assert isinstance(found, list)
    assert set(orphans) == {b, c}
    assert g.list_of_nodes([a, b, c], [e]) == [e.owner, d.owner]
    assert gb.vars_between([d], [e]) == g.variables([d], [e])


def test_all_outputs_of_a_node_are_between():
    x = T.dmatrix("x")
    q, r = T.nlinalg.qr(x)
    assert set(g.variables([x], [q])) == {x, q, r}


def test_io_toposort_and_its_orderings():
    a, b, c = abc()
    first, second = a + b, a * c
    out = first - second
    nodes = g.io_toposort([a, b, c], [out])
    assert set(nodes) == {first.owner, second.owner, out.owner}
    assert nodes[-1] is out.owner
    for early, late in ((first.owner, second.owner), (second.owner, first.owner)):
        order = g.io_toposort([a, b, c], [out], orderings={late: [early]})
        assert order.index(early) < order.index(late)
        assert order[-1] is out.owner
    with pytest.raises(ValueError, match="cycle"):
        g.io_toposort([a, b, c], [out], orderings={first.owner: [out.owner]})


def test_general_toposort():
    needs = {"pants": ["underwear"], "shoes": ["pants", "socks"], "socks": [], "underwear": None}
    order = g.general_toposort(["shoes"], needs.get)
    assert set(order) == set(needs)
    for x, before in needs.items():
        for y in before or []:
            assert order.index(y) < order.index(x)
    clients = {}
    g.general_toposort(["shoes"], needs.get, clients=clients)
    assert clients["socks"] == ["shoes"]
    with pytest.raises(ValueError, match="cycle"):
        g.general_toposort(["a"], {"a": ["b"], "b": ["a"]}.get)
    with pytest.raises(TypeError, match="deterministic"):
        g.general_toposort(["a"], {"a": {"b"}}.get)


def test_stack_search():
    tree = {1: [2, 3], 2: [4], 3: [4, 5], 4: [], 5: None}
    assert g.stack_search(deque([1]), tree.get) == [1, 2, 3, 4, 5]
    assert g.stack_search(deque([1]), tree.get, "dfs") == [1, 3, 5, 4, 2]
    found, inverse = g.stack_search(deque([1]), tree.get, "bfs", True)
    assert found == [1, 2, 3, 4, 5]
    assert inverse == {2: [1], 3: [1], 4: [2, 3], 5: [3]}
    with pytest.raises(ValueError, match="bfs or dfs"):
        g.stack_search(deque([1]), tree.get, "random")


def test_deep_graphs_need_no_recursion():
    x = T.dscalar("x")
    y = x
    for _ in range(5000):
        y = y + 1
    assert len(g.io_toposort([x], [y])) == 5000
    assert len(g.as_string([x], [y])[0]) > 5000
    equiv = g.clone_get_equiv([x], [y])
    assert evaluated(equiv[y], {equiv[x]: 0.0}) == 5000
    fgraph = FunctionGraph([x], [y])
    assert len(fgraph.apply_nodes) == 5000


def test_is_in_ancestors():
    a, b, c = abc()
    d = a + b
    e = d * c
    assert g.is_in_ancestors(e.owner, d.owner)
    assert g.is_in_ancestors(e.owner, e.owner)
    assert not g.is_in_ancestors(d.owner, e.owner)
    assert gb.variable_depends_on(e, a)
    assert not gb.variable_depends_on(d, [c])


def test_io_connection_pattern():
    x, y = T.dvectors("x", "y")
    outs = [x * 2, x + y, y.shape[0] * 1.0]
    assert g.io_connection_pattern([x, y], outs) == [[True, True, False], [False, True, False]]
    held = phintys.gradient.disconnected_grad(x)
    assert g.io_connection_pattern([x], [held * y])[0] == [False]


def test_as_string():
    a, b, c = abc()
    d = a + b
    add, mul = str(d.owner.op), str((a * b).owner.op)
    assert g.as_string([a, b, c], [d * c]) == [f"{mul}({add}(a, b), c)"]
    assert g.as_string([d, c], [d * c]) == [f"{mul}({d}, c)"]
    assert g.as_string([a, b], [d, d]) == [f"*1 -> {add}(a, b)", "*1"]
    assert g.as_string([a, b], [d * d]) == [f"{mul}(*1 -> {add}(a, b), *1)"]
    assert g.as_string([a, b], [d], lambda v: "leaf", lambda n, s: "/".join(s)) == ["leaf/leaf"]
    assert g.op_as_string([a, b], d.owner) == f"{add}(a, b)"


def test_view_roots():
    x = T.dvector("x")
    assert g.view_roots(x) == [x]
    y = x + 1
    assert g.view_roots(y) == [y]


def test_is_same_graph():
    a, b, c = abc()
    assert g.is_same_graph(a + b, a + b)
    assert not g.is_same_graph(a + b, a + c)
    assert g.is_same_graph(a + b, a + c, givens={b: c})
    assert g.is_same_graph(a + 1.0, a + 1.0)
    assert not g.is_same_graph(a + 1.0, a + 2.0)
    assert not g.is_same_graph(a + b, a * b)
    assert gb.equal_computations([a + b], [c + b], [a], [c])


# --- copies -----------------------------------------------------------------------------------


def test_clone_of_graphs():
    a, b, _ = abc()
    s = phintys.shared(2.0, name="s")
    out = a * b + s
    ins, outs = g.clone([a, b], [out])
    assert ins[0] is not a
    assert ins[0].name == "a"
    assert a not in g.ancestors(outs)
    assert evaluated(outs[0], {ins[0]: 3.0, ins[1]: 5.0}) == 17
    s.set_value(4.0)
    assert evaluated(outs[0], {ins[0]: 3.0, ins[1]: 5.0}) == 19
    ins, outs = g.clone([a, b], [out], copy_inputs=False)
    assert ins == [a, b]
    assert s in g.ancestors(outs)
    assert outs[0] is not out


def test_clone_get_equiv():
    a, b, _ = abc()
    d = a + b
    out = d * 2.0
    equiv = g.clone_get_equiv([a, b], [out])
    assert set(equiv) >= {a, b, d, out, d.owner, out.owner}
    assert equiv[out].owner is equiv[out.owner]
    assert equiv[out].owner.inputs[0] is equiv[d]
    assert equiv[d].owner.inputs == [equiv[a], equiv[b]]
    kept = g.clone_get_equiv([a, b], [out], copy_inputs=False, copy_orphans=False)
    assert kept[a] is a
    assert kept[out].owner.inputs[1] is out.owner.inputs[1]
    assert kept[out] is not out
    memo = {d: a}
    assert g.clone_get_equiv([a, b], [out], copy_inputs=False, memo=memo) is memo
    assert evaluated(memo[out], {a: 3.0}) == 6


def test_theano_clone():
    a, b, c = abc()
    d = a * b
    out = phintys.clone(d + c, {d: c * 2})
    assert evaluated(out, {c: 5.0}) == 15
    several = phintys.clone([d + c, d - c], [(a, b)])
    assert evaluated(several[1], {b: 3.0, c: 1.0}) == 8
    assert phintys.clone(a + b, {a: c}, share_inputs=True).owner.inputs == [c, b]
    copied = phintys.clone(a + b, share_inputs=False).owner.inputs
    assert copied[0] is not a
    assert [v.name for v in copied] == ["a", "b"]
    with pytest.raises(TypeError):
        phintys.clone(a + b, {a: T.dvector()})
    assert phintys.clone(a + 1, {a: T.fscalar("f")}, strict=False).dtype == "float32"
    # Copies see what becomes of shared variables.
    s = phintys.shared(1.0)
    copied = phintys.clone(s * a, share_inputs=False)
    s.set_value(10.0)
    assert evaluated(copied, {copied.owner.inputs[1]: 2.0}) == 20
    # Shared variables can be replaced too.
    s = phintys.shared(1.0)
    assert evaluated(phintys.clone(s * a, {s: b}), {a: 3.0, b: 4.0}) == 12


def test_clone_replace_and_graph_replace():
    a, b, c = abc()
    d = a + b
    aside = T.exp(c)
    out = d * aside
    assert evaluated(clone_replace(out, {d: c}), {c: 0.0}) == 0
    (replaced,) = graph_replace([out], {d: c})
    assert replaced.owner.inputs[1] is aside
    assert evaluated(replaced, {c: 1.0}) == pytest.approx(np.e)
    assert graph_replace(out, [(a, b)]).owner.inputs[0].owner.inputs == [b, b]
    with pytest.raises(ValueError, match="not used"):
        graph_replace([d], {c: a})
    assert graph_replace([d], {c: a}, strict=False) == [d]


def test_vectorize_graph():
    x, y = T.dvectors("x", "y")
    out = T.dot(x, y) + x.max()
    xs = T.dtensor3("xs")
    rng = np.random.default_rng(0)
    a, v = rng.standard_normal((2, 4, 3)), rng.standard_normal(3)
    batched = vectorize_graph(out, {x: xs})
    assert batched.ndim == 2
    np.testing.assert_allclose(evaluated(batched, {xs: a, y: v}), a @ v + a.max(-1), rtol=1e-13)
    ys = T.dmatrix("ys")
    w = rng.standard_normal((4, 3))
    both = vectorize_graph([out, x * y], {x: xs, y: ys})
    np.testing.assert_allclose(
        evaluated(both[0], {xs: a, ys: w}), (a * w).sum(-1) + a.max(-1), rtol=1e-13
    )
    np.testing.assert_allclose(evaluated(both[1], {xs: a, ys: w}), a * w, rtol=1e-13)


def test_rebuild_collect_shared():
    a, b, _ = abc()
    s = phintys.shared(1.0, name="s")
    t = phintys.shared(2.0, name="t")
    t.default_update = t + 1
    out = a * s + t
    ins, outs, (equiv, update_d, updates, shared) = rebuild_collect_shared(
        [out], [phintys.In(a)], replace={a: b * 2}, updates=[(s, s + a)]
    )
    assert ins == [equiv[a]]
    assert set(shared) == {s, t}
    assert set(update_d) == {s, t}
    assert [u for u, _ in updates] == [s, t]
    assert evaluated(outs[0], {b: 3.0}) == 6 + 2
    assert evaluated(update_d[s], {b: 3.0}) == 1 + 6
    assert evaluated(update_d[t], {}) == 4  # the call before has updated it
    _, single, (equiv, update_d, _, _) = rebuild_collect_shared(
        out, [a], copy_inputs_over=False, no_default_updates=True
    )
    assert isinstance(single, _core.Variable)
    assert equiv[a] is not a
    assert equiv[s] is s
    assert update_d == {}
    assert rebuild_collect_shared(None)[1] == []


# --- FunctionGraph ----------------------------------------------------------------------------


def graph_of_three():
    a, b, c = abc()
    d = a + b
    e = d * c
    f = T.exp(d)
    return (a, b, c), d, e, f


def test_function_graph():
    (a, b, c), d, e, f = graph_of_three()
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    assert fg.inputs == [a, b, c]
    assert fg.outputs == [e, f]
    assert fg.apply_nodes == {d.owner, e.owner, f.owner}
    assert fg.variables == {a, b, c, d, e, f}
    assert fg.toposort()[0] is d.owner
    assert sorted(str(n) for n, _ in fg.clients[d]) == sorted([str(e.owner), str(f.owner)])
    assert fg.clients[e] == [("output", 0)]
    assert d in fg
    assert d.owner in fg
    assert T.dscalar() not in fg
    copied = FunctionGraph([a, b, c], [e, f])
    assert copied.inputs[0] is not a
    with pytest.raises(phintys.gof.MissingInputError):
        FunctionGraph([a, b], [e])
    assert FunctionGraph([d, c], [e], clone=False).apply_nodes == {e.owner}


def test_replace_in_a_function_graph():
    (a, b, c), d, e, f = graph_of_three()
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    fg.replace(d, a - b)
    values = {a: 5.0, b: 3.0, c: 7.0}
    assert evaluated(fg.outputs[0], values) == 14
    assert evaluated(fg.outputs[1], values) == pytest.approx(np.exp(2.0))
    # What was there before may still be named.
    fg.replace(f, fg.current(e) + 1)
    assert evaluated(fg.outputs[1], values) == 15
    fg.replace(e, e * 2)
    assert [float(evaluated(o, values)) for o in fg.outputs] == [28, 29]
    with pytest.raises(TypeError, match="type of the replacement"):
        fg.replace(a, T.dvector())
    with pytest.raises(phintys.gof.MissingInputError):
        fg.replace(a, T.dscalar("z"))
    z = T.dscalar("z")
    fg.replace(b, z, import_missing=True)
    assert fg.inputs == [a, b, c, z]
    before = list(fg.outputs)
    fg.replace(T.dscalar("elsewhere"), a)
    assert fg.outputs == before


def test_every_node_can_be_replaced_while_walking():
    (a, b, c), _, e, f = graph_of_three()
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    for node in fg.toposort():
        fg.replace(node.outputs[0], fg.current(node.outputs[0]) + 1)
    values = {a: 5.0, b: 3.0, c: 7.0}
    d = 9.0
    got = [float(evaluated(o, values)) for o in fg.outputs]
    assert got == [d * 7 + 1, pytest.approx(np.exp(d) + 1)]


def test_replace_all_and_change_input():
    (a, b, c), d, e, f = graph_of_three()
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    fg.replace_all([(a, c), (b, c)])
    values = {a: 5.0, b: 3.0, c: 7.0}
    assert evaluated(fg.outputs[0], values) == 98
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    fg.change_input(e.owner, 1, a)
    assert evaluated(fg.outputs[0], values) == 40
    assert evaluated(fg.outputs[1], values) == pytest.approx(np.exp(8.0))
    fg.change_input("output", 1, d)
    assert fg.outputs[1] is d
    with pytest.raises(TypeError):
        fg.change_input("output", 1, T.dvector())


class Recorder(Feature):
    def __init__(self):
        self.events = []

    def on_attach(self, fgraph):
        if hasattr(fgraph, "recorder"):
            raise AlreadyThere
        fgraph.recorder = self

    def on_detach(self, fgraph):
        del fgraph.recorder

    def on_import(self, fgraph, node, reason):
        self.events.append(("import", str(node.op), reason))

    def on_prune(self, fgraph, node, reason):
        self.events.append(("prune", str(node.op), reason))

    def on_change_input(self, fgraph, node, i, old, new, reason=None):
        self.events.append(("change", str(node if node == "output" else node.op), i, reason))


def test_features_are_told():
    (a, b, c), d, e, f = graph_of_three()
    recorder = Recorder()
    fg = FunctionGraph([a, b, c], [e, f], features=[recorder], clone=False)
    fg.attach_feature(Recorder())  # one like it is there
    fg.replace(d, a - b, reason="why")
    add, sub, mul, exp = (str(v.owner.op) for v in (d, a - b, e, f))
    kinds = {event[:2] for event in recorder.events}
    assert ("import", sub) in kinds
    assert ("prune", add) in kinds
    assert {("change", mul, 0, "why"), ("change", exp, 0, "why")} <= set(recorder.events)
    fg.remove_feature(recorder)
    assert not hasattr(fg, "recorder")
    n = len(recorder.events)
    fg.replace(a, b)
    assert len(recorder.events) == n


def test_validation_undoes_replacements():
    (a, b, c), d, e, f = graph_of_three()

    class Never:
        def validate(self, fgraph):
            raise phintys.gof.InconsistencyError("no")

    fg = FunctionGraph([a, b, c], [e, f], features=[Never()], clone=False)
    with pytest.raises(phintys.gof.InconsistencyError):
        fg.replace_validate(d, a)
    assert fg.outputs == [e, f]


def test_copies_of_function_graphs():
    (a, b, c), _, e, f = graph_of_three()
    fg = FunctionGraph([a, b, c], [e, f], clone=False)
    copy, equiv = fg.clone_get_equiv()
    assert copy.outputs[0] is equiv[e]
    assert copy.inputs[0] is equiv[a]
    copy.replace(equiv[a], equiv[b])
    assert fg.outputs == [e, f]
    assert "Elemwise" in str(fg)


# --- small helpers ----------------------------------------------------------------------------


def test_small_helpers():
    assert utils.flatten([1, (2, [3, 4]), 5]) == [1, 2, 3, 4, 5]
    assert utils.uniq([3, 1, 3, 2, 1]) == [3, 1, 2]
    assert utils.difference([1, 2, 3], [2]) == [1, 3]
    assert utils.difference([[1], [2]], [[2]]) == [[1]]
    assert utils.to_return_values([7]) == 7
    assert utils.to_return_values([7, 8]) == [7, 8]
    assert utils.from_return_values(7) == [7]
    assert utils.from_return_values((7, 8)) == [7, 8]
    assert utils.remove(lambda n: n > 1, [1, 2, 3]) == [1]
    assert utils.toposort({1: [2, 3], 2: [3], 3: []}) == [3, 2, 1]
    with pytest.raises(ValueError, match="cycle"):
        utils.toposort({1: [2], 2: [1]})
    assert utils.hash_from_code("a") == utils.hash_from_code(b"a") != utils.hash_from_code("b")
    calls = []

    @utils.memoize
    def square(n):
        calls.append(n)
        return n * n

    assert [square(3), square(3), square(4)] == [9, 9, 16]
    assert calls == [3, 4]

    @utils.deprecated("module", "use another")
    def old():
        return 1

    with pytest.warns(DeprecationWarning, match=r"module\.old is deprecated"):
        assert old() == 1


def test_hash_of_files(tmp_path):
    (tmp_path / "f").write_text("text")
    assert utils.hash_from_file(tmp_path / "f") == utils.hash_from_code("text")


def test_shape_of_variables():
    from phintys.tensor.utils import hash_from_ndarray, shape_of_variables

    x = T.dmatrix("x")
    y = (x + x).sum(axis=0)
    fg = FunctionGraph([x], [y], clone=False)
    shapes = shape_of_variables(fg, {x: (3, 4)})
    assert shapes[x] == (3, 4)
    assert shapes[y] == (4,)
    a = np.arange(4.0)
    assert hash_from_ndarray(a) == hash_from_ndarray(a.copy())
    assert hash_from_ndarray(a) != hash_from_ndarray(a.reshape(2, 2))
    assert hash_from_ndarray(a) != hash_from_ndarray(a.astype("float32"))
