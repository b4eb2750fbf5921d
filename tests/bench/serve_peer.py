#!/usr/bin/python3
"""What bench_serve compares with: a model of scikit-learn behind FastAPI and uvicorn, as their users write it.

    serve_peer.py TABLE.csv PORT LAYERS WORKERS

The same table, the same network (LAYERS, "256,256"), the same request and a reply with the same content but for the
out-of-distribution score. The classifier is fitted for one pass: how good it is does not matter, how large it is does.
It is at its best: an asynchronous handler, uvloop and httptools, no validation of each cell, no access log, BLAS
without threads of its own.
"""
import os
import sys

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import csv
import warnings

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")


def make(path, layers):
    with open(path, newline="") as f:
        rows = list(csv.reader(f))
    names, rows = rows[0][:-1], [r for r in rows[1:] if r[-1]]
    x = np.array([[float(v) for v in r[:-1]] for r in rows], dtype=np.float32)
    model = MLPClassifier(hidden_layer_sizes=layers, max_iter=1, random_state=1)
    model.fit(x, [r[-1] for r in rows])
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request):
        body = await request.json()
        x = np.array([[row[name] for name in names] for row in body["rows"]], dtype=np.float32)
        p = model.predict_proba(x)
        best = p.argmax(axis=1)
        return JSONResponse({"predictions": [
            {"label": model.classes_[k], "probabilities": dict(zip(model.classes_, row.tolist()))}
            for k, row in zip(best, p)]})

    return app


if __name__ == "__main__":
    os.environ["PEER"] = " ".join(sys.argv[1:])
    uvicorn.run("serve_peer:app", app_dir=os.path.dirname(os.path.abspath(__file__)), host="127.0.0.1",
                port=int(sys.argv[2]), workers=int(sys.argv[4]), log_level="warning", access_log=False)
else:
    table, _, sizes, _ = os.environ["PEER"].split(" ")
    app = make(table, tuple(int(n) for n in sizes.split(",")))
