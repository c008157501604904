"""Suggests another profile if a sample of the texts clearly speaks for it."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.masking import masked, patterns_of
from dataflow.doctor import Finding
from dataflow.settings import Settings

#: A sample with fewer texts says nothing.
_LEAST_TEXTS = 50
#: Masking changes at least this share of the lines of a log, and fewer of the texts of prose.
_CHANGED = 0.5
#: Masking leaves at most this share of the different lines of a log, and at least that of those of prose.
_FORMS_OF_LOGS, _FORMS_OF_PROSE = 0.6, 0.95
#: Prose does not repeat itself: at least this share of the texts are different.
_DIFFERENT = 0.5


@dataclass(frozen=True)
class Masking:
    """What the masks of the profile ``logs`` do to some texts."""

    #: The number of texts, and how many of them masking changes.
    texts: int = 0
    changed: int = 0
    #: How many different texts there are, without masks and with them.
    different: int = 0
    forms: int = 0


def try_masking(texts: pa.Array) -> Masking:
    """Mask ``texts``, strings, as the profile ``logs`` does.

    >>> try_masking(pa.array(["port 1", "port 2", "port 2", "Bye"]))
    Masking(texts=4, changed=3, different=3, forms=2)
    """
    found = masked(texts, patterns_of(Settings(profile="logs").source.mask))
    forms = pc.coalesce(found, texts)
    return Masking(len(texts), len(found) - found.null_count, len(texts.unique()), len(forms.unique()))


def suggestions(settings: Settings, found: Masking) -> list[Finding]:
    """A finding that names the profile that would suit the source better; empty if the sample is small or
    unclear, or if the masks are not those of the profile: then the user has chosen already.
    """
    suits = _profile_of(found)
    masks_of_profile = Settings(profile=settings.profile).source.mask
    if suits in (None, settings.profile) or settings.source.mask != masks_of_profile:
        return []
    message = (
        f"masking changes {found.changed} of {found.texts} texts, and {found.different} different texts "
        f"become {found.forms}, as in {suits}: DRIFTLINE_PROFILE={suits} may suit this source"
    )
    return [Finding("profile", "ok", message)]


def _profile_of(found: Masking) -> str | None:
    if found.texts < _LEAST_TEXTS:
        return None
    if found.changed >= _CHANGED * found.texts:
        return "logs" if found.forms <= _FORMS_OF_LOGS * found.different else None
    repeats = found.different < _DIFFERENT * found.texts
    return None if repeats or found.forms < _FORMS_OF_PROSE * found.different else "prose"
