#!/usr/bin/env python3
"""The same row gets the same answer by every way in, on random mixed tables, over a real socket.

    tests/ways.py URL VERAD DIR [--seeds N]

Each seed makes a table of numbers and texts, with missing cells, in ordinary CSV or as some countries write it, and
fits a model of it with the command line, which the daemon imports. Other rows, with cells missing, texts never seen
and numbers far out, are then answered by `verad predict`, the predict route as CSV, records and split, MLflow's
invocations, tensors in JSON and in bytes, a batch over an uploaded data set, and the ONNX graph where node finds
onnxruntime-node (tests/export.cjs). CSV is compared byte by byte, the others number by number. The standard library
alone; tests/unit/test_protocols.c does the same in process, with more tables.
"""
import argparse
import csv
import http.client
import io
import json
import os
import random
import struct
import subprocess
import sys
import urllib.parse


class Wrong(Exception):
    pass


class Table:
    """Random columns; `foreign` says how its CSV is written, and what is missing in it."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.foreign = seed % 2 == 0
        self.names = [f"n{i}" for i in range(self.chance.randint(1, 4))] + [
            f"text {i}" for i in range(self.chance.randint(1, 3))]
        self.na = ["-999", "not known"] if self.foreign else []

    def rows(self, n, strange):
        for i in range(n):
            k, row = i % 3, []
            for j, name in enumerate(self.names):
                u = self.chance.random()
                if u < 0.1 and i:
                    row.append(None)
                elif strange and u < 0.2:
                    row.append(self.chance.choice([1e9, -0.125, 0.0]) if name[0] == "n" else f"unséen {i}")
                elif name[0] == "n":
                    row.append(round(self.chance.gauss(3 * (k == j % 3), 1), 4))
                else:
                    row.append("red green blue".split()[k if u < 0.7 else self.chance.randrange(3)] + name[-1])
            yield row, k

    def cell(self, value, column):
        if value is None:
            return self.na[0 if self.names[column][0] == "n" else 1] if self.na else ""
        if isinstance(value, str):
            return value
        text = repr(value)
        return text.replace(".", ",") if self.foreign else text

    def csv(self, rows, labels=None):
        out = io.StringIO()
        write = csv.writer(out, delimiter=";" if self.foreign else ",", lineterminator="\n").writerow
        write(self.names + (["kind"] if labels else []))
        for i, row in enumerate(rows):
            write([self.cell(v, j) for j, v in enumerate(row)] + ([labels[i]] if labels else []))
        return out.getvalue()

    def reading(self):
        return [("delimiter", "semicolon"), ("decimal", ","), ("na_values", ",".join(self.na))] if self.foreign else []


class Daemon:
    def __init__(self, url):
        self.http = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)

    def ask(self, method, path, body=None, kind=None, headers=None, want=200):
        self.http.request(method, path, body, dict(headers or {}, **({"Content-Type": kind} if kind else {})))
        reply = self.http.getresponse()
        text = reply.read()
        if reply.status != want:
            raise Wrong(f"{method} {path}: {reply.status}: {text[:300]}")
        return text, reply.headers

    def json(self, method, path, body=None, want=200):
        text, _ = self.ask(method, path, body and json.dumps(body), body and "application/json", want=want)
        return json.loads(text)


def from_csv(text):
    out = []
    for row in csv.DictReader(io.StringIO(text)):
        out.append((row["label"], [float(v) for k, v in row.items() if k.startswith("probability.")],
                    float(row["ood.score"]), float(row["ood.p_value"]), row["ood.is_ood"] == "true"))
    return out


def from_objects(answers):
    return [(a["label"], list(a["probabilities"].values()), a["ood"]["score"], a["ood"]["p_value"], a["ood"]["is_ood"])
            for a in answers["predictions"]]


def single(v):
    return struct.unpack("<f", struct.pack("<f", v))[0]


def from_tensors(label, p, score, p_value, is_ood):
    k = len(p) // len(label)
    return [(label[i], [single(v) for v in p[i * k:i * k + k]], score[i], p_value[i], bool(is_ood[i]))
            for i in range(len(label))]


def tensors(table, rows, binary):
    """The body: JSON, and the tensors behind it."""
    inputs, tail = [], b""
    for j, name in enumerate(table.names):
        column = [row[j] for row in rows]
        tensor = {"name": name, "shape": [len(rows)], "datatype": "FP64" if name[0] == "n" else "BYTES"}
        if not binary:
            tensor["data"] = column
        elif name[0] == "n":
            data = struct.pack(f"<{len(column)}d", *(float("nan") if v is None else v for v in column))
        else:
            texts = [(v or "").encode() for v in column]
            data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
        if binary:
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail += data
        inputs.append(tensor)
    return json.dumps({"inputs": inputs, "parameters": {"binary_data_output": binary}}).encode(), tail


def by_binary_tensors(daemon, path, table, rows):
    head, tail = tensors(table, rows, True)
    text, headers = daemon.ask("POST", path, head + tail, "application/octet-stream",
                               {"Inference-Header-Content-Length": str(len(head))})
    n, at = len(rows), int(headers["Inference-Header-Content-Length"])
    outputs = json.loads(text[:at])["outputs"]
    part = {}
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        part[output["name"]] = text[at:at + size]
        at += size
    labels, data = [], part["label"]
    while data:
        (size,) = struct.unpack_from("<I", data)
        labels.append(data[4:4 + size].decode())
        data = data[4 + size:]
    floats = {k: struct.unpack(f"<{len(v) // 4}f", v) for k, v in part.items() if k not in ("label", "is_ood")}
    if len(labels) != n or at != len(text):
        raise Wrong("binary tensors: rows have been lost")
    return from_tensors(labels, floats["probabilities"], floats["ood_score"], floats["ood_p_value"], part["is_ood"])


def compare(way, want, got, exact=True):
    """Tensors have single precision: scores and p-values of others are brought to it."""
    if not exact:
        want = [(a, [single(v) for v in p], single(s), single(v), o) for a, p, s, v, o in want]
        got = [(a, p, single(s), single(v), o) for a, p, s, v, o in got]
    for i, (a, b) in enumerate(zip(want, got)):
        if a != b:
            raise Wrong(f"{way}, row {i}: {b}, and by the command line {a}")
    if len(want) != len(got):
        raise Wrong(f"{way}: {len(got)} answers, not {len(want)}")


def run(program, *arguments, stdin=None):
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise Wrong(f"{' '.join(arguments)}: {done.stderr.decode()[:500]}")
    return done.stdout.decode()


def has_onnxruntime():
    try:
        return not subprocess.run(["node", "-e", 'require("onnxruntime-node")'], capture_output=True, check=False).returncode
    except OSError:
        return False


def try_table(seed, daemon, verad, folder):
    table = Table(seed)
    learned = list(table.rows(240, False))
    labels = ["" if i % 4 else f"kind {k}" for i, (_, k) in enumerate(learned)]
    rows = [row for row, _ in table.rows(60, True)]
    train, file, model, onnx, want_file = (os.path.join(folder, name) for name in (
        "train.csv", "rows.csv", "model.vera", "model.onnx", "answers.csv"))
    with open(train, "w", encoding="utf-8") as out:
        out.write(table.csv([row for row, _ in learned], labels))
    with open(file, "w", encoding="utf-8") as out:
        out.write(table.csv(rows))
    how = [f"--{k.replace('_', '-')}={v}" for k, v in table.reading()]
    run(verad, "fit", train, "--label", "kind", "-o", model, "-q", "--steps", "60", "--evaluation-folds", "0",
        "--hidden-layers", "8", "--seed", str(seed), *how)

    text = run(verad, "predict", model, file)
    want = from_csv(text)
    with open(model, "rb") as bytes_of:
        imported, _ = daemon.ask("POST", "/v1/models:import", bytes_of.read(), "application/octet-stream", want=201)
    name = json.loads(imported)["id"]
    predict, infer = f"/v1/models/{name}/predict", f"/v2/models/{name}/infer"
    records = [dict(zip(table.names, row)) for row in rows]
    split = {"columns": table.names, "data": rows}

    got, _ = daemon.ask("POST", predict, table.csv(rows).encode(), "text/csv")
    if got.decode() != text:
        raise Wrong("CSV over HTTP is not what the command line says")
    compare("records", want, from_objects(daemon.json("POST", predict, {"rows": records})))
    answers = daemon.json("POST", predict, split)
    compare("split", want, [(d[0], d[1:-3], d[-3], d[-2], d[-1]) for d in answers["data"]])
    for form, body in (("dataframe_split", split), ("dataframe_records", records), ("instances", rows)):
        compare(form, want, from_objects(daemon.json("POST", f"/invocations?model={name}", {form: body})))
    columns = {c: [row[j] for row in rows] for j, c in enumerate(table.names)}
    compare("inputs", want, from_objects(daemon.json("POST", f"/invocations?model={name}", {"inputs": columns})))
    outputs = {o["name"]: o["data"] for o in daemon.json("POST", infer, json.loads(tensors(table, rows, False)[0]))["outputs"]}
    compare("tensors", want, from_tensors(outputs["label"], outputs["probabilities"], outputs["ood_score"],
                                          outputs["ood_p_value"], outputs["is_ood"]), exact=False)
    compare("binary tensors", want, by_binary_tensors(daemon, infer, table, rows), exact=False)

    query = urllib.parse.urlencode(table.reading())
    uploaded, _ = daemon.ask("POST", f"/v1/datasets?{query}", table.csv(rows).encode(), "text/csv", want=201)
    job = daemon.json("POST", "/v1/jobs", {"type": "batch_predict", "dataset": json.loads(uploaded)["id"], "model": name}, 202)
    while job["state"] not in ("succeeded", "failed", "cancelled"):
        text_of_job, _ = daemon.ask("GET", f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"})
        job = json.loads(text_of_job)
    batch, _ = daemon.ask("GET", f"/v1/jobs/{job['id']}/result")
    if batch.decode() != text:
        raise Wrong("a batch is not what the command line says")

    if has_onnxruntime():
        run(verad, "export", model, onnx)
        with open(want_file, "w", encoding="utf-8") as out:
            out.write(text)
        with open(file, "w", encoding="utf-8") as out:  # as export.cjs reads it: what is missing as it was listed
            out.write(",".join(table.names) + "\n")
            for row in rows:
                cells = ["" if v is None and not table.na else table.cell(v, j) if isinstance(v, (str, type(None))) else repr(v)
                         for j, v in enumerate(row)]
                out.write(",".join(cells) + "\n")
        run("node", "tests/export.cjs", onnx, file, want_file)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("url")
    p.add_argument("verad")
    p.add_argument("folder")
    p.add_argument("--seeds", type=int, default=6)
    o = p.parse_args()
    wrong = 0
    for seed in range(1, o.seeds + 1):
        try:
            try_table(seed, Daemon(o.url), o.verad, o.folder)
        except Wrong as why:
            print(f"ways: seed {seed}: {why}")
            wrong += 1
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
