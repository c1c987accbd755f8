// Reads the .proto files (development only): finds the file of each root message and loads it with protobufjs' reflection.
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import protobuf from 'protobufjs';
import { addNewerFields, typesOfNewerFields } from './newer-fields.ts';

const here = import.meta.dirname;
const depsFolder = path.join(
  path.dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js-xds/package.json')),
  'deps',
);

/** Folders that imports are resolved against, first match wins. Ours come last: they only fill gaps. */
const includeFolders: readonly string[] = [
  path.join(depsFolder, 'envoy-api'),
  path.join(depsFolder, 'xds'),
  path.join(depsFolder, 'googleapis'),
  path.join(depsFolder, 'protoc-gen-validate'),
  path.dirname(createRequire(import.meta.url).resolve('protobufjs/package.json')),
  path.join(here, '..', 'additions'),
  path.join(here, '..', 'istio'),
];

/** Full name of a message or an enum to the file that declares it, over all include folders (old v2 packages aside). */
function indexTypes(): Map<string, string> {
  const fileOfType = new Map<string, string>();
  for (const folder of includeFolders) {
    for (const name of globSync('**/*.proto', { cwd: folder }).sort()) {
      if (/\/v[12](alpha\d*|beta\d*)?\//.test(name) && name.startsWith('envoy/')) continue;
      const text = readFileSync(path.join(folder, name), 'utf8');
      const packageName = /^package ([\w.]+);/m.exec(text)?.[1];
      if (packageName === undefined) continue;
      for (const found of text.matchAll(/^(?:message|enum) (\w+)/gm)) {
        const fullName = `${packageName}.${found[1] ?? ''}`;
        if (!fileOfType.has(fullName)) fileOfType.set(fullName, name);
      }
    }
  }
  return fileOfType;
}

function resolveImport(target: string): string | null {
  for (const folder of includeFolders) {
    if (globSync(target, { cwd: folder }).length > 0) return path.join(folder, target);
  }
  return null;
}

/** Loads the files that declare the given messages, and all they import. Throws for a name no file declares. */
export function loadMessages(fullNames: readonly string[]): protobuf.Root {
  const fileOfType = indexTypes();
  const files = new Set<string>();
  for (const fullName of [...fullNames, ...typesOfNewerFields]) {
    if (fullName.startsWith('google.protobuf.')) continue;
    // A nested type stands in the file of the message around it.
    const file = fileOfType.get(fullName) ?? fileOfType.get(fullName.replace(/\.\w+$/, ''));
    if (file === undefined) throw new Error(`no .proto file declares ${fullName}`);
    files.add(file);
  }
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    // protobufjs carries the well-known types inside itself; this name makes it use them.
    if (protobuf.common.get(target) !== null) return target;
    const found = resolveImport(target);
    if (found === null) throw new Error(`import ${target} not found`);
    return found;
  };
  root.loadSync([...files].sort(), { keepCase: true });
  addNewerFields(root);
  root.resolveAll();
  return root;
}
