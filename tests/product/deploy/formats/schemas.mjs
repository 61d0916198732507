// Istio's and Envoy Gateway's resources under envoy/, against the schemas of their API servers:
// node schemas.mjs ENVOY_DIRECTORY, with the packages of package.json beside this file.
//
// Two halves, because an API server drops in silence what it does not know: the schemas find wrong
// values and what is missing, and TypeScript, which minds every member of an object literal, finds
// what is misspelled. Each half is first shown a file that it must refuse.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { parseAllDocuments } from "yaml";

const packages = {
  "extensions.istio.io": "@kubernetes-models/istio",
  "networking.istio.io": "@kubernetes-models/istio",
  "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway",
};

// A kustomization is read by kubectl, and goes to no API server.
function resources(folder) {
  return readdirSync(folder).filter((name) => name.endsWith(".yaml") && name !== "kustomization.yaml");
}

function manifests(directory) {
  return ["istio", "gateway"].flatMap((folder) =>
    resources(join(directory, folder)).flatMap((name) => {
      const path = `${folder}/${name}`;
      return parseAllDocuments(readFileSync(join(directory, path), "utf8")).map((document) => ({
        path,
        manifest: document.toJS(),
      }));
    }),
  );
}

function source(manifest) {
  const group = manifest.apiVersion.split("/")[0];
  return `${packages[group]}/${manifest.apiVersion}/${manifest.kind}`;
}

// What the schema finds; nothing if the manifest is valid.
async function invalid(manifest) {
  const { [manifest.kind]: Kind } = await import(source(manifest));
  try {
    new Kind(manifest).validate();
    return "";
  } catch (error) {
    return error.message;
  }
}

// What TypeScript finds in manifests written as literals of their types.
function misspelled(manifests) {
  const text = manifests.map(
    (manifest, index) =>
      `import type { I${manifest.kind} as Kind${index} } from "${source(manifest)}";\n` +
      `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest)};\n`,
  );
  const file = fileURLToPath(new URL("manifests.ts", import.meta.url));
  writeFileSync(file, text.join(""));
  const program = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map((diagnostic) => ts.flattenDiagnosticMessageText(diagnostic.messageText, " "));
}

const failures = [];
const found = manifests(process.argv[2]);
for (const { path, manifest } of found) {
  const problem = await invalid(manifest);
  if (problem) failures.push(`${path}: ${manifest.kind}: ${problem}`);
}
failures.push(...misspelled(found.map(({ manifest }) => manifest)));

const plugin = structuredClone(found.find(({ manifest }) => manifest.kind === "WasmPlugin").manifest);
plugin.spec.phase = "AUTHEN";
if (!(await invalid(plugin))) failures.push("the schemas do not see a phase that does not exist");
plugin.spec.phase = "AUTHN";
plugin.spec.failStrateggy = "FAIL_CLOSE";
if (misspelled([plugin]).length === 0) failures.push("TypeScript does not see a misspelled member");

for (const failure of failures) console.error(failure);
console.log(`schemas: ${found.length} resources, ${failures.length} problems`);
process.exit(failures.length === 0 ? 0 : 1);
