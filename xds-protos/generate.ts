// Generates gen/ (development only, `npm run generate:protos`) from the .proto files of @grpc/grpc-js-xds, protobufjs and our own.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { emitDescriptors } from './generator/emit-descriptors.ts';
import { emitTypes } from './generator/emit-types.ts';
import { loadMessages } from './generator/load.ts';
import { buildModel } from './generator/model.ts';
import { rootMessages } from './generator/roots.ts';

export const generatedFolder = path.join(import.meta.dirname, 'gen');

/** The whole content of gen/: file name to text. The same input gives the same text. */
export function generate(): Map<string, string> {
  const rootNames = Object.entries(rootMessages).flatMap(([packageName, names]) =>
    names.map((name) => `${packageName}.${name}`),
  );
  const model = buildModel(loadMessages(rootNames), rootNames);
  const files = emitTypes(model);
  files.set('descriptors.txt', emitDescriptors(model));
  return files;
}

if (import.meta.main) {
  const files = generate();
  mkdirSync(generatedFolder, { recursive: true });
  for (const name of readdirSync(generatedFolder)) {
    if (!files.has(name)) rmSync(path.join(generatedFolder, name));
  }
  for (const [name, text] of files) writeFileSync(path.join(generatedFolder, name), text);
}
