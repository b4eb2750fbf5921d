// node tests/export.cjs MODEL.onnx ROWS.csv ANSWERS.csv: does onnxruntime answer the rows as verad did? Cells have no
// quotes. NODE_PATH is where onnxruntime-node is.
const fs = require("node:fs");
const ort = require("onnxruntime-node");

const [modelFile, rowsFile, answersFile] = process.argv.slice(2);

function readTable(file) {
	const [names, ...rows] = fs.readFileSync(file, "utf8").trimEnd().split("\n").map((line) => line.split(","));
	return { n: rows.length, names, column: (name) => rows.map((row) => row[names.indexOf(name)]) };
}

// A date is given as days since 1970.
function number(cell) {
	if (/^\d{4}-\d\d-\d\d/.test(cell)) return Date.parse(cell.length > 10 ? cell + "Z" : cell) / 86400000;
	return cell === "" ? NaN : Number(cell);
}

function feed(session, table) {
	const inputs = {};
	for (const { name, type } of session.inputMetadata) {
		if (!table.names.includes(name)) throw new Error(`the table has no column ${name}`);
		const cells = table.column(name);
		inputs[name] = type === "string"
			? new ort.Tensor("string", cells, [table.n, 1])
			: new ort.Tensor("float64", Float64Array.from(cells, number), [table.n, 1]);
	}
	return inputs;
}

// An output, whatever it had to be called beside the columns.
function output(outputs, name) {
	while (!(name in outputs) && name.length < 40) name += "_";
	return outputs[name] && outputs[name].data;
}

async function main() {
	const session = await ort.InferenceSession.create(modelFile, { logSeverityLevel: 3 });
	const rows = readTable(rowsFile), want = readTable(answersFile);
	const outputs = await session.run(feed(session, rows));
	const score = output(outputs, "ood_score"), p = output(outputs, "ood_p_value"), ood = output(outputs, "is_ood");
	const wantScore = want.column("ood.score").map(Number), wantP = want.column("ood.p_value").map(Number);
	const wantOod = want.column("ood.is_ood");
	const classes = want.names.filter((name) => name.startsWith("probability."));
	const worst = { probability: 0, score: 0, p: 0 };
	let others = 0;

	if (rows.n !== want.n || score.length !== rows.n) throw new Error("rows have been lost");
	for (let i = 0; i < rows.n; i++) {
		const off = Math.abs(score[i] - wantScore[i]) / Math.max(1, Math.abs(wantScore[i]));
		if (!(off >= 0)) throw new Error(`row ${i}: score ${score[i]}`);
		worst.score = Math.max(worst.score, off);
		worst.p = Math.max(worst.p, Math.abs(p[i] - wantP[i]));
		others += String(Boolean(ood[i])) !== wantOod[i];
	}
	if (classes.length) {
		const label = output(outputs, "label"), probabilities = output(outputs, "probabilities");
		const wantLabel = want.column("label");
		classes.forEach((name, k) => {
			want.column(name).forEach((text, i) => {
				const off = Math.abs(probabilities[i * classes.length + k] - Number(text));
				if (!(off >= 0)) throw new Error(`row ${i}: probability ${probabilities[i * classes.length + k]}`);
				worst.probability = Math.max(worst.probability, off);
			});
		});
		for (let i = 0; i < rows.n; i++) others += label[i] !== wantLabel[i];
	}
	// A score that rounds to the other side of another row's moves the p-value by that row; a tie turns a label.
	const good = worst.probability <= 1e-4 && worst.score <= 1e-3 && worst.p <= 0.02 && others <= rows.n / 500;
	console.log(`${good ? "ok" : "WRONG"}: ${rows.n} rows; off by at most ${worst.probability.toExponential(1)} in ` +
		`probabilities, ${worst.score.toExponential(1)} in scores, ${worst.p.toExponential(1)} in p-values; ` +
		`${others} other labels and verdicts`);
	process.exitCode = good ? 0 : 1;
}

main();
