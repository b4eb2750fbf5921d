#!/usr/bin/python3
"""ood_peers ROWS SCORES: scikit-learn's detectors on rows that bench_ood has encoded.

ROWS holds, little-endian, three u64 (training rows, rows to score, features) and the rows as float32. SCORES gets, for
each detector, a u32 and that many bytes of its name, its seconds as float64, and a float64 per row to score: higher =
more out of distribution. Detectors have their defaults but for what is needed to be used at all here: novelty=True, and
as many Gaussians as the Bayesian information criterion chooses. Those whose cost grows with the square of the rows are
trained on MOST_ROWS of them.
"""

import struct
import sys
import time
import warnings

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

MOST_ROWS = 10000
GAUSSIANS = (1, 2, 4, 8, 16)


def some_of(train):
    if len(train) <= MOST_ROWS:
        return train
    return train[np.sort(np.random.RandomState(0).permutation(len(train))[:MOST_ROWS])]


def isolation_forest(train):
    return IsolationForest(random_state=0).fit(train)


def one_class_svm(train):
    return OneClassSVM().fit(some_of(train))


def local_outlier_factor(train):
    train = some_of(train)
    return LocalOutlierFactor(n_neighbors=min(20, len(train) - 1), novelty=True).fit(train)


def gaussian_mixture(train):
    best, lowest = None, np.inf
    for n in GAUSSIANS:
        if n > 1 and len(train) < 10 * n:
            break
        for ridge in (1e-6, 1e-3):  # the default; then one that carries columns that hardly vary
            try:
                model = GaussianMixture(n, reg_covar=ridge, random_state=0).fit(train)
                break
            except ValueError:
                continue
        else:
            continue
        bic = model.bic(train)
        if best is None or bic < lowest:
            best, lowest = model, bic
    return best


PEERS = (
    ("IsolationForest", isolation_forest),
    ("OneClassSVM", one_class_svm),
    ("LocalOutlierFactor", local_outlier_factor),
    ("GaussianMixture", gaussian_mixture),
)


def main(rows_path, scores_path):
    with open(rows_path, "rb") as f:
        n_train, n_test, d = struct.unpack("<QQQ", f.read(24))
        rows = np.fromfile(f, "<f4").reshape(n_train + n_test, d).astype(np.float64)
    train, test = rows[:n_train], rows[n_train:]
    warnings.filterwarnings("ignore")  # of convergence: what comes out is measured anyway
    with open(scores_path, "wb") as f:
        for name, fit in PEERS:
            start = time.process_time()
            score = -fit(train).score_samples(test)
            seconds = time.process_time() - start
            f.write(struct.pack("<I", len(name)) + name.encode() + struct.pack("<d", seconds))
            np.nan_to_num(score).astype("<f8").tofile(f)


main(*sys.argv[1:])
