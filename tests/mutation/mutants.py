# SPDX-License-Identifier: GPL-2.0-or-later
"""Which small edits there are in a C file of this tree: it reads the project's own style (a function
begins and ends with a brace in the first column), not C at large."""

import re
from collections import Counter

KINDS = {
    "cell": "a cell of a const table takes another value that stands in its column, or goes",
    "guard": "an `if` that leaves (return, continue, break, goto) never does",
    "operand": "one side of && or || counts no more",
    "comparison": "== and != change places, < and <=, > and >=",
}

TOKEN = re.compile(r"""
    "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | [A-Za-z_]\w* | \d\w*
    | -> | <<=? | >>=? | [<>=!]= | && | \|\| | \+\+ | -- | [-+*/%&|^]= | \S""", re.X)
FLIP = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
LEAVES = {"return", "continue", "break", "goto"}


class Mutant:
    def __init__(self, file, where, kind, source, start, end, new):
        self.file, self.where, self.kind = file, where, kind
        self.start, self.end, self.new = start, end, new
        self.line = source.count("\n", 0, start) + 1
        first = source.rfind("\n", 0, start) + 1
        last = source.find("\n", end)
        last = len(source) if last < 0 else last
        self.old_text = squeeze(source[first:last])
        self.new_text = squeeze(source[first:start] + new + source[end:last])
        self.nth = 1
        self.before = source[start:end]

    @property
    def key(self):
        """By its text, so that a line may move."""
        nth = f" #{self.nth}" if self.nth > 1 else ""
        return f"{self.file} {self.where}{nth}\n- {self.old_text}\n+ {self.new_text}"

    def apply(self, source):
        return source[:self.start] + self.new + source[self.end:]


def squeeze(text):
    return " ".join(text.split())


def blank(source):
    """Comments and preprocessor lines as spaces, each byte in its place."""
    def spaces(match):
        if match.group().startswith(('"', "'")):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    source = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', spaces, source,
                    flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", spaces, source, flags=re.M)


