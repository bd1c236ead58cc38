"""What a simulation says in sentences: on the terminal in English, on its page in both
languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from callbill.release.site.simulation import remarks


@dataclass(frozen=True)
class Remark:
    """A sentence of release/site/remarks.yml, by its key, and the values in it."""

    key: str
    values: dict[str, str]

    @property
    def english(self) -> str:
        return _sentences()[self.key][0].format(**self.values)


def remark(key: str, **values: object) -> Remark:
    return Remark(key, {name: str(value) for name, value in values.items()})


_sentences = cache(remarks)
