"""python3 tests/export.py MODEL.onnx MODEL.safetensors ROWS.csv ANSWERS.csv

Is the graph one that ONNX's own library accepts, and do the tensors, with nothing but their description in
schema/safetensors.h, give verad's answers? What is not installed (python3-onnx, python3-numpy) is not looked at.
"""
import csv
import json
import struct
import sys

try:
    import onnx
except ImportError:
    onnx = None
try:
    import numpy as np
except ImportError:
    np = None

CLIP = 10
CYCLES = {"year": 365.2425, "week": 7, "day": 1}


def check_graph(path):
    with open(path, "rb") as file:
        data = file.read()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    if model.SerializeToString() != data:
        raise SystemExit(f"{path}: written otherwise than by protobuf itself")
    print(f"ok: {len(model.graph.node)} nodes, {len(model.graph.initializer)} constants, {len(data)} bytes")


def read_tensors(path):
    with open(path, "rb") as file:
        n = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(n)), file.read()
    about, tensors, end = header.pop("__metadata__"), {}, 0
    for name, tensor in header.items():
        first, last = tensor["data_offsets"]
        if first != end:
            raise SystemExit(f"{path}: {name} does not begin where the one before it ends")
        kind = {"F32": "<f4", "F64": "<f8"}[tensor["dtype"]]
        tensors[name] = np.frombuffer(data[first:last], kind).reshape(tensor["shape"])
        end = last
    if end != len(data):
        raise SystemExit(f"{path}: bytes behind the last tensor")
    return about, tensors


def number(text):
    if text[4:5] == "-" and text[:4].isdigit():  # a date, as days since 1970
        return (np.datetime64(text) - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    return float(text) if text else np.nan


def scale(t, name, cells):
    def figure(what):
        return t[f"column.{name}.{what}"]

    v = np.where(np.isnan(cells), figure("median"), cells)
    if f"column.{name}.knots" not in t:
        z = (v - figure("center")) / figure("divisor")
    else:
        knots, scores, run = figure("knots"), figure("scores"), figure("run")
        z = np.interp(v, knots, scores)
        z = np.where(v < knots[0], scores[0] - (knots[0] / 2 - v / 2) / run[0], z)
        z = np.where(v > knots[-1], scores[-1] + (v / 2 - knots[-1] / 2) / run[1], z)
    return np.clip(z, -CLIP, CLIP)


def encode(about, t, rows):
    dense, blocks = [], []
    missing = json.loads(about.get("reading", "{}")).get("na_values", [])
    numbers = [float(text) for text in missing if text.replace("-", "").replace(".", "").isdigit()]
    for column in json.loads(about["columns"]):
        name, texts = column["name"], [row[column["name"]] for row in rows]
        if not column["n_features"]:
            continue
        if column["type"] in ("number", "date"):
            cells = np.array([number(text) for text in texts])
            if column["type"] == "number":
                cells[np.isin(cells, numbers)] = np.nan
            if f"column.{name}.median" in t:
                dense.append(scale(t, name, cells))
            if column["missing"]:
                dense.append(np.isnan(cells).astype(float))
            for cycle in column.get("cycles", []):
                angle = 2 * np.pi * (cells / CYCLES[cycle] % 1)
                dense += [np.nan_to_num(np.sin(angle)), np.nan_to_num(np.cos(angle))]
        else:
            code = {text: k for k, text in enumerate(column["categories"])}
            width = column["n_features"]
            code[""] = width - 2 if column["missing"] else width - 1
            code.update((text, code[""]) for text in missing)
            if column["type"] == "boolean":
                texts = [{"yes": "true", "TRUE": "true", "no": "false", "f": "false"}.get(t, t) for t in texts]
            blocks.append(np.eye(width)[[code.get(text, width - 1) for text in texts]])
    return np.concatenate(([np.stack(dense, 1)] if dense else []) + blocks, 1)


def log_sum_exp(v):
    top = v.max(1, keepdims=True)
    return (top + np.log(np.exp(v - top).sum(1, keepdims=True)))[:, 0]


def logits_of(t, x):
    logits = 0
    for m, weight in enumerate(t["network.weight"]):
        h, l = x.copy(), 0
        for j in range(t.get(f"network.{m}.warp", np.zeros((0, 0))).shape[1]):
            h[:, j] = np.interp(x[:, j], np.arange(-10, 10.25, 0.25), t[f"network.{m}.warp"][:, j])
        while f"network.{m}.layer.{l}.weight" in t:
            h = np.where(h > 0, h, 0.2 * h) if l else h
            h = h @ t[f"network.{m}.layer.{l}.weight"].T.astype(float) + t[f"network.{m}.layer.{l}.bias"]
            l += 1
        doubt, lse = t["network.doubt"][m], log_sum_exp(h)[:, None]
        h = np.log((1 - doubt) * np.exp(h - lse) + doubt / h.shape[1]) + (not t["network.conditional"][m]) * lse
        logits = logits + weight * h
    return logits + t.get("bias", 0)


def log_base(t, x):
    if "base.mean" not in t:
        return 0
    (n, d), parts = t["base.mean"].shape, []
    for k in range(n):
        r = x - t["base.centre"] - t["base.mean"][k]
        u, variance = t["base.direction"][k].astype(float), t["base.variance"][k]
        p = r @ u.T
        quadratic, log_determinant = (p * p / variance).sum(1), np.log(variance).sum()
        if len(variance) < d:
            noise = t["base.noise"][k]
            quadratic += np.maximum((r * r).sum(1) - (p * p).sum(1), 0) / noise
            log_determinant += (d - len(variance)) * np.log(noise)
        parts.append(np.log(t["base.weight"][k]) - (d * np.log(2 * np.pi) + log_determinant + quadratic) / 2)
    return log_sum_exp(np.stack(parts, 1))


def coupled(t, x):
    half, c = [x[:, 0::2], x[:, 1::2]], 0
    while f"density.coupling.{c}.layer.0.weight" in t:
        h, l = half[c % 2], 0
        while f"density.coupling.{c}.layer.{l}.weight" in t:
            h = np.logaddexp(0, h) if l else h
            h = h @ t[f"density.coupling.{c}.layer.{l}.weight"].T.astype(float) + t[f"density.coupling.{c}.layer.{l}.bias"]
            l += 1
        half[1 - c % 2] = half[1 - c % 2] + h
        c += 1
    return np.concatenate(half, 1)


def log_density(t, x):
    d = x.shape[1]
    constant = -d * np.log(2 * np.pi) / 2
    if "density.log_scale" in t:
        log_scale = t["density.log_scale"].astype(float)
        z = coupled(t, x) * np.exp(log_scale)
        return constant + log_scale.sum() - (z * z).sum(1) / 2
    if "density.log_std" in t:
        log_std, logits = t["density.log_std"].astype(float), t["density.logits"].astype(float)
        z = (x[:, None, :] - t["density.mean"]) * np.exp(-log_std)
        joint = logits - log_sum_exp(logits[None, :]) - log_std.sum(1) - (z * z).sum(2) / 2
        return constant + log_sum_exp(joint)
    w = t["density.direction"].astype(float)
    covariance = w @ w.T + np.exp(2 * t["density.log_sigma"].astype(float)) * np.eye(d)
    r = x - t["density.mean"]
    return constant - np.linalg.slogdet(covariance)[1] / 2 - (r * np.linalg.solve(covariance, r.T).T).sum(1) / 2


def check_tensors(path, rows_path, answers_path):
    with open(rows_path, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(answers_path, newline="") as file:
        answers = list(csv.DictReader(file))
    about, t = read_tensors(path)
    x = encode(about, t, rows)
    density = any(name.startswith("density.") for name in t)
    f = np.zeros((len(x), 1)) if density else logits_of(t, x)
    worst = {"probabilities": 0, "scores": 0}
    p = np.exp(f - log_sum_exp(f)[:, None])
    for k, name in enumerate(json.loads(about["classes"])):
        want = np.array([float(answer[f"probability.{name}"]) for answer in answers])
        worst["probabilities"] = max(worst["probabilities"], np.abs(p[:, k] - want).max())
    want = np.array([float(answer["ood.score"]) for answer in answers])
    if about["ood_score"] == "energy":
        score = -log_density(t, x) if density else -log_sum_exp(f) - log_base(t, x)
    elif about["ood_score"] == "max_probability":
        score = 1 - p.max(1)
    else:
        score = want  # would take the gradient too
    worst["scores"] = (np.abs(score - want) / np.maximum(1, np.abs(want))).max()
    held_out = t["reference." + about["ood_score"]]
    share = (held_out[None, :] >= want[:, None]).mean(1)
    worst["p-values"] = np.abs(share - [float(answer["ood.p_value"]) for answer in answers]).max()
    verdicts = ((want > t["threshold"]) != [answer["ood.is_ood"] == "true" for answer in answers]).sum()
    # All is double here, while verad projects in single precision: of wide tables |r|^2 - |p|^2 loses digits to that.
    good = worst["probabilities"] <= 1e-4 and worst["scores"] <= 5e-3 and worst["p-values"] < 1e-9 and not verdicts
    said = ", ".join(f"{off:.1e} in {what}" for what, off in worst.items())
    print(f"{'ok' if good else 'WRONG'}: {len(t)} tensors; off by at most {said}; {verdicts} other verdicts")
    if not good:
        raise SystemExit(1)


if onnx:
    check_graph(sys.argv[1])
if np:
    check_tensors(*sys.argv[2:5])
