"""The settings of a subject as they are shown: one way, on the page, in the terminal and in records."""


def title_of(name: str) -> str:
    """A setting's or column's name as words.

    >>> title_of("learning_rate")
    'learning rate'
    """
    return name.replace("_", " ")


def setting_text(value: object) -> str:
    """A setting's value as one would type it, `none` where a subject has none; numbers with at most six digits.

    >>> setting_text(0.01), setting_text(1000), setting_text("adam"), setting_text(True), setting_text(None)
    ('0.01', '1000', 'adam', 'true', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
