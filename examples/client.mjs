#!/usr/bin/env node
// From a CSV file to answers, with Node.js 18 or later and nothing else.
//
//     node examples/client.mjs http://127.0.0.1:8080 table.csv label
//
// VERAD_KEY is the API key, where the daemon asks for one.
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the daemon refused: problem details, RFC 9457. `code` is stable; `errors` has lines and columns. */
class Problem extends Error {
  constructor(body) {
    super(body.detail)
    Object.assign(this, { code: body.code, status: body.status, errors: body.errors ?? [] })
  }
}

class Verad {
  constructor(url, key) {
    this.url = url.replace(/\/$/, '')
    this.key = key
  }

  async call(method, path, body, type = 'application/json') {
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {}
    if (body !== undefined) headers['Content-Type'] = type
    const reply = await fetch(this.url + path, {
      method,
      headers,
      body: body !== undefined && type === 'application/json' ? JSON.stringify(body) : body
    })
    const text = await reply.text()
    if (!reply.ok) throw new Problem(JSON.parse(text))
    return reply.headers.get('Content-Type')?.includes('json') ? JSON.parse(text) : text
  }

  upload(bytes, name, labelColumn) {
    return this.call('POST', `/v1/datasets?${new URLSearchParams({ name, label_column: labelColumn })}`, bytes, 'text/csv')
  }

  /** Queues a run and waits for its end. */
  async train(dataset, params) {
    let job = await this.call('POST', '/v1/jobs', { type: 'train', dataset, params })
    while (!['succeeded', 'failed', 'cancelled'].includes(job.state)) {
      await sleep(200)
      job = await this.call('GET', `/v1/jobs/${job.id}`)
    }
    if (job.state !== 'succeeded') throw new Error(`the job ${job.state}: ${job.error?.message}`)
    return job
  }
}

const [url, table, label] = process.argv.slice(2)
const verad = new Verad(url, process.env.VERAD_KEY)
const bytes = await readFile(table)

const dataset = await verad.upload(bytes, 'example', label)
console.log(`uploaded ${dataset.rows} rows, ${dataset.labelled} of them labelled`)
const job = await verad.train(dataset.id, { seed: 1, steps: 150, evaluation_folds: 2 })
console.log(`trained; accuracy on labels it had not seen: ${job.metrics.accuracy.toFixed(3)}`)

// CSV in, CSV out.
const answers = await verad.call('POST', `/v1/models/${job.model}/predict`, bytes, 'text/csv')
console.log(answers.split('\n').slice(0, 4).join('\n'))

// What is wrong with a table is said with its line and column.
try {
  await verad.call('POST', '/v1/datasets', 'x,y\n1,2\n3\n', 'text/csv')
} catch (problem) {
  console.log(`refused: ${problem.code} in line ${problem.errors[0].line}`)
}
