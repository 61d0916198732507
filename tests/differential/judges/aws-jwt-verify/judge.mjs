// What AWS's own verifier says about tokens. The first line that it reads is a JSON object (`keys`,
// `pool`, `clients`, `skew`); each further one is a token as a JSON string, and gets a line in
// answer: `accepts`, or `refuses` and why.
import { createInterface } from "node:readline";
import { CognitoJwtVerifier } from "aws-jwt-verify";

let verifier;
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const said = JSON.parse(line);
  if (!verifier) {
    verifier = CognitoJwtVerifier.create({
      userPoolId: said.pool,
      clientId: said.clients,
      tokenUse: null,
      graceSeconds: said.skew,
    });
    verifier.cacheJwks(said.keys);
    continue;
  }
  try {
    verifier.verifySync(said);
    process.stdout.write("accepts\n");
  } catch (error) {
    process.stdout.write(`refuses: ${String(error.message).replaceAll("\n", " ")}\n`);
  }
}
