"""What may be shown to a person although strangers wrote it."""

import unicodedata

# Controls, format characters (which turn text around or hide it), line ends, half characters.
_HARMFUL = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def is_one_harmless_line(text):
    return not any(unicodedata.category(c) in _HARMFUL for c in text)
