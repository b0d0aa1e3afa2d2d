"""What both commands do with their arguments before they are parsed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

# A shell replaces `~` at the beginning of a word only: not in `--weights=~/a.npz`,
# `~/run1,~/run2` or `mn04=~/a.pt`, and on Windows nowhere.
_HOME = re.compile(r"(?:^|(?<=[=,]))~(?=$|[/,]|" + re.escape(os.sep) + ")")


def expand_home(argv: Sequence[str] | None) -> list[str]:
    """Returns arguments with the home folder in place of every `~` of a path.

    Args:
        argv: Arguments without the program's name; None takes `sys.argv`.
    """
    home = os.path.expanduser("~")
    given = sys.argv[1:] if argv is None else argv
    return [_HOME.sub(lambda _: home, argument) for argument in given]
