// Walks a run list with Apify's official JavaScript client, and writes the IDs it got.
// Usage: node walk.mjs BASE_URL TOKEN SCENARIO OUT_FILE

import { writeFileSync } from 'node:fs';
import { ApifyClient } from 'apify-client';

const [baseUrl, token, scenario, out] = process.argv.slice(2);
const runs = new ApifyClient({ baseUrl, token }).actor('janedoe/my-actor').runs();
const options = {};
if (scenario === 'running-finish') options.status = 'RUNNING';
if (scenario === 'inserts-descending') options.desc = true;

const ids = [];
let lastStart;
for await (const run of runs.list(options)) {
    ids.push(run.id);
    lastStart = run.startedAt;
}
if (scenario === 'late-rows') {
    // As a job does that is started again and again: it asks for what started since the last
    // run it has, and passes over those it has.
    const seen = new Set(ids);
    for await (const run of runs.list({ startedAfter: lastStart.toISOString() })) {
        if (!seen.has(run.id)) ids.push(run.id);
    }
}
writeFileSync(out, ids.map((id) => `${id}\n`).join(''));
