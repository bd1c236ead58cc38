"""Places with a candidate of the story; nobody changes them."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import callbill, succeed
from tests.support.places import copy_of, manifest, places
from tests.support.shared import make_once
from tests.support.story import land, record, settled_before_the_last_night


def make_candidate(place: Path, through: str = "2026-03-06") -> str:
    ended = callbill("run", *places(place), "--through", through, "--candidate")
    assert ended.returncode == 0, ended.stderr
    assert "Nothing is sealed yet: callbill seal " in ended.stdout
    return ended.stdout.split()[-1]


def candidates(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "published" / "candidates").iterdir())


def a_candidate_waits() -> Path:
    """The story, sealed through 5 March, with a candidate through 6 March that loaded a file."""

    def make(folder: Path) -> None:
        place = copy_of(settled_before_the_last_night(), folder)
        land(place, "2026-03-06", record("c-1", "2026-03-05T10:00:00+08:00"))
        make_candidate(place)

    return make_once("waiting-candidate", make) / "copy"


def with_a_sealed_candidate() -> Path:
    """With the candidate sealed, and another file of that day that came in the meantime. What was
    said of it is in `said` beside the place."""

    def make(folder: Path) -> None:
        place = copy_of(a_candidate_waits(), folder)
        [name] = candidates(place)
        land(place, "2026-03-06", record("c-2", "2026-03-05T11:00:00+08:00"), name="late.jsonl")
        ended = callbill("seal", name[:12], *places(place))
        succeed(ended)
        assert manifest(place)["run_id"] == name
        (folder / "said").write_text(ended.stdout)

    return make_once("sealed-candidate", make) / "copy"
