#!/usr/bin/env python3
"""weights.py: prints the table of a collation's weights, asked of a server: uca400.txt, uca520.txt, uca900.txt, uca1400.txt.

    weights.py COLLATION CLIENT…

    uca400   utf8mb4_unicode_ci      MariaDB or MySQL (they agree)
    uca520   utf8mb4_unicode_520_ci  MariaDB or MySQL (they agree)
    uca900   utf8mb4_0900_as_cs      MySQL 9
    uca1400  utf8mb4_uca1400_as_cs   MariaDB 11.8

COLLATION is the one of its kind with the most levels; CLIENT is a client's command line.

A line is `FIRST[+n|=n|*n] WEIGHTS`: the code points from FIRST on and n more. WEIGHTS are four hexadecimal digits each, the levels
parted by points; levels that weigh 0020 and 0002 once for each primary weight are left out. With +n the last primary weight grows
by one from code point to code point; with =n they all weigh the same; with *n the weight is the base of implicit weights: the
code point's upper bits are added, its lower 15 bits and 8000 come second. Two or three code points joined by _ are a contraction.
What no line names has the implicit base FBC0 (in UCA 9, Hangul weighs what its letters weigh; in UCA 4 all above FFFF weighs FFFD).
"""
import hashlib, subprocess, sys

collation, client = sys.argv[1], sys.argv[2:]
server = subprocess.Popen(client + ["-N", "-B", "-n", "--default-character-set=utf8mb4"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(statement):
    server.stdin.write(statement + "; SELECT '.';\n")
    server.stdin.flush()
    rows = []
    for line in server.stdout:
        if line == ".\n":
            return rows
        rows.append(line.rstrip("\n").split("\t"))
    sys.exit("the server went away")


mariadb = "MariaDB" in ask("SELECT VERSION()")[0][0]
levels = 3 if collation.endswith("_cs") else 1


def asked(text):
    """The SQL of a text's weights of every level, as rows show them."""
    if mariadb:
        return ", ".join(f"HEX(WEIGHT_STRING({text} COLLATE {collation} LEVEL {n + 1}))" for n in range(levels))
    return f"HEX(WEIGHT_STRING({text} COLLATE {collation}))"


def parted(cells):
    """One hexadecimal text per level."""
    if mariadb or levels == 1:
        return tuple(cells)
    parts = [""]
    for i in range(0, len(cells[0]), 4):
        if cells[0][i:i + 4] == "0000":
            parts.append("")
        else:
            parts[-1] += cells[0][i:i + 4]
    return tuple(parts)


def base(c, w):
    """The base of an implicit weight: FB40 of 4E00 is FB40 CE00. None: it is named."""
    first, second = int(w[0][:4] or "0", 16) - (c >> 15), f"{c & 0x7FFF | 0x8000:04X}"
    whole = (f"{first + (c >> 15):04X}{second}", "0020", "0002")[:levels]
    return first if w == whole and first in (0xFB40, 0xFB80, 0xFBC0) else None


def all_weights():
    weights = {}
    for low in range(0, 0x110000, 0x4000):
        if mariadb:
            numbers = f"(SELECT seq FROM seq_{low}_to_{low + 0x3FFF}) s"
        else:
            digits = "(SELECT 0 d" + "".join(f" UNION SELECT {d}" for d in range(1, 16)) + ")"
            numbers = f"(SELECT {low} + a.d + 16 * b.d + 256 * c.d + 4096 * d.d seq FROM {digits} a, {digits} b, {digits} c, " \
                      f"(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3) d) s"
        char = "CONVERT(CONVERT(UNHEX(LPAD(HEX(seq), 8, '0')) USING utf32) USING utf8mb4)"
        for row in ask(f"SELECT seq, {asked(char)} FROM {numbers} WHERE seq NOT BETWEEN 0xD800 AND 0xDFFF"):
            weights[int(row[0])] = parted(row[1:])
    return weights


def literal(text):
    return "_utf8mb4 x'" + text.encode().hex() + "'"


def contractions(weights, named):
    """Texts of two or three characters that do not weigh what their characters weigh. Looked for: every named character with every
    one within 600 code points, with marks that combine and with the middle dots; then threes of the characters so found."""
    if not (mariadb and levels == 3):  # the other servers have none in these collations, as a sample says
        return {}
    everywhere = [c for c in list(range(0x300, 0x370)) + [0xB7, 0x387, 0x3099, 0x309A] if c in named]
    # ¦ between pairs belongs to none
    bar = 0xA6
    def odd(texts):
        """Those of the texts that weigh something else."""
        whole = chr(bar).join(texts)
        want = ["".join(weights[ord(c)][n] for c in whole) for n in range(levels)]
        hashes = ", ".join(f"MD5(HEX(WEIGHT_STRING({literal(whole)} COLLATE {collation} LEVEL {n + 1})))" for n in range(levels))
        if ask("SELECT " + hashes)[0] == [hashlib.md5(w.encode()).hexdigest() for w in want]:
            return []
        if len(texts) == 1:
            return texts
        half = len(texts) // 2
        return odd(texts[:half]) + odd(texts[half:])
    pairs, order = [], sorted(named)
    at = {c: i for i, c in enumerate(order)}
    for c in order:
        near = [d for d in order[max(0, at[c] - 600):at[c] + 600] if abs(c - d) < 600]
        pairs += odd([chr(c) + chr(d) for d in near + everywhere])
    heads, tails = sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs} | {chr(0xF71)})
    found = {p: parted(ask("SELECT " + asked(literal(p)))[0]) for p in pairs}
    for h in heads:
        for t in tails:
            texts = [h + t + u for u in tails]
            as_pairs = {x: [weights_of(x, weights, found)[n] for n in range(levels)] for x in texts}
            whole = chr(bar).join(texts)
            want = [weights[bar][n].join(as_pairs[x][n] for x in texts) for n in range(levels)]
            hashes = ", ".join(f"MD5(HEX(WEIGHT_STRING({literal(whole)} COLLATE {collation} LEVEL {n + 1})))" for n in range(levels))
            if ask("SELECT " + hashes)[0] != [hashlib.md5(w.encode()).hexdigest() for w in want]:
                for x in texts:
                    is_ = parted(ask("SELECT " + asked(literal(x)))[0])
                    if is_ != tuple(as_pairs[x]):
                        found[x] = is_
    return found


