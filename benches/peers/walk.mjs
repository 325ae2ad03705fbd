// Walks with Apify's official JavaScript client, once for each line on stdin, and prints how
// many runs came and how many seconds that took. Usage: node walk.mjs BASE_URL TOKEN

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// Installed where the other walker of this client is.
const require = createRequire(new URL('../../tests/peers/js/', import.meta.url));
const { ApifyClient } = require('apify-client');

const [baseUrl, token] = process.argv.slice(2);
const runs = new ApifyClient({ baseUrl, token }).actor('janedoe/my-actor').runs();

for await (const _ of createInterface({ input: process.stdin })) {
    const started = performance.now();
    let count = 0;
    for await (const _ of runs.list()) count += 1;
    console.log(count, (performance.now() - started) / 1000);
}
