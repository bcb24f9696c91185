"""The text on a terminal's screen after a program has written to it."""

from __future__ import annotations


def screen_lines(output: str, columns: int = 80) -> list[str]:
    """Return the lines on the screen, without trailing blanks and empty lines at the end.

    Knows `\\r`, `\\n` and lines that are longer than the screen is wide, but no escape sequences.
    A newline also returns to the first column, as the terminal driver makes it.
    """
    assert "\x1b" not in output
    rows: list[list[str]] = [[]]
    column = 0
    for character in output:
        if character == "\r":
            column = 0
        elif character == "\n":
            rows.append([])
            column = 0
        else:
            # The cursor goes to the next line only with the character after the last column.
            if column == columns:
                rows.append([])
                column = 0
            row = rows[-1]
            row += " " * (column + 1 - len(row))
            row[column] = character
            column += 1
    lines = ["".join(row).rstrip() for row in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines
