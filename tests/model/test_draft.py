"""Drafts: what a person writes, in TOML or JSON, completed and checked."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model import draft
from exchange.model.bulletin import TYPES, shape
from exchange.model.bulletin.blocks import Target
from exchange.model.codes import LANGUAGES
from tests.model.bulletins import CODES, FOLDER, INDEX, NAMES, drafted, example, put

ID = "0192f3a0-0000-7000-8000-0000000000aa"
DIGEST = "A" * 43
VOI = (FOLDER / "voi-1.es.toml").read_text()
RPY = (FOLDER / "rpy-1.es.toml").read_text()


def read(text):
    return draft.read_draft(text.encode(), toml=True)


def complete(text, **more):
    return draft.complete(read(text), id=ID, origin="pa.senan", codes=CODES, **more)


def refused(text, **more):
    with pytest.raises(Refusal) as found:
        complete(text, **more)
    return found.value.code.value, found.value.at


def as_json(text):
    values = json.dumps(tomllib.loads(text), default=lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return values.encode()


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_whole_draft_marked_exercise(name):
    found = drafted(name)
    assert found.post.status == "exercise"
    assert example(name).id == INDEX[name]["id"]
    told = example(name).title.text + str(example(name).title.translations)
    assert "EXERCISE" in told
    assert "EJERCICIO" in told


@pytest.mark.parametrize("name", NAMES)
def test_json_says_the_same_as_toml(name):
    text = (FOLDER / name).read_text()
    assert draft.read_draft(as_json(text), toml=False) == read(text)


# Where the example that a field has elsewhere does not fit.
OF_TYPE = {"con": {"type": "szr"}, "dcf": {"type": "dcf"}, "mig": {"n": 12}}
OF_TYPE["smg"] = {"typologies": ["migrant-smuggling"]}


def written(text):
    """A template with something in every blank: each field's own example, as JSON."""
    values = tomllib.loads(text)
    kind = values["bulletin"]["type"]
    return filled(values, shape.of(kind), "", OF_TYPE.get(kind, {}))


def filled(value, form, at, own, name=""):
    if isinstance(value, dict):
        return {key: filled(v, form, f"{at}/{key}", own, key) for key, v in value.items()}
    if isinstance(value, list) and value != [""]:
        return [filled(v, form, f"{at}/{n}", own, name) for n, v in enumerate(value)]
    if value not in ("", [""]):
        return value
    if name == "text":
        return "EJERCICIO / EXERCISE"
    if name == "coordinates":
        return -7.5
    known = shape.at(form, at.removeprefix("/bulletin"))
    example = copy.deepcopy(own.get(name, CODES.lists["fields"][name].example))
    if example is None:
        example = next(iter(CODES.lists[known.codes]))
    return example


def completed(values, **more):
    post = msgspec.convert(values["post"], draft.Post)
    made = draft.Draft(post, values["bulletin"])
    return draft.complete(made, id=ID, origin="pa.senan", codes=CODES, **more)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", sorted(TYPES))
def test_a_template_in_which_every_blank_is_written_passes_its_check(code, lang):
    values = written(draft.template(code, lang, CODES))
    bulletin = completed(values)
    assert bulletin.type == code
    assert values["post"]["status"] == "exercise"
    assert bulletin.title.lang == lang


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", sorted(TYPES))
def test_a_template_that_was_left_as_it_is_is_refused(code, lang):
    for status in ("exercise", "test", "actual"):
        text = draft.template(code, lang, CODES).replace('"exercise"', f'"{status}"')
        assert f'status = "{status}"' in text
        first = {**dict.fromkeys(("con", "dcf"), "/post/to/0"), "brq": "/bulletin/regime"}
        told = ("placeholder", first.get(code, "/bulletin/title/text"))
        assert refused(text) == told


@pytest.mark.parametrize("kind", [[], {}, 7, None])
def test_a_type_that_is_no_word_is_refused_beside_a_blank_too(kind):
    values = tomllib.loads(draft.template("voi", "en", CODES))
    values["bulletin"]["type"] = kind
    with pytest.raises(Refusal):
        completed(values)


