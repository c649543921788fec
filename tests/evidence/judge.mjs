// The page's own program, taken out of the page, asked without a browser: a question a line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

const page = readFileSync(process.argv[2], "utf8");
const [, program] = /<script>([^]*)<\/script>/.exec(page);
runInThisContext(program);
const { judge, heard } = globalThis.exchangeEvidence;
const judged = async (file, anchor) => {
  const { ok, isAnchored, steps } = await judge(new Uint8Array(readFileSync(file)), anchor);
  return { ok, isAnchored, steps };
};

for await (const line of createInterface({ input: process.stdin })) {
  const { file, anchor, words } = JSON.parse(line);
  const answer = words ? heard(words) : await judged(file, anchor);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
