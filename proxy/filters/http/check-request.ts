// [w] What an authorization service is asked: a CheckRequest on the wire (envoy.service.auth.v3).
import { isUtf8 } from '../../base/node-builtins.ts';
import { ProtobufWriter } from '../../base/protobuf-writer.ts';
import { wireText } from '../../router/wire-text.ts';
import type { DynamicMetadata } from '../../stream-info/dynamic-metadata.ts';
import { headerName } from '../../http/headers.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import type { AuthorizationQuestion } from './authorization-client.ts';
import { writeStruct } from './protobuf-value-writer.ts';

const PARTIAL_BODY = 'x-envoy-auth-partial-body';
const DOWNSTREAM_CLUSTER = headerName('x-envoy-downstream-service-cluster');

type Tells = (name: string) => boolean;

/** `tells`: whether the service is told of a header; `namespaces`: of dynamic metadata. */
export function checkRequest(
  question: AuthorizationQuestion,
  tells: Tells,
  namespaces: readonly string[],
): Buffer {
  const writer = new ProtobufWriter();
  writer.message(1, (attributes) => {
    writePeers(attributes, question);
    attributes.message(4, (request) => writeRequest(request, question, tells));
    for (const [key, value] of extensionsOf(question))
      attributes.entry(10, wireText(key), wireText(value));
    attributes.message(11, (context) =>
      writeMetadata(context, question.info.dynamicMetadata, namespaces),
    );
    // Metadata of the route: none is told.
    attributes.message(13, () => {});
  });
  return writer.finish();
}

/** More specific levels say the last word. */
function extensionsOf({ extensions }: AuthorizationQuestion): ReadonlyMap<string, string> {
  const merged = new Map<string, string>();
  for (const level of extensions.toReversed())
    for (const [key, value] of level) merged.set(key, value);
  return merged;
}

function writePeers(writer: ProtobufWriter, { headers, info }: AuthorizationQuestion): void {
  const { directRemoteIp, directRemoteAddress, localIp, localPort } = info.connection;
  const remotePort = Number(directRemoteAddress.slice(directRemoteAddress.lastIndexOf(':') + 1));
  writer.message(1, (peer) => {
    writeAddress(peer, directRemoteIp, remotePort);
    peer.text(2, sanitized(headers.get(DOWNSTREAM_CLUSTER) ?? ''));
  });
  writer.message(2, (peer) => writeAddress(peer, localIp, localPort));
}

function writeAddress(writer: ProtobufWriter, ip: string, port: number): void {
  writer.message(1, (address) =>
    address.message(1, (socket) => {
      socket.text(2, ip);
      socket.number(3, port);
    }),
  );
}

function writeRequest(writer: ProtobufWriter, question: AuthorizationQuestion, tells: Tells): void {
  const { info } = question;
  writer.message(1, (time) => {
    time.number(1, Math.floor(info.startWallMs / 1000));
    time.number(2, Math.floor((info.startWallMs % 1000) * 1_000_000));
  });
  writer.message(2, (http) => writeHttp(http, question, tells));
}

function writeHttp(writer: ProtobufWriter, question: AuthorizationQuestion, tells: Tells): void {
  const { headers, body, info } = question;
  writer.text(1, String(info.streamRandom));
  writer.text(2, headers.method);
  writeHeaders(writer, question, tells);
  writer.text(4, sanitized(headers.path));
  writer.text(5, sanitized(headers.authority ?? ''));
  writer.text(6, headers.scheme);
  writer.number(9, info.bytesReceived);
  writer.text(10, info.protocol);
  if (body === null || body.bytes.length === 0) return;
  if (body.packAsBytes) writer.bytes(12, body.bytes);
  else writer.text(11, sanitized(body.bytes.toString('latin1')));
}

/** A map: lines of one name are joined. */
function writeHeaders(
  writer: ProtobufWriter,
  { headers, body }: AuthorizationQuestion,
  tells: Tells,
): void {
  const values = new Map<string, string>();
  for (const [name, value] of linesOf(headers)) {
    if (name === PARTIAL_BODY || !tells(name)) continue;
    const present = values.get(name);
    values.set(name, sanitized(present === undefined ? value : `${present},${value}`));
  }
  if (body !== null) values.set(PARTIAL_BODY, body.partial ? 'true' : 'false');
  for (const [name, value] of values) writer.entry(3, name, value);
}

function* linesOf(headers: RequestHeaders): Generator<readonly [name: string, value: string]> {
  yield [':authority', headers.authority ?? ''];
  yield [':path', headers.path];
  yield [':method', headers.method];
  yield [':scheme', headers.scheme];
  for (let i = 0; i < headers.size; i++) yield [headers.nameAt(i).text, headers.valueAt(i)];
}

function writeMetadata(
  writer: ProtobufWriter,
  metadata: DynamicMetadata | null,
  namespaces: readonly string[],
): void {
  for (const namespace of namespaces) {
    const struct = metadata?.namespace(wireText(namespace));
    if (struct === undefined) continue;
    writer.message(1, (entry) => {
      entry.text(1, wireText(namespace));
      entry.message(2, (to) => writeStruct(to, struct));
    });
  }
}

/** What is no UTF-8 may not stand in a protobuf string. */
function sanitized(text: string): string {
  if (/^[\u0000-\u007f]*$/.test(text) || isUtf8(Buffer.from(text, 'latin1'))) return text;
  return text.replace(/[\u0080-\u00ff]/g, '!');
}