def blanks(value, at=""):
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        yield from blanks(inner, f"{at}/{key}")
    if value == "":
        yield at


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", sorted(TYPES))
def test_whatever_one_blank_of_a_template_is_left_it_is_found_there(code, lang):
    text = draft.template(code, lang, CODES)
    places = [at for at in blanks(tomllib.loads(text)) if at.startswith("/bulletin")]
    assert len(places) > 5
    for at in places:
        with pytest.raises(Refusal) as found:
            completed(put(written(text), at, ""))
        assert (found.value.code.value, found.value.at) == ("placeholder", at)


@pytest.mark.parametrize("code", sorted(TYPES))
def test_nothing_a_template_writes_for_its_author_is_a_fact(code):
    """Of the content there stand languages, numbers in order, names for use within, targets."""
    given = {"lang", "n", "ref", "acknowledgement"}
    for at, value in leaves(tomllib.loads(draft.template(code, "en", CODES))["bulletin"]):
        name = at.rsplit("/", 1)[-1]
        is_form = at == "/type" or at.endswith(("/target/type", "/geometry/type"))
        assert value == "" or name in given or is_form, at


def leaves(value, at=""):
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in inside:
            yield from leaves(inner, f"{at}/{key}")
    else:
        yield at, value


def test_a_blank_says_what_belongs_there_and_how_many_more_there_are():
    values = written(draft.template("szr", "en", CODES))
    with pytest.raises(Refusal) as found:
        completed(put(values, "/bulletin/content/modality", ""))
    assert found.value.facts == {"expected": "code", "list": "modalities"}
    with pytest.raises(Refusal) as found:
        completed(put(values, "/bulletin/content/drugs/0/drug", ""))
    assert found.value.facts == {"expected": "code", "list": "modalities", "more": 1}


def test_a_line_that_was_only_uncommented_is_refused():
    for code in sorted(TYPES):
        text = draft.template(code, "es", CODES)
        for line in text.splitlines():
            if line.startswith("# ") and " = " in line and not line.startswith("# ref = "):
                [(_, value)] = tomllib.loads(line[2:]).items()
                assert list(blanks({"it": value})), line


def test_a_target_that_the_command_names_need_not_be_written_in_a_template():
    values = written(draft.template("rpy", "en", CODES))
    values["bulletin"]["content"]["target"] = {"id": "", "origin": "", "type": "rfi"}
    target = Target("0192f3a0-0000-7000-8000-0000000000bb", "us.jiatfs", "rfi", DIGEST)
    assert completed(values, target=target).content.target == target
    with pytest.raises(Refusal) as found:
        completed(values)
    assert found.value.at == "/bulletin/content/target/id"


def test_every_commented_key_of_a_template_is_valid_when_uncommented():
    text = draft.template("voi", "es", CODES)
    keys = [line[2:] for line in text.splitlines() if line.startswith("# ") and " = " in line]
    assert len(keys) > 15
    for key in keys:
        assert tomllib.loads(key)
    text = text.replace("# imo = ", "imo = ").replace("# eta = ", "eta = ")
    bulletin = completed(written(text))
    assert bulletin.content.vessel.imo == "0123450"
    assert bulletin.content.eta is not None


def test_a_template_explains_in_the_language_asked_for():
    spanish, english = (draft.template("voi", lang, CODES) for lang in LANGUAGES)
    assert "# Eslora, m (opcional). Eslora total." in spanish
    assert "# Length, m (optional). Length overall." in english
    assert "#     go-fast: Lancha rápida" in spanish
    assert "#     go-fast: Go-fast boat" in english


def test_there_is_no_template_for_what_is_no_type():
    with pytest.raises(Refusal) as found:
        draft.template("xyz", "es", CODES)
    assert found.value.code.value == "wrong-value"


