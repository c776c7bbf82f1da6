#!/usr/bin/env python3
"""Prints one table of a pcloud archive in a local directory: its newest base, then every change since.

Needs pyarrow, and age for an encrypted archive. Written from docs/format.md. Does not derive what foreign keys did.
"""
import argparse, glob, json, os, shutil, signal, struct, subprocess, sys, zlib
import pyarrow as pa
import pyarrow.parquet as parquet

arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in "archive", "cluster", "table", "--identity":
    arguments.add_argument(name, metavar={"table": "database.table", "--identity": "FILE"}.get(name))
asked = arguments.parse_args()
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
home, encrypted = os.path.join(asked.archive, asked.cluster), False  # pcloud.json never is

def need(good, what, why):
    if not good:
        sys.exit(f"read_archive: {what}: {why}")

def read(name):
    path = os.path.normpath(os.path.join(home, name))
    need(os.path.exists(path), path, "it is missing (if the upkeep has just replaced it, run this again)")
    if not encrypted:
        with open(path, "rb") as file:
            return file.read()
    age = subprocess.run(["age", "-d", "-i", asked.identity, path], capture_output=True)
    need(age.returncode == 0, path, "age does not open it: " + age.stderr.decode(errors="replace").partition("\n")[0])
    return age.stdout

def checked(name, data, crc32):
    need(zlib.crc32(data) == crc32, name, "its checksum does not fit its bytes")
    return data

def sealed(name):
    """A JSON object whose last member is the checksum of what comes before that."""
    data = read(name)
    need(data[-21:] == b',"crc32":"%08x"}\n' % zlib.crc32(data[:-21]), name, "its checksum does not fit its bytes")
    return json.loads(data)

def newest(folder, end):
    names = glob.glob("[0-9]" * 20 + end, root_dir=os.path.join(home, folder))
    return max((int(name[:20]) for name in names), default=0)

def log(number, packs):
    """Name and footer of each pack after segment `number`, and of each segment that is in none."""
    last = max([number, newest("log", ".seg"), *(pack["last"] for pack in packs)])
    name = "packs/{first:020}-{last:020}-{token:08x}.seg"
    packs = {pack["first"]: (name.format(**pack), pack["first"], pack["last"]) for pack in packs}
    while number < last:
        name, first, number = packs.get(number + 1, (f"log/{number + 1:020}.seg", None, number + 1))
        data = read(name)
        need(data[:8] == b"PCLSEG01" and data[-8:] == b"PCLSEGFT", name, "it is no whole segment")
        crc32, length = struct.unpack("<II", data[-16:-8])
        packed = pa.BufferReader(checked(name, data[-16 - length:-16], crc32))
        footer = json.loads(pa.CompressedInputStream(packed, "zstd").read())
        need((footer.get("first"), footer["number"]) == (first, number), name, "it has another number")
        yield name, footer

def changes(name, section, data):
    """Of each row its seq, what tells it from others of that seq, its place among them, its operation, and its text."""
    rows, end = pa.ipc.open_stream(checked(name, data, section["crc32"])).read_all(), 3 + len(section["columns"])
    key, ordered = [section["columns"].index(column) for column in section["key"]], section.get("ordered", False)
    own = zip(*(rows.column(i).to_pylist() for i in (0, 1, end if ordered else 0)))
    for at, ((seq, op, order), row) in enumerate(zip(own, zip(*map(texts, rows.columns[3:end])))):
        which = tuple(row[i] for i in key) if key and not ordered else (name, section["offset"], at)
        shown = key if key and op == 2 else range(len(row))
        text = " ".join(f"{rows.field(3 + i).name}={row[i]}" for i in shown)
        yield seq, which, (order, -op) if ordered else (), ("insert", "update", "delete")[op], text

def texts(column):
    """Its values as text; a TIME in µs."""
    if pa.types.is_date(column.type):
        column, show = column.cast(pa.int32()), day
    elif pa.types.is_timestamp(column.type):
        column, show = column.cast(pa.int64()), moment
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        show = repr
    else:
        column, show = column.cast(pa.string()), str
    return ["NULL" if value is None else show(value) for value in column.to_pylist()]

def day(n):
    if n > -719529:
        return pa.scalar(n, pa.int32()).cast(pa.date32()).cast(pa.string()).as_py()
    n = n + 10_000_000 if n < -719529 else 0  # a date of no calendar, or the zero date
    return f"{n >> 9:04}-{n >> 5 & 15:02}-{n & 31:02}"