def weights_of(text, weights, found):
    parts, i = [], 0
    while i < len(text):
        if text[i:i + 2] in found:
            parts.append(found[text[i:i + 2]])
            i += 2
        else:
            parts.append(weights[ord(text[i])])
            i += 1
    return ["".join(p[n] for p in parts) for n in range(levels)]


def written(w):
    count = len(w[0]) // 4
    usual = [w[0], "0020" * count, "0002" * count][:len(w)]
    return w[0] if list(w) == usual else ".".join(w)


weights = all_weights()
hangul = range(0xAC00, 0xD7A4) if collation == "utf8mb4_0900_as_cs" else ()
bases = {c: base(c, w) for c, w in weights.items() if c not in hangul}
if collation == "utf8mb4_unicode_ci":
    assert all(weights[c] == ("FFFD",) for c in range(0x10000, 0x110000)), "characters beyond the BMP weigh FFFD"
    bases = {c: b for c, b in bases.items() if c < 0x10000}
named = {c: weights[c] for c, b in bases.items() if b is None}


def grown(w, n):
    return (w[0][:-4] + f"{int(w[0][-4:], 16) + n:04X}",) + w[1:] if w[0] else w


run = None  # first, last, weights of the first, kind


def flush():
    if run:
        first, last, w, kind = run
        print(f"{first:X}{kind + f'{last - first:X}' if last > first or kind == '*' else ''} {written(w)}")


for c in sorted(c for c, b in bases.items() if b != 0xFBC0):
    w = named.get(c)
    if w is None:
        w = (f"{bases[c]:04X}",)
        if run and run[1] + 1 == c and run[3] == "*" and w == run[2]:
            run = (run[0], c, w, "*")
        else:
            flush()
            run = (c, c, w, "*")
    elif run and run[1] + 1 == c and run[3] not in ("=", "*") and w == grown(run[2], c - run[0]) and w[0]:
        run = (run[0], c, run[2], "+")
    elif run and run[1] + 1 == c and run[3] not in ("+", "*") and w == run[2]:
        run = (run[0], c, run[2], "=")
    else:
        flush()
        run = (c, c, w, "")
flush()
for text, w in sorted(contractions(weights, named).items()):
    print("_".join(f"{ord(c):X}" for c in text), written(w))