def test_what_is_filled_in_must_not_be_written():
    for name, value in (("id", ID), ("origin", "us.jiatfs"), ("schema", "1.0")):
        text = VOI.replace('type = "voi"', f'type = "voi"\n{name} = "{value}"')
        assert refused(text) == ("wrong-value", f"/bulletin/{name}")


def test_a_time_with_an_offset_becomes_utc():
    text = VOI.replace(
        "observed = 2026-11-23T18:01:00Z", "observed = 2026-11-23T13:01:00-05:00"
    )
    assert complete(text) == complete(VOI)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2026-11-23T18:01:00", "wrong-value"),
        ("2026-11-23", "wrong-value"),
        ("18:01:00", "wrong-value"),
        ("2026-11-23T18:01:00.5Z", "wrong-value"),
        ('"2026-11-23T13:01:00-05:00"', "wrong-value"),
        ("nan", "wrong-value"),
        ("1", "wrong-type"),
    ],
)
def test_a_time_must_be_whole_and_say_its_offset(written, told):
    text = VOI.replace("observed = 2026-11-23T18:01:00Z", f"observed = {written}")
    assert refused(text) == (told, "/bulletin/observed")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('action = "track"', "", ("missing-member", "/bulletin/content/action")),
        ('action = "track"', 'action = "trak"', ("wrong-value", "/bulletin/content/action")),
        ('type = "voi"', "", ("missing-member", "/bulletin/type")),
        ("n = 3", "n = 3.0", ("lexical-number", "/bulletin/content/vessel/engines/n")),
        ('feed = "maritime"', "", ("missing-member", "/post/feed")),
        ('feed = "maritime"', 'feed = "Maritime"', ("wrong-value", "/post/feed")),
        ('feed = "maritime"', 'feed = "maritime"\nfeet = 1', ("unknown-member", "/post/feet")),
        ('status = "exercise"', 'status = "drill"', ("wrong-value", "/post/status")),
        ('tlp = "amber"', 'tlp = "pink"', ("wrong-value", "/post/marking/tlp")),
        ('handling = ["h2"]', 'handling = ["h9"]', ("wrong-value", "/post/marking/handling/0")),
        ('expires = "72h"', 'expires = "72"', ("wrong-value", "/post/expires")),
        ('expires = "72h"', 'expires = "0h"', ("wrong-value", "/post/expires")),
        ('expires = "72h"', "expires = 72", ("wrong-type", "/post/expires")),
        (
            'expires = "72h"',
            'expires = "2026-02-30T00:00:00Z"',
            ("wrong-value", "/post/expires"),
        ),
        ('retain = "365d"', 'retain = "1y"', ("wrong-value", "/post/retain")),
        ('retain = "365d"', 'retain = "5300w"', ("wrong-value", "/post/retain")),
        ('expires = "72h"', 'expires = "999999999w"', ("wrong-value", "/post/expires")),
        (
            'feed = "maritime"',
            'feed = "maritime"\nverb = "cancel"',
            ("verb-type-mismatch", "/post/verb"),
        ),
        ("[post]", "[poste]", ("unknown-member", "/poste")),
        ("[bulletin]", "[boletin]", ("unknown-member", "/boletin")),
        ("[bulletin]", "[other]\n[bulletin]", ("unknown-member", "/other")),
        ("[post]", "[post", ("malformed", "")),
        ('feed = "maritime"', 'feed = "maritime"\nfeed = "b"', ("malformed", "")),
    ],
)
def test_what_is_wrong_is_named_by_its_place_in_the_draft(old, new, told):
    assert old in VOI
    assert refused(VOI.replace(old, new, 1)) == told


def test_a_malformed_draft_names_the_line():
    with pytest.raises(Refusal) as found:
        read("[post]\nfeed = \n")
    assert found.value.facts["line"] == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff", "not-utf-8"),
        (b"#" * (256 * 1024 + 1), "oversized"),
        (b"a = " + b"[" * 5000, "too-deep"),
        (b"a = " + b"[" * 60 + b"]" * 60, "too-deep"),
    ],
)
def test_a_hostile_draft_is_refused(data, code):
    with pytest.raises(Refusal) as found:
        draft.read_draft(data, toml=True)
    assert found.value.code.value == code


