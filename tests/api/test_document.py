"""Whatever a file holds, it becomes a sweep or one error that says what to do, within bounds of time and memory."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inputs.sweeps import FINE_TUNING, as_resource
from seedsweep.api.reading.document import MAX_BYTES
from seedsweep.api.reading.events import MAX_DEPTH
from seedsweep.api.reading.parse import MAX_PROBLEMS, InvalidSweepError, load_sweep, parse_stored, parse_sweep

Object = dict[str, Any]


def document(spec: Any = None) -> Object:
    return {"apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep", "metadata": {"name": "x"}, "spec": spec}


def with_spec(yaml: str) -> str:
    return f"apiVersion: seedsweep.io/v1alpha1\nkind: SeedSweep\nmetadata: {{name: x}}\nspec: {yaml}\n"


def refusal(text: str) -> str:
    with pytest.raises(InvalidSweepError) as caught:
        parse_sweep(text)
    return str(caught.value)


def refusal_of(path: Path) -> str:
    with pytest.raises(InvalidSweepError) as caught:
        load_sweep(path)
    return str(caught.value)


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


def bomb(levels: int, each: str) -> str:
    """Every level has ten of the one before it."""
    lines = ["b0: &b0 {k: v}"]
    lines += [f"b{i}: &b{i} {each.format(', '.join([f'*b{i - 1}'] * 10))}" for i in range(1, levels)]
    return with_spec("\n  " + "\n  ".join(lines))


# --- what is beyond a bound


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (with_spec("x" * MAX_BYTES), f"is larger than {MAX_BYTES} bytes: list less in it"),
        (with_spec(nested(2_000)), f"nested more than {MAX_DEPTH} levels"),
        (with_spec(nested(500_000)), f"nested more than {MAX_DEPTH} levels"),
        (with_spec("&a " + nested(2_000) + "\nother: *a"), f"nested more than {MAX_DEPTH} levels"),
        (with_spec(nested(200, "{a: ", "}")), f"nested more than {MAX_DEPTH} levels"),
        (bomb(12, "[{}]"), "values, those that aliases repeat included: use fewer"),
        (bomb(12, "{{<<: [{}]}}"), "values, those that aliases repeat included: use fewer"),
        (with_spec("&a [*a, *a]"), "has an alias *a inside what it stands for"),
        (with_spec("{parallelism: 1" + "0" * 400 + "}"), "spec.parallelism: is a number of more than 64 bits"),
        (with_spec("{parallelism: 1" + "0" * 5_000 + "}"), "spec.parallelism: is a number of more than 64 bits"),
        (with_spec("{parallelism: 0x1" + "0" * 90_000 + "}"), "spec.parallelism: is a number of more than 64 bits"),
        ('{"kind": "SeedSweep", "spec": {"parallelism": 1' + "0" * 5_000 + "}}", "is a number of more than 64 bits"),
        (with_spec("{parallelism: .nan}"), "spec.parallelism: is no finite number"),
        (with_spec("{parallelism: 1.0e+999}"), "spec.parallelism: is no finite number"),
    ],
    ids=lambda value: value[-40:],
)
def test_what_is_beyond_a_bound_is_refused_before_it_is_built(text: str, said: str):
    assert said in refusal(text)


def test_a_file_that_never_ends_is_refused():
    assert f"is larger than {MAX_BYTES} bytes" in refusal_of(Path("/dev/zero"))


def test_a_large_file_is_refused_whatever_its_characters(tmp_path: Path):
    path = tmp_path / "sweep.yaml"
    path.write_text("# " + "é" * MAX_BYTES)
    assert "is larger than" in refusal_of(path)


def test_aliases_that_repeat_little_are_fine():
    text = FINE_TUNING.replace("{count: 4}", "&seeds {count: 4}").replace("{count: 2}", "*seeds")
    assert parse_sweep(text).spec.seeds.count == 16


def test_of_very_many_problems_the_first_are_told_and_the_number_of_the_others():
    message = refusal(json.dumps(document({f"x{i}": i for i in range(2_000)})))
    lines = message.splitlines()
    assert len(lines) == MAX_PROBLEMS + 2
    assert "more problems: correct these first" in lines[-1]


def test_no_problem_is_longer_than_a_person_reads():
    long = "k" * 500_000
    spec = {long: 1, "parallelism": long, "seeds": [long], "trainer": {"env": [{"name": long}, {long: long}]}}
    for line in refusal(json.dumps(document(spec))).splitlines():
        assert len(line) < 1_000
    assert len(refusal(json.dumps(document() | {"kind": [long]}))) < 1_000
    assert len(refusal(json.dumps([long]))) < 1_000


# --- what is no document


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not valid YAML at line 1, column 5: it ends before a bracket or brace is closed: close it"),
        ("a: 'b", "is not valid YAML at line 1, column 6: it ends before a text in quotes does: close the quotes"),
        ("a:\n\tb: c", "is not valid YAML at line 2, column 1: there is a tab: indent with blanks"),
        ("a:\n  b: c\n d: e", "is not valid YAML at line 3, column 2: this line is not indented like those"),
        ("a: {b: c", "is not valid YAML at line 1, column 9: a bracket or brace is not closed, or a comma is missing"),
        ("a: @b", "is not valid YAML at line 1, column 4: a text cannot begin with this character: put it in quotes"),
        ('a: "\\q"', "is not valid YAML at line 1, column 6: a text in double quotes has a backslash"),
        ("a: b\nc: \a", "is not valid YAML at line 2: the character U+0007 cannot be printed: remove it"),
        ("a: b: c", "is not valid YAML at line 1, column 5: a key cannot stand here"),
        ("%YAML 7", "is not valid YAML"),
        ("\0", "is not valid YAML"),
        (with_spec('!!int ""'), "spec: has the tag !!int, but '' is none: remove the tag (line 4)"),
        (with_spec("!!timestamp x"), "spec: has the tag !!timestamp, and JSON has no value for it: remove the tag"),
        (with_spec("!!python/object:os.system x"), "spec: has the tag !!python/object:os.system"),
        (with_spec("{a: [1, *nobody]}"), "spec.a[1]: has *nobody, but no &nobody before it"),
        (with_spec("&a {b: *a}"), "spec.b: has an alias *a inside what it stands for: remove it (line 4)"),
        ('{"spec": {"a": 1, "a": 2}}', "has a mapping with the key a twice: keep one of them"),
        (with_spec("{a: 1, 'a': 2}"), "spec: has the key a twice: keep one of them (line 4)"),
        (with_spec("{a: 1, <<: {a: 2}}"), "spec: has << after the key a, which it has too: write << first"),
        (with_spec("{<<: [1]}"), "spec: has << without a mapping, or a list of mappings, behind it: give one"),
        (with_spec("{? [a] : b}"), "spec: has a key that is no string: put it in quotes"),
        (with_spec("{~: b}"), "spec: has a key that is no string: put it in quotes"),
        (with_spec("{1.5: b}"), "spec: has a key that is no string: put it in quotes"),
        (with_spec("{? {a: b} : c}"), "spec: has a key that is no string: put it in quotes"),
        (with_spec("!!set {a, b}"), "spec: has the tag !!set, and JSON has no value for it: remove the tag"),
        (with_spec("!!binary aGVsbG8="), "spec: has the tag !!binary, and JSON has no value for it"),
        (with_spec('{paths: ["\\uD800"]}'), "spec.paths[0]: has half a character"),
        (with_spec('{"\\uD800": 1}'), "spec: has half a character"),
    ],
    ids=lambda value: value[-30:],
)
def test_what_is_no_document_is_refused_with_its_place_and_a_remedy(text: str, said: str):
    assert said in refusal(text)


def test_nothing_of_the_parser_of_yaml_reaches_people():
    for text in ("a: [", "? [", "&a &b c", "!!int x", "'", with_spec("{a: 1, a: 2}")):
        for word in ("while", "expected", "found", "ruamel", "<unicode", "construct"):
            assert word not in refusal(text)


# --- whatever it is

odd = st.sampled_from([10**400, -(2**63) - 1, float("nan"), float("inf"), "\ud800", "a\0b", {"a": 10**30}])
names = st.sampled_from(
    ["seeds", "grid", "pairs", "weightInits", "count", "values", "trainer", "fineTuning", "env", "name", "podTemplate"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | odd,
    lambda inner: st.lists(inner) | st.dictionaries(names | st.text(), inner),
    max_leaves=20,
)


@given(anything)
@example({"parallelism": 10**400})
@example({"trainer": {"fineTuning": {"dataset": {"where": {"\ud800": "x"}}}}})
def test_no_spec_whatever_brings_the_parser_down(spec: Any):
    for parse in (lambda: parse_sweep(json.dumps(document(spec))), lambda: parse_stored(document(spec))):
        with pytest.raises(InvalidSweepError):
            parse()


@given(st.lists(names | st.sampled_from(["spec", "metadata", "status", "kind"]), min_size=1, max_size=4), anything)
def test_a_valid_sweep_with_one_part_replaced_is_a_sweep_or_one_error(path: list[str], value: Any):
    found = as_resource(parse_sweep(FINE_TUNING))
    place: Any = found
    for step in path[:-1]:
        place = place.get(step) if isinstance(place.get(step), dict) else place
    place[path[-1]] = value
    try:
        parse_sweep(json.dumps(found))
    except InvalidSweepError as error:
        str(error).encode()


@given(st.text(st.sampled_from("abk01.:-&*!<>[]{}|\"'#%@`,?\\ \n\t~\ud800é")))
@example("&a 1\n--- &a 2")
def test_no_text_whatever_brings_the_parser_down(text: str):
    for candidate in (text, with_spec(text)):
        with pytest.raises(InvalidSweepError):
            parse_sweep(candidate)


@given(st.binary() | st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"a: "]), st.binary()).map(b"".join))
def test_no_bytes_whatever_bring_the_reader_down(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    path = tmp_path_factory.getbasetemp() / "sweep.yaml"
    path.write_bytes(data)
    with pytest.raises(InvalidSweepError):
        load_sweep(path)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path):
    path = tmp_path / "sweep.yaml"
    path.write_bytes(b"kind: SeedSweep\nmetadata: {name: caf\xe9}\n")
    assert "is not UTF-8 text (line 2): save it as UTF-8" in refusal_of(path)


def test_a_byte_order_mark_is_no_part_of_a_sweep(tmp_path: Path):
    path = tmp_path / "sweep.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + FINE_TUNING.encode())
    assert load_sweep(path).metadata.name == "demo"
