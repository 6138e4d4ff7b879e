// A trainer in another language: two gauges are all that it publishes. It trains nothing; the seeds make its curve.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const { env } = process;
const config = { evaluations: 20, seconds: 0.5, ...JSON.parse(env.SEEDSWEEP_CONFIG || "{}") };
const [weightInit, dataOrder] = [env.SEEDSWEEP_WEIGHT_INIT_SEED, env.SEEDSWEEP_DATA_ORDER_SEED].map(Number);
const height = 0.6 + 0.3 * Math.abs(Math.sin(12.9 * weightInit + 78.2 * dataOrder));

let score = NaN; // until there is one
let progress = 0;
let read = () => {};
const last = new Promise((resolve) => (read = resolve));

createServer((_, response) => {
  if (progress === 1) response.on("finish", read);
  response.end(`validation_accuracy ${score}\nepisode_progress ${progress}\n`);
}).listen(Number(env.SEEDSWEEP_METRICS_PORT), env.SEEDSWEEP_METRICS_HOST);

for (let evaluation = 1; evaluation <= config.evaluations; evaluation++) {
  await sleep(1000 * config.seconds);
  score = height * (1 - 0.5 * 0.8 ** evaluation);
  progress = evaluation / config.evaluations; // after the score that it counts
}
await Promise.race([last, sleep(60_000)]); // so that the last score is read, too
process.exit(0);
