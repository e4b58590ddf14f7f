"""Finds where a kernel file can be mutated, and how.

A Site is a range of the text with alternatives, each one Mutant. Most sites are expressions of run
time: all their mutants are compiled at once, each behind a question (`render`), and one is chosen
when the library is loaded. Sites that the compiler must know (constexpr, array extents, template
arguments) are compiled one by one.

The files are formatted by clang-format, and that is relied on: a binary operator has spaces on both
sides, the angle bracket of a template has none before it.
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^\#[^\n]*(?:\\\n[^\n]*)*) | (?P<text>"(?:\\.|[^"\\])*"|'[^']*')
  | (?P<number>(?:0x[0-9a-fA-F']+|\.?\d[\d.']*(?:[eE][-+]?\d+)?)[uUlLfF]*)
  | (?P<name>[A-Za-z_]\w*) | (?P<sign>\.\.\.|->|::|\+\+|--|<<=|>>=|[-+*/%&|^!=<>]=|&&|\|\||<<|.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
LEVEL = {"||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7,
         ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>="}
NO_OPERAND = {"return", "case", "else", "template", "operator", "const", "class", "typename"}
COMPILED = {"constexpr", "static_assert", "SHARED", "using", "template", "alignas", "struct",
            "#define"}
OPENING, CLOSING = "([{", ")]}"

# What may stand for a member or a variable: neighbours that have the same type.
PARTNERS = {
    "x_pitch": ["y_pitch", "C"], "y_pitch": ["x_pitch", "C"], "a_pitch": ["b_pitch", "C"],
    "b_pitch": ["a_pitch", "C"], "pitch": ["columns"], "columns": ["rows"],
    "H": ["W"], "W": ["H"], "P": ["Q"], "Q": ["P"], "R": ["S"], "S": ["R"],
    "stride_h": ["stride_w"], "stride_w": ["stride_h"], "pad_h": ["pad_w"], "pad_w": ["pad_h"],
    "h": ["w"], "w": ["h"],
}
PLACES = {"threadIdx", "blockIdx", "blockDim", "gridDim"}
OTHER_CALL = {"fmaxf": "fminf", "fminf": "fmaxf", "lesser": "greater", "greater": "lesser"}
OPERATORS = {"<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"], "==": ["!="], "!=": ["=="],
             "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "&&": ["||"],
             "||": ["&&"], "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "^": []}
COMPOUND = {"+=": ["-=", "="], "-=": ["+="], "*=": ["/="], "/=": ["*="]}


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int
    partner: int = -1  # the bracket that closes or opens this one
    binary: bool = False
    function: str = ""
    compiled: bool = False  # in a place whose value the compiler must know


@dataclass
class Mutant:
    file: str
    function: str
    before: str  # the source line, or what of it changes
    after: str
    line: int
    what: str
    site: "Site" = None
    number: int = 0
    text: str = ""  # what stands in the site's place
    repeat: str = ""  # " #2" where the same change is made to the same line, a second time

    @property
    def key(self):
        return f"{self.file} | {self.function} | {self.before} => {self.after}{self.repeat}"


@dataclass
class Site:
    start: int
    end: int
    compiled: bool
    mutants: list = field(default_factory=list)
    inside: list = field(default_factory=list)


def tokens_of(text):
    tokens = [Token(m.lastgroup, m.group(), m.start(), m.end()) for m in TOKEN.finditer(text)
              if m.lastgroup != "skip"]
    for i, token in enumerate(tokens[1:-1], 1):
        spaced = text[token.start - 1].isspace() and text[token.end].isspace()
        before = tokens[i - 1]
        operand = (before.kind in ("name", "number") and before.text not in NO_OPERAND
                   or before.text in (")", "]", "}"))
        token.binary = spaced and operand and token.text in LEVEL
    match_brackets(text, tokens)
    mark_functions(tokens)
    mark_compiled(tokens)
    return tokens


def match_brackets(text, tokens):
    open_ones = []
    for i, token in enumerate(tokens):
        template = (token.text == "<" and not token.binary
                    and (tokens[i - 1].text == "template" or not text[token.start - 1].isspace()))
        if token.text in OPENING or template:
            open_ones.append(i)
        elif token.text in CLOSING:
            while open_ones and tokens[open_ones[-1]].text == "<":
                open_ones.pop()
            token.partner = open_ones.pop()
            tokens[token.partner].partner = i
        elif token.text == ">" and not token.binary and open_ones:
            if tokens[open_ones[-1]].text == "<":
                token.partner = open_ones.pop()
                tokens[token.partner].partner = i


def mark_functions(tokens):
    """The name before the parameters of the outermost body that a token is in."""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        is_body = (token.text == "{" and tokens[i - 1].text in (")", "const"))
        if is_body:
            close = i - 1 if tokens[i - 1].text == ")" else i - 2
            name = tokens[tokens[close].partner - 1]
            for inner in tokens[tokens[close].partner:token.partner]:
                inner.function = name.text
            i = token.partner
        i += 1


def mark_compiled(tokens):
    for i, token in enumerate(tokens):
        if token.text not in COMPILED or token.compiled:
            continue
        if token.text == "struct":
            end = i + 2
        elif token.text == "template" and tokens[i + 1].text == "<":
            end = tokens[i + 1].partner
        elif token.text == "constexpr" and tokens[i - 1].text == "if":
            end = tokens[i + 1].partner
        else:
            end = i
            while tokens[end].text != ";":
                bodied = tokens[end].text == "{" and tokens[end - 1].text in (")", "const")
                if tokens[end].partner > end:
                    end = tokens[end].partner
                if bodied:
                    break
                end += 1
        for inner in tokens[i:end + 1]:
            inner.compiled = True
    for i, token in enumerate(tokens):
        template = token.text == "<" and token.partner > 0
        if template or token.text == "[" and is_extent(tokens, i):
            for inner in tokens[i:token.partner]:
                inner.compiled = True


def is_extent(tokens, i):
    """Whether the bracket holds the extent of an array that is declared: float sums[2 * V]."""
    while tokens[i - 1].text == "]":  # of a second dimension
        i = tokens[i - 1].partner
    name, before = tokens[i - 1], tokens[i - 2]
    is_type = before.kind == "name" and before.text not in NO_OPERAND or before.text in ">*"
    return name.kind == "name" and is_type and not before.binary


class Finder:
    def __init__(self, file, text):
        self.file, self.text = file, text
        self.tokens = tokens_of(text)
        self.sites = {}

    def find(self):
        rules = [self.operators, self.assignments, self.barriers, self.early_ends, self.places,
                 self.members, self.subscripts, self.writes, self.loop_starts, self.calls,
                 self.extents]
        for i in range(1, len(self.tokens) - 2):
            for rule in rules:
                rule(i)
        return self.nested()

    def add(self, first, last, what, alternative, changed):
        """Tokens first..last become `alternative`; `changed` tokens are what differs."""
        tokens = self.tokens
        start, end = tokens[first].start, tokens[last].end
        compiled = any(token.compiled for token in tokens[first:last + 1])
        site = self.sites.setdefault((start, end), Site(start, end, compiled))
        begin = self.text.rfind("\n", 0, tokens[changed].start) + 1
        stop = self.text.find("\n", max(tokens[changed].end, 1))
        begin, stop = min(begin, start), max(stop, end)
        after = self.text[begin:start] + alternative + self.text[end:stop]
        before = self.text[begin:stop]
        site.mutants.append(Mutant(
            self.file, tokens[changed].function, " ".join(before.split()),
            " ".join(after.split()), self.text.count("\n", 0, tokens[changed].start) + 1, what,
            site, text=alternative))

    def source(self, first, last):
        return self.text[self.tokens[first].start:self.tokens[last].end] if first <= last else ""

    def operand(self, i, step):
        """The last token of the operand of operator i, to the left (step -1) or the right (1)."""
        level, at = LEVEL[self.tokens[i].text], i + step
        while True:
            token = self.tokens[at]
            if token.partner >= 0 and step * (token.partner - at) > 0:
                at = token.partner
            after = self.tokens[at + step]
            ends = (after.text in ASSIGNMENTS or after.text in (",", ";", "?", ":")
                    or after.text in NO_OPERAND or after.partner >= 0
                    and step * (after.partner - at) < 0)
            if after.binary:
                other = LEVEL[after.text]
                ends = ends or other < level or (step > 0 and other == level)
            if ends:
                return at
            at += step

    def operators(self, i):
        token = self.tokens[i]
        if not token.binary:
            return
        first, last = self.operand(i, -1), self.operand(i, 1)
        left, right = self.source(first, i - 1), self.source(i + 1, last)
        for other in OPERATORS[token.text]:
            self.add(first, last, f"{token.text} to {other}", f"{left} {other} {right}", i)
        if token.text in ("<", "<="):
            self.add(first, last, "bound - 1", f"{left} + 1 {token.text} {right}", i)
        if token.text == "^":
            self.add(first, last, "swizzle dropped", left, i)

    def assignments(self, i):
        token = self.tokens[i]
        if token.text not in COMPOUND:
            return
        first = i - 1
        while self.tokens[first - 1].text not in (";", "{", "}", ")", "(", ",", "?", ":"):
            first = self.tokens[first].partner if 0 <= self.tokens[first].partner < first \
                else first - 1
        last = i
        while self.tokens[last + 1].text not in (";", ")", ","):
            last += 1
            if self.tokens[last].partner > last:
                last = self.tokens[last].partner
        left, right = self.source(first, i - 1), self.source(i + 1, last)
        for other in COMPOUND[token.text]:
            self.add(first, last, f"{token.text} to {other}", f"{left} {other} {right}", i)

    def barriers(self, i):
        if self.tokens[i].text in ("__syncthreads", "__syncwarp"):
            self.add(i, self.tokens[i + 1].partner, "barrier deleted", "void()", i)

    def early_ends(self, i):
        if self.tokens[i].text != "if" or self.tokens[i + 1].text != "(":
            return
        close = self.tokens[i + 1].partner
        if self.tokens[close + 1].text in ("return", "continue", "break"):
            self.add(i + 2, close - 1, "early end dropped", "false", i)

    def places(self, i):
        if self.tokens[i].text not in PLACES or self.tokens[i + 1].text != ".":
            return
        name, axis = self.tokens[i].text, self.tokens[i + 2].text
        other = "x" if axis == "y" else "y"
        self.add(i, i + 2, "axes swapped", f"{name}.{other}", i)
        if name in ("blockDim", "gridDim"):
            self.add(i, i + 2, "extent + 1", f"({name}.{axis} + 1)", i)

    def members(self, i):
        token = self.tokens[i]
        if token.kind != "name" or self.tokens[i + 1].text in (".", "(", "::", "{"):
            return
        if self.tokens[i - 1].text == "." and token.text in PARTNERS:
            first = i - 1
            while self.tokens[first - 1].kind == "name" and self.tokens[first].text == ".":
                first -= 2
            first += 1
            for other in PARTNERS[token.text]:
                self.add(first, i, "another member", self.source(first, i - 1) + other, i)
        elif self.tokens[i - 1].text == "," and self.tokens[i + 1].text == ";":
            return  # declared: int segment, filter_pitch;
        elif token.text.endswith("_pitch") and self.tokens[i - 1].text in ("*", "+", ","):
            if self.tokens[i - 1].binary or self.tokens[i - 1].text == ",":
                self.add(i, i, "dense pitch", "s.C", i)

    def subscripts(self, i):
        tokens = self.tokens
        if tokens[i].text != "[" or tokens[i - 1].kind != "name" or tokens[i].function == "":
            return
        close = tokens[i].partner
        if tokens[close + 1].text != "[" or tokens[i - 2].kind == "name":
            return
        first, second = tokens[close + 1].partner, close + 1
        base = i - 1
        while tokens[base - 1].text == ".":
            base -= 2
        swapped = self.source(base, i - 1) + self.source(second, first) + self.source(i, close)
        self.add(base, first, "subscripts swapped", swapped, i)

    def writes(self, i):
        tokens = self.tokens
        if tokens[i].text == "write" and tokens[i - 1].text == ",":
            self.add(i, i, "Write::Add dropped", "Write::Set", i)
        if tokens[i].text == "Write" and tokens[i + 2].text in ("Set", "Add"):
            other = "Add" if tokens[i + 2].text == "Set" else "Set"
            self.add(i, i + 2, "Write turned", f"Write::{other}", i)

    def loop_starts(self, i):
        tokens = self.tokens
        if tokens[i].text == "for" and tokens[i + 1].text == "(":
            at = i + 1
            while tokens[at].text not in (";", ":"):
                at += 1
            if tokens[at].text == ";" and tokens[at - 2].text == "=" \
                    and tokens[at - 1].kind == "number":
                more = str(int(tokens[at - 1].text) + 1)
                self.add(at - 1, at - 1, "loop starts later", more, at - 1)

    def calls(self, i):
        token = self.tokens[i]
        if token.text in OTHER_CALL and self.tokens[i + 1].text == "(" and token.function:
            close = self.tokens[i + 1].partner
            self.add(i, close, "another call",
                     OTHER_CALL[token.text] + self.source(i + 1, close), i)

    def extents(self, i):
        """Each extent of a shared array one less; the pad of `[N + 1]` goes this way too."""
        if self.tokens[i].text != "SHARED" or self.tokens[i + 1].text != "(":
            return
        close = self.tokens[i + 1].partner
        at = i + 2
        while at < close:
            if self.tokens[at].text == "[":
                end = self.tokens[at].partner
                extent = self.source(at + 1, end - 1)
                self.add(at + 1, end - 1, "shared extent - 1", f"{extent} - 1", at)
                at = end
            at += 1

    def nested(self):
        """The outermost sites, each with the sites inside it; alternatives stay first-order."""
        ordered = sorted(self.sites.values(), key=lambda site: (site.start, -site.end))
        outer, path = [], []
        for site in ordered:
            while path and path[-1].end <= site.start:
                path.pop()
            if path and site.end > path[-1].end:
                raise ValueError(f"{self.file}: sites cross: {self.text[site.start:site.end]!r}")
            (path[-1].inside if path else outer).append(site)
            path.append(site)
        return outer


def render(text, sites, start=0, end=None, wanted=lambda mutant: True, places=None, at=0):
    """The text with all mutants of run time in it: (lamella_mutant(7) ? (changed) : (as it was)).
    `places` collects (begin, end, mutant) in the rendered text, to find what does not compile."""
    parts, here = [], at

    def put(part):
        nonlocal here
        parts.append(part)
        here += len(part)

    position = start
    for site in sites:
        put(text[position:site.start])
        chosen = [m for m in site.mutants if not site.compiled and wanted(m)]
        for mutant in chosen:
            put(f"(::lamella_mutant({mutant.number}) ? (")
            begin = here
            put(" ".join(mutant.text.split()))
            if places is not None:
                places.append((begin, here, mutant))
            put(") : ")
        begin = here
        if chosen:
            put("(")
        put(render(text, site.inside, site.start, site.end, wanted, places, here))
        if chosen:
            put(")" + ")" * len(chosen))
            if places is not None:
                places.append((begin, here, site))
        position = site.end
    put(text[position:end])
    return "".join(parts)


def all_sites(sites):
    for site in sites:
        yield site
        yield from all_sites(site.inside)