def moment(us):
    return f"{day(us // 86_400_000_000)} {pa.scalar(us % 86_400_000_000, pa.time64('us'))}"

need(b'"format":1,' in read("../pcloud.json"), asked.archive, "this script knows format 1 only")
encrypted = bool(sealed("../pcloud.json")["recipients"])
able = asked.identity and shutil.which("age")
need(able or not encrypted, asked.archive, "it is encrypted: that takes --identity FILE and the program age")
number = newest("upkeep", ".json")  # first the upkeep's list, then the manifest, then the log
upkeep = sealed(f"upkeep/{number:020}.json") if number else {}
manifest = sealed(f"manifest/{newest('manifest', '.json'):020}.json")
start = upkeep.get("start") or {"moment": manifest["start"], "until": 0, "segment": 0, "catalog": manifest["catalog"]}
first, time, until = start["moment"]["seq"], start["moment"]["time"], start["until"]
parts = list(log(start["segment"], upkeep.get("packs", [])))

# The commits' times; which tables are there in the end; from when on are the rows of one not known?
tables, last = {table["id"]: table for table in start["catalog"]["tables"]}, first
doubts = [(first, int(table), why) for table, why in start["catalog"].get("uncertain", {}).items()]
for name, footer in parts:
    for commit in footer["commits"]:
        need(commit["seq"] == last + 1, name, f"seq {commit['seq']} follows seq {last}")
        last, time = last + 1, max(commit["time"], time if until <= time else until + 1)
        commit["time"] = time
    until = max(until, time, footer.get("covers", until))
    for seq, change in [(entry["seq"], change) for entry in footer["schema"] for change in entry["changes"]]:
        if change["change"] == "table":
            tables[change["schema"]["id"]] = change["schema"]
        elif change["change"] == "table_dropped":
            tables.pop(change["id"], None)
        elif change["change"] == "database_dropped":
            tables = {id: t for id, t in tables.items() if t["name"]["database"] != change["name"]}
        elif change["change"] == "uncertain":
            doubts.append((seq, change["id"], change["why"]))
names = {"{database}.{table}".format(**table["name"]): id for id, table in tables.items()}
need(asked.table in names, asked.table, "there is no such table; there are " + ", ".join(sorted(names)))
table = names[asked.table]

bases = [base for base in manifest["bases"] if "start" not in upkeep or base["seq"] > first] + upkeep.get("bases", [])
none = {"seq": -1, "files": [], "schema": tables[table]}  # a commit made the table
base = max((base for base in bases if base["table"] == table), key=lambda base: base["seq"], default=none)
print(f"{asked.table}, table {table}: " + ("a commit made it" if base is none else f"base at seq {base['seq']}"))
print("  " + ", ".join(f"{column['name']} {column['type']}" for column in base["schema"]["columns"]))
for file in base["files"]:
    rows = parquet.read_table(pa.BufferReader(checked(file["path"], read(file["path"]), file["crc32"])))
    for row in zip(*map(texts, rows.columns)):
        print("  " + " ".join(map("=".join, zip(rows.column_names, row))))
acts = {act for key in tables[table].get("foreign_keys", []) for act in (key["on_delete"], key["on_update"])}
print("changes, but for what its foreign keys did:" if acts - {"nothing"} else "changes:")
doubt = min((doubt for doubt in doubts if doubt[1] == table and doubt[0] > base["seq"]), default=(last + 1,))
waiting = {}  # rows of a seq that no footer has committed yet
for name, footer in parts:
    waiting = {} if footer.get("restarts") else waiting
    sections = [part for part in footer["sections"] if part["table"] == table and part["last"] > base["seq"]]
    data = read(name) if sections else b""
    for section in sections:
        stream = data[section["offset"]:section["offset"] + section["length"]]
        for seq, which, *row in changes(name, section, stream):
            waiting.setdefault(seq, {})[which] = row
    for commit in footer["commits"]:
        at, rows = f"{moment(commit['time'])} {commit.get('gtid', '-')}", waiting.pop(commit["seq"], {}).values()
        for place, op, text in sorted(rows if base["seq"] < commit["seq"] < doubt[0] else (), key=lambda row: row[0]):
            print(f"  seq {commit['seq']} {op} {at} {text}")
need(doubt[0] > last, asked.table, f"from seq {doubt[0]} on its rows are not known: {doubt[-1]}")