@given(st.text(max_size=60) | st.from_regex(r"[a-z]+ = [0-9a-z\"\[\]{}=.:TZ-]{0,20}"))
def test_any_text_is_one_decision(text):
    for toml in (True, False):
        with contextlib.suppress(Refusal):
            draft.read_draft(text.encode(), toml=toml)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n = 3", "n = " + "9" * 5000),
        ("n = 3", "n = 0x" + "f" * 5000),
        ("observed = 2026-11-23T18:01:00Z", "observed = 0001-01-01T00:00:00+05:00"),
        ("observed = 2026-11-23T18:01:00Z", "observed = 0999-01-01T00:00:00Z"),
    ],
)
def test_a_number_or_time_beyond_all_bounds_is_refused(old, new):
    with pytest.raises(Refusal):
        complete(VOI.replace(old, new))


@pytest.mark.parametrize("value", ['"\\ud800"', "9" * 5000])
def test_a_json_draft_beyond_what_python_reads_is_refused(value):
    data = as_json(VOI).replace(b'"EXERCISE GAVIOTA"', value.encode())
    with pytest.raises(Refusal) as found:
        draft.read_draft(data, toml=False)
    assert found.value.code.value == "malformed"


@pytest.mark.parametrize("data", [b"[]", b'{"post":1,"bulletin":{}}', b"1"])
def test_a_json_draft_is_an_object_of_two(data):
    with pytest.raises(Refusal) as found:
        draft.read_draft(data, toml=False)
    assert found.value.code.value == "wrong-type"


def test_a_member_twice_in_a_json_draft_is_refused():
    with pytest.raises(Refusal) as found:
        draft.read_draft(b'{"post":{"feed":"a","feed":"b"},"bulletin":{}}', toml=False)
    assert (found.value.code.value, found.value.at) == ("duplicate-member", "/post/feed")


def test_durations_are_exact():
    post = read(VOI).post
    assert draft.expires_at(post, 1000) == 1000 + 72 * 3600
    assert draft.retain_until(post, 1000) == 1000 + 365 * 86_400
    told = [draft.seconds(text) for text in ("1s", "90m", "72h", "7d", "2w")]
    assert told == [1, 5400, 259_200, 604_800, 1_209_600]
    with pytest.raises(ValueError):
        draft.seconds("1y")


@pytest.mark.parametrize("written", ["2026-11-26T18:00:00Z", '"2026-11-26T18:00:00Z"'])
def test_an_expiry_may_be_a_time(written):
    post = read(VOI.replace('expires = "72h"', f"expires = {written}")).post
    assert draft.expires_at(post, 0) == 1_795_716_000


def test_a_request_is_due_when_it_asks_for_the_reply():
    text = (FOLDER / "rfi-1.es.toml").read_text()
    without = text.replace("due = 2026-11-25T18:00:00Z\n", "")
    assert without != text
    assert complete(without).due == complete(without).content.reply_by


def test_a_target_known_only_when_posting_takes_the_place_of_the_drafts():
    target = Target("0192f3a0-0000-7000-8000-0000000000bb", "us.jiatfs", "rfi", DIGEST)
    bulletin = complete(RPY, target=target)
    assert bulletin.content.target == target
    [ref] = draft.references(read(RPY), bulletin)
    assert (ref.rel, ref.id, ref.header_digest) == ("answers", target.id, DIGEST)


def test_a_reply_that_names_no_header_is_refused_when_posting():
    with pytest.raises(Refusal) as found:
        draft.references(read(RPY), complete(RPY))
    assert found.value.code.value == "reference-missing"


