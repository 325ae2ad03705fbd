// Walks a run list with Apify's official JavaScript client and writes the IDs it got.
// Usage: node walk.mjs BASE_URL TOKEN OUT_FILE

import { writeFileSync } from 'node:fs';
import { ApifyClient } from 'apify-client';

const [baseUrl, token, out] = process.argv.slice(2);
const client = new ApifyClient({ baseUrl, token });

const ids = [];
for await (const run of client.actor('janedoe/my-actor').runs().list()) {
    ids.push(run.id);
}
writeFileSync(out, `${ids.join('\n')}\n`);
