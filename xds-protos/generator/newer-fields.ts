// Fields that Envoy has and the .proto files of @grpc/grpc-js-xds do not yet (development only). Each was seen on the wire of a
// real istiod next to its JSON (test/fixtures/istiod), which proves name, number and type. Remove a row once the package has it:
// the generator then refuses the second declaration.
import protobuf from 'protobufjs';

interface NewerField {
  readonly message: string;
  readonly name: string;
  readonly number: number;
  readonly type: string;
}

const newerFields: readonly NewerField[] = [
  // 06-protocols: DNS clusters.
  {
    message: 'envoy.config.cluster.v3.Cluster',
    name: 'dns_jitter',
    number: 58,
    type: 'google.protobuf.Duration',
  },
  // 13-extensions: WasmPlugin.
  {
    message: 'envoy.extensions.wasm.v3.PluginConfig',
    name: 'failure_policy',
    number: 7,
    type: 'envoy.extensions.wasm.v3.FailurePolicy',
  },
];

const newerEnums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'envoy.extensions.wasm.v3.FailurePolicy': {
    UNSPECIFIED: 0,
    FAIL_RELOAD: 1,
    FAIL_CLOSED: 2,
    FAIL_OPEN: 3,
  },
};

export function addNewerFields(root: protobuf.Root): void {
  for (const [fullName, values] of Object.entries(newerEnums)) {
    const dot = fullName.lastIndexOf('.');
    root
      .define(fullName.slice(0, dot))
      .add(new protobuf.Enum(fullName.slice(dot + 1), { ...values }));
  }
  for (const { message, name, number, type } of newerFields) {
    // Only what the roots reach is loaded.
    const found = root.lookup(`.${message}`);
    if (found instanceof protobuf.Type) found.add(new protobuf.Field(name, number, `.${type}`));
  }
}