def test_references_of_the_draft_are_kept_and_an_update_needs_one():
    update = VOI.replace('feed = "maritime"', 'feed = "maritime"\nverb = "update"')
    with pytest.raises(Refusal):
        draft.references(read(update), complete(update))
    named = (
        update
        + f'\n[[post.refs]]\nrel = "supersedes"\nid = "{ID}"\nheader_digest = "{DIGEST}"\n'
    )
    [ref] = draft.references(read(named), complete(named))
    assert (ref.rel, ref.id) == ("supersedes", ID)
    assert draft.verb_of(read(named), complete(named)) == "update"
    assert draft.references(read(VOI), complete(VOI)) == []


@pytest.mark.parametrize(
    ("named", "said", "fits"),
    [
        ({}, DIGEST, True),
        ({}, None, True),
        ({"id": ID}, None, False),
        ({"header_digest": "B" * 43}, DIGEST, False),
    ],
)
def test_draft_names_no_target_to_nodes_and_another_to_its_readers(named, said, fits):
    target = Target("0192f3a0-0000-7000-8000-0000000000bb", "us.jiatfs", "rfi", said)
    ref = {"rel": "answers", "id": target.id, "header_digest": DIGEST, **named}
    lines = "\n".join(f'{name} = "{value}"' for name, value in ref.items())
    text = f"{RPY}\n[[post.refs]]\n{lines}\n"
    if fits:
        assert complete(text, target=target).content.target == target
        return
    where = ("header-body-mismatch", "/bulletin/content/target")
    assert refused(text, target=target) == where


LONG = "a." * 60_000 + "a"


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG}=1",
        f"[{LONG}]",
        f"x = {{{LONG}=1}}",
        '"a".' * 30_000 + "a=1",
        f'x = """y"""""\n\'#\' = \'\'\'\'z\'\'\'\' # """\n{LONG}=1',
    ],
    ids=["key", "table", "inline", "quoted", "after-strings"],
)
def test_a_long_dotted_key_is_refused_before_it_costs_minutes(text) -> None:
    with pytest.raises(Refusal) as refusal:
        read(text)
    assert refusal.value.code == Code.TOO_DEEP


@pytest.mark.parametrize(
    "value",
    [f'"{LONG}"', f"'{LONG}'", f'"""\n{LONG}""""', f"'''\n{LONG}'''", f"1 # {LONG}"],
    ids=["basic", "literal", "lines", "literal-lines", "comment"],
)
def test_dots_in_prose_are_no_depth(value) -> None:
    with pytest.raises(Refusal) as refusal:
        read(f"x = {value}\n")
    assert refusal.value.code == Code.MISSING_MEMBER


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("voi-1.es", "2026-11-23T18:01:00Z"),
        ("szr-1.es", "2026-11-24T09:40:00Z"),
        ("brq-1.es", "2026-11-25T02:10:00Z"),
        ("brr-1.es", "2026-11-25T07:45:00Z"),
    ],
)
def test_when_it_was_observed_is_filled_in_from_what_the_content_says(name, said):
    text = (FOLDER / f"{name}.toml").read_text()
    without = re.sub(r"^observed = .*\n", "", text, flags=re.MULTILINE)
    assert without != text
    assert f"{complete(without).observed:%Y-%m-%dT%H:%M:%SZ}" == said
    other = without.replace("[bulletin]\n", "[bulletin]\nobserved = 2026-11-01T00:00:00Z\n")
    assert f"{complete(other).observed:%Y-%m-%dT%H:%M:%SZ}" == "2026-11-01T00:00:00Z"


@pytest.mark.parametrize("name", ["dlg-1.es", "mig-1.es", "rfi-1.es"])
def test_what_does_not_say_when_it_was_observed_is_left_so(name):
    text = (FOLDER / f"{name}.toml").read_text()
    without = re.sub(r"^observed = .*\n", "", text, flags=re.MULTILINE)
    assert complete(without).observed is None


def test_declarations_may_be_written_in_any_order():
    text = (FOLDER / "smg-1.es.toml").read_text()
    text = text.replace(
        "[bulletin]\n", '[bulletin]\ndeclares = ["protected-person", "persons"]\n', 1
    )
    assert complete(text).declares == ["persons", "protected-person"]