class Reader:
    def __init__(self, file, source):
        self.file, self.source = file, source
        self.tokens = [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(blank(source))]
        self.pair = {}
        stack = []
        for i, (text, _, _) in enumerate(self.tokens):
            if text in OPEN:
                stack.append(i)
            elif text in CLOSE:
                begin = stack.pop()
                self.pair[begin], self.pair[i] = i, begin
        self.found = []

    def text(self, i):
        return self.tokens[i][0] if 0 <= i < len(self.tokens) else ""

    def span(self, a, b):
        """Of the tokens @a to @b, both of them."""
        return self.tokens[a][1], self.tokens[b][2]

    def words(self, a, b):
        start, end = self.span(a, b)
        return self.source[start:end]

    def add(self, where, kind, a, b, new):
        self.put(where, kind, *self.span(a, b), new)

    def put(self, where, kind, start, end, new):
        if self.source[start:end] != new:
            self.found.append(Mutant(self.file, where, kind, self.source, start, end, new))

    # ---- functions ----

    def functions(self):
        """(name, first token, last token) of each body."""
        for i, (text, start, _) in enumerate(self.tokens):
            if text != "{" or (start and self.source[start - 1] != "\n"):
                continue
            if self.text(i - 1) == ")":
                yield self.text(self.pair[i - 1] - 1), i, self.pair[i]

    def read_code(self):
        for name, first, last in self.functions():
            tables = [(a, self.pair[a]) for _, a in self.tables(first, last)]
            loops = [(i + 1, self.pair[i + 1]) for i in range(first, last)
                     if self.text(i) == "for"]
            dead = list(self.dead(first, last))
            for i in range(first, last):
                if any(a <= i <= b for a, b in tables + dead):
                    continue
                text = self.text(i)
                if text == "if":
                    self.guard(name, i)
                elif text in ("&&", "||"):
                    self.operands(name, i)
                elif text in FLIP and not any(a <= i <= b for a, b in loops):
                    self.add(name, "comparison", i, i, FLIP[text])

    def dead(self, first, last):
        """What only a planted defect reaches, behind `DEFECT(x) &&` and `!DEFECT(x) ||`; and what is
        asserted, for nothing follows from it."""
        for i in range(first, last):
            if self.text(i) == "assert":
                yield i, self.pair[i + 1]
            if self.text(i) != "DEFECT":
                continue
            a = self.pair[i + 1] + 1
            if self.text(a) != ("||" if self.text(i - 1) == "!" else "&&"):
                continue
            b = a + 1
            while self.text(b) not in {";", "?", ":", ","} and self.text(b) not in CLOSE:
                if self.text(b) == "||" and self.text(a) == "&&":
                    break
                b = self.pair[b] + 1 if self.text(b) in OPEN else b + 1
            yield a + 1, b - 1

    def guard(self, name, i):
        begin, end = i + 1, self.pair[i + 1]
        body = end + 1
        if self.text(body) == "{":
            last = self.pair[body] - 2  # before the last semicolon
            while last > body and self.text(last) not in (";", "{", "}"):
                last -= 1
            body = last
            leaves = self.text(body + 1) in LEAVES
        else:
            leaves = self.text(body) in LEAVES
        condition = self.words(begin + 1, end - 1)
        if leaves and "DEFECT(" not in condition:
            self.add(name, "guard", begin + 1, end - 1, f"0 && ({condition})")

    def operands(self, name, i):
        neutral = "1" if self.text(i) == "&&" else "0"
        stops = {"?", ":", "=", ",", ";", "return", "||", "+="}
        if neutral == "1":
            stops = stops | {"&&"}
        a = i - 1
        while self.text(a) not in stops and self.text(a) not in OPEN:
            a = self.pair[a] - 1 if self.text(a) in CLOSE else a - 1
        b = i + 1
        while self.text(b) not in stops and self.text(b) not in CLOSE:
            b = self.pair[b] + 1 if self.text(b) in OPEN else b + 1
        # Of a row of equal operators each operand is the right side of one, but the first.
        sides = [(i + 1, b - 1)] + ([] if self.text(a) == self.text(i) else [(a + 1, i - 1)])
        for x, y in sides:
            if "DEFECT(" not in self.words(x, y):
                self.add(name, "operand", x, y, neutral)

    # ---- tables ----

    def tables(self, first=0, last=None):
        """(name, opening brace) of each const array that is given values."""
        last = len(self.tokens) if last is None else last
        i = first
        while i < last:
            if self.text(i) == "const" and self.text(i + 1) != ")":
                j, name, array = i + 1, "", False
                while self.text(j) not in ("=", ";", ")", ",", ""):
                    if self.text(j) == "(" and self.text(j - 1) != "struct":
                        break
                    if self.text(j) == "[":
                        name = name or self.text(j - 1)
                        array = True
                    j = self.pair[j] + 1 if self.text(j) in OPEN else j + 1
                if self.text(j) == "=" and self.text(j + 1) == "{" and array:
                    yield name, j + 1
                    i = self.pair[j + 1]
            i += 1

    def entries(self, brace):
        """(designator, first, last) of each element between the braces."""
        i, end = brace + 1, self.pair[brace]
        while i < end:
            j = i
            while self.text(j) != "," and j < end:
                j = self.pair[j] + 1 if self.text(j) in OPEN else j + 1
            a, label = i, ""
            while self.text(a) in ("[", ".") and a < j:
                b = self.pair[a] if self.text(a) == "[" else a + 1
                label += self.words(a, b)
                a = b + 1
            if label:
                a += 1  # the =
            if a < j:
                yield label, a, j - 1
            i = j + 1

    def read_tables(self):
        for name, brace in list(self.tables()):
            columns = {}
            self.collect(name, brace, (), columns)
            for cells in columns.values():
                self.cells(cells)

    def collect(self, where, brace, column, columns):
        rows = list(self.entries(brace))
        nested = [(label, a) for label, a, _ in rows if self.text(a) == "{"]
        for n, (label, a, b) in enumerate(rows):
            if self.text(a) == "{":
                self.collect(where + label, a, column + ("row",), columns)
            else:
                # A plain array is one column; of a struct each field is one.
                at = column + (n if not label and column else "cell",)
                columns.setdefault(at, []).append((where + label, a, b))
        deeper = [(where + label, {x for x, _, _ in self.entries(a)}, a) for label, a in nested
                  if any(self.text(y) == "{" and x for x, y, _ in self.entries(a))]
        self.gaps(deeper)

    def gaps(self, rows):
        """A cell that is not written says something too: it is written as in another row."""
        for where, labels, brace in rows:
            for _, others, other in rows:
                for label, a, b in self.entries(other):
                    if label and label not in labels:
                        labels.add(label)
                        at = self.tokens[brace][2]
                        self.put(where + label, "cell", at, at,
                                 f" {label} = {self.words(a, b)},")

    def cells(self, cells):
        values = [squeeze(self.words(a, b)) for _, a, b in cells]
        for n, (where, a, b) in enumerate(cells):
            others = values[n + 1:] + values[:n][::-1]
            other = next((v for v in others if v != values[n]), None)
            if other:
                self.add(where, "cell", a, b, other)
            parts = values[n].split(" | ")
            for part in parts if len(parts) > 1 else ():
                self.add(where, "cell", a, b, " | ".join(p for p in parts if p != part))


def find(file, source, kinds=KINDS):
    reader = Reader(file, source)
    reader.read_tables()
    reader.read_code()
    found = sorted({(m.start, m.end, m.new): m for m in reader.found if m.kind in kinds}.values(),
                   key=lambda m: (m.start, m.end, m.new))
    seen = Counter()
    for mutant in found:
        seen[mutant.key] += 1
        mutant.nth = seen[mutant.key]
    return found
