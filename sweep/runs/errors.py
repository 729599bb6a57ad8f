"""What a user did wrong: one message that says where, what was found, what is allowed."""

import difflib
import itertools
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import cast


def show(value: object, longest: int = 60) -> str:
    """A value as it would stand in a file, cut to `longest` characters, for messages.

    >>> show({"name": "sgd", "nesterov": True}), show([1, None]), show("8")
    ("{name: 'sgd', nesterov: true}", '[1, null]', "'8'")
    """
    if value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    elif isinstance(value, Mapping):
        items = itertools.islice(cast(Mapping[object, object], value).items(), longest)
        text = "{" + ", ".join(f"{k}: {show(v)}" for k, v in items) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(map(show, cast(Sequence[object], value)[:longest])) + "]"
    elif isinstance(value, int) and value.bit_length() > 256:
        text = f"a whole number of {value.bit_length()} bits"  # Python refuses to write the longest ones
    else:
        text = repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


# what moves a terminal's cursor, changes its colours or its title, or turns the direction of a line; not the line's end
_unseen = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""A text in which control characters can be seen and do nothing, as JSON writes them; lines stay lines.

    >>> print(visible("a\x1b[31m b"))
    a\u001b[31m b
    """
    return _unseen.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that is most like another, None where none is like it.

    >>> nearest("widht", ["depth", "width"]), nearest("lr", ["depth", "width"])
    ('width', None)
    """
    return next(iter(difflib.get_close_matches(word.lower(), sorted(allowed), n=1)), None)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The allowed words, the nearest one first in a hint if one is near.

    >>> did_you_mean("widht", ["depth", "width"]), did_you_mean("ReLU", ["elu", "relu"])
    ('did you mean width? allowed: depth, width', 'did you mean relu? allowed: elu, relu')
    """
    words = sorted(allowed)
    near = nearest(word, words)
    return (f"did you mean {near}? " if near else "") + "allowed: " + ", ".join(words)


class UserError(ValueError):
    """What a user can put right; its text is the whole message. Only such an error ends a command with one message."""


class SettingError(UserError):
    """A setting that cannot be: where (keys from the outside in), what was found, what is allowed.

    `place` starts at a hyperparameter's name inside a mapping of settings; a file's reader puts its own keys before.
    `more`: further mistakes that were found at once.
    """

    def __init__(
        self, place: tuple[str | int, ...], found: str, allowed: str, more: Sequence["SettingError"] = ()
    ) -> None:
        super().__init__(f"{'.'.join(map(str, place))}: {found}; {allowed}")
        self.place = place
        self.found = found
        self.allowed = allowed
        self.more = tuple(more)

    def within(self, *place: str | int) -> "SettingError":
        """The same with `place` before its own."""
        return SettingError((*place, *self.place), self.found, self.allowed, [e.within(*place) for e in self.more])


@contextmanager
def at(*place: str | int) -> Generator[None]:
    """Put `place` before that of a `SettingError` raised inside."""
    try:
        yield
    except SettingError as error:
        raise error.within(*place) from None
